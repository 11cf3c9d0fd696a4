"""Where an error number comes from: followed backwards from the return of a call, and what led there."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import define, field, frozen

from bootwright.formats.code.a64_flow import SP, Flow, Kind, holds
from bootwright.lab.trace.running import Run

_LAST_SCRATCH = 18
"""x0 to x18 are a called function's to change (AAPCS64, 6.1.1)."""
_MOST_STATES = 20_000

Carriers = frozenset[int | tuple[int, int]]
"""What holds the error number: registers, and (base register, offset) in memory."""


@frozen
class Hop:
    """One step of the error number on its way, forwards in time."""

    index: int
    """The record of the instruction that copied it."""
    register: int | None
    """Into which register; None: into memory."""


@frozen
class Origin:
    """Where the error number was made."""

    index: int
    """The record of the instruction whose result it first was."""
    register: int
    hops: tuple[Hop, ...]
    """How it came from there to the return, first copies first."""
    before: bool = False
    """It was in memory before the call: the instruction only loaded it."""
    lost: bool = False
    """What the instruction makes is not the error number: it came by a way that is not understood."""

    @property
    def is_known(self) -> bool:
        """The instruction made the error number."""
        return not self.before and not self.lost


@frozen
class Guard:
    """The branch, or the conditional select, that led to the error rather than past it."""

    index: int
    taken: bool
    """Whether it branched; of a select, whether its condition held."""
    tested: tuple[tuple[int, int], ...] = field(factory=tuple)
    """(register, value) of what decided."""
    compare: int | None = None
    """The record of the instruction that set the flags."""


def follow(run: Run, errno: int) -> Origin:
    """From x0 behind the last record to the instruction that made the value."""
    wanted = -errno & 0xFFFFFFFF
    register = 0
    hops: list[Hop] = []
    index = len(run.log)
    while (index := run.last(index - 1, run.writing(register))) >= 0:
        step = run.flow(run.log.pcs[index])
        if step is None or not run.ran(index):
            continue
        if run.log.register(index + 1, register) & 0xFFFFFFFF != wanted:
            return Origin(index, register, tuple(reversed(hops)), lost=True)
        if step.access is not None and not step.access.stores:
            stored = _stored(run, index, register, step)
            if stored is None:
                return Origin(index, register, tuple(reversed(hops)), before=True)
            hops.append(Hop(index, register))
            index, source = stored
            if source is None or run.log.register(index, source) & 0xFFFFFFFF != wanted:
                return Origin(index, register, tuple(reversed(hops)))
            hops.append(Hop(index, None))
        else:
            source = _source(run, index, step, wanted)
            if source is None:
                return Origin(index, register, tuple(reversed(hops)))
            hops.append(Hop(index, register))
        register = source
    # Its own argument: the handler was given it.
    return Origin(0, register, tuple(reversed(hops)), before=True)


def _source(run: Run, index: int, step: Flow, wanted: int) -> int | None:
    """The register that the result was copied from."""
    reads = step.reads
    if step.selects and step.condition is not None:
        reads = (step.reads[0] if holds(step.condition, run.log.flags(index)) else step.reads[1],)
    for register in reads:
        # Number 31 of a select is zero; else it is the stack pointer, which is no error number.
        if register != SP and run.log.register(index, register) & 0xFFFFFFFF == wanted:
            return register
    return None


def _stored(run: Run, index: int, register: int, step: Flow) -> tuple[int, int | None] | None:
    """(record, register) of the last store to what the load of a record reads; None where there is none."""
    assert step.access is not None  # noqa: S101 - a load
    address = run.address(index, step.access)
    for part, size in step.access.parts:
        if part == register:
            break
        address += size
    at = index
    while (at := run.last(at - 1, run.storing)) >= 0:
        other = run.flow(run.log.pcs[at])
        if other is None or other.access is None or not run.ran(at):
            continue
        begin = run.address(at, other.access)
        for part, size in other.access.parts:
            if begin <= address < begin + size:
                return at, part if begin == address else None
            begin += size
    return None


class Guards:
    """Looks for the branch behind an origin, in its own function and then in those that called it."""

    def __init__(self, run: Run, origin: Origin, never_return: frozenset[int]) -> None:
        """`never_return`: addresses of functions behind whose calls nothing runs."""
        self._run, self._origin, self._never_return = run, origin, never_return

    def all(self) -> Iterator[Guard]:
        """The branches on the way whose other direction can leave their function without the error.

        The last one first, then those before it and in the functions that called. Branches that test the
        error number itself are passed over: they lead on from it, not to it. A function without such a branch
        always fails.
        """
        run = self._run
        index, register = self._origin.index, self._origin.register
        while True:
            yield from self._in_frame(index, register)
            frame = run.frames[run.frame_of[index]]
            if frame.parent < 0 or frame.is_exception:
                return
            index, register = frame.call, 0

    def _in_frame(self, index: int, register: int) -> Iterator[Guard]:
        run = self._run
        frame = run.frame_of[index]
        made_at = run.log.pcs[index]
        records = [at for at in run.records_of(frame) if run.ran(at)]
        carriers: Carriers = frozenset()
        candidates: list[tuple[int, Carriers]] = []
        flags_at: int | None = None
        flags: dict[int, int | None] = {}
        own: set[int] = set()
        for at in records:
            step = run.flow(run.log.pcs[at])
            if step is None:
                continue
            if step.condition is not None:
                flags[at] = flags_at
            if step.kind is Kind.CONDITIONAL or (step.selects and step.condition is not None):
                setter = flags_at if step.condition is not None else None
                on_error = setter in own if step.condition is not None else bool(carriers & set(step.reads))
                if not on_error:
                    candidates.append((at, carriers))
            if step.sets_flags:
                flags_at = at
                if carriers & set(step.reads):
                    own.add(at)
            carriers = frozenset({register}) if at == index else _carried(step, carriers)
        leaving = _Leaving(run, self._never_return, made_at, register)
        for at, held in reversed(candidates):
            step = run.flow(run.log.pcs[at])
            if step is not None and self._may_escape(at, step, held, leaving):
                yield self._guard(at, step, flags.get(at))

    def _guard(self, at: int, step: Flow, setter: int | None) -> Guard:
        run = self._run
        if step.selects and step.condition is not None:
            taken = holds(step.condition, run.log.flags(at))
        else:
            taken = run.log.pc(at + 1) != run.log.pcs[at] + 4
        source = at if step.condition is None else setter
        compared = run.flow(run.log.pcs[source]) if source is not None else None
        tested = (
            tuple(
                (number, run.log.register(source, number)) for number in (compared.reads if compared else ())
            )
            if source is not None
            else ()
        )
        return Guard(at, taken, tested, setter)

    def _may_escape(self, at: int, step: Flow, held: Carriers, leaving: _Leaving) -> bool:
        """Whether the direction not taken can come to the function's return without the error."""
        run, pc = self._run, self._run.log.pcs[at]
        if step.selects:
            return at == self._origin.index or any(hop.index == at for hop in self._origin.hops)
        other = pc + 4 if run.log.pc(at + 1) != pc + 4 else pc + (step.jump or 0)
        return leaving.without_error(other, held)


@define
class _Leaving:
    """The ways out of one function; what was found closed for one branch is not walked for another."""

    run: Run
    never_return: frozenset[int]
    made_at: int
    """The instruction that makes the error, or the call that does."""
    register: int
    """What then holds it."""
    _closed: set[tuple[int, Carriers]] = field(factory=set, init=False)

    def without_error(self, start: int, held: Carriers) -> bool:
        """Whether a way from `start`, where `held` have the error, leads to a return that does not."""
        waiting: list[tuple[int, Carriers]] = [(start, held)]
        seen: set[tuple[int, Carriers]] = set()
        while waiting:
            state = waiting.pop()
            if state in seen or state in self._closed:
                continue
            if len(seen) >= _MOST_STATES:
                return False
            seen.add(state)
            here, carriers = state
            there = self.run.flow(here)
            if there is None or there.kind is Kind.TRAP:
                continue  # not read, or a crash: nothing returns from there
            if there.kind is Kind.CALL and here + (there.jump or 0) in self.never_return:
                continue
            if there.kind in {Kind.RETURN, Kind.INDIRECT_JUMP}:
                if there.kind is Kind.RETURN and 0 not in carriers:
                    return True
                continue
            carriers = frozenset({self.register}) if here == self.made_at else _carried(there, carriers)
            waiting += [(behind, carriers) for behind in _ways(here, there)]
        self._closed |= seen
        return False


def _ways(pc: int, step: Flow) -> Iterator[int]:
    if step.kind is not Kind.JUMP:
        yield pc + 4
    if step.kind in {Kind.JUMP, Kind.CONDITIONAL} and step.jump is not None:
        yield pc + step.jump


def _carried(step: Flow, carriers: Carriers) -> Carriers:
    """What holds the error number after an instruction, from what held it before."""
    if not carriers:
        return carriers
    kept = {carrier for carrier in carriers if carrier not in step.writes}
    if step.kind in {Kind.CALL, Kind.INDIRECT_CALL}:
        kept -= set(range(_LAST_SCRATCH + 1))
    if step.access is not None:
        offset = step.access.offset
        for register, size in step.access.parts:
            place = (step.access.base, offset)
            if step.access.stores:
                kept.discard(place)
                if register in carriers:
                    kept.add(place)
            elif place in carriers and register is not None:
                kept.add(register)
            offset += size
    elif (
        step.kind is Kind.PLAIN and len(step.reads) == 1 and step.reads[0] in carriers and not step.sets_flags
    ):
        kept |= set(step.writes)
    return frozenset(kept)
