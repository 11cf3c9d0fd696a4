"""Proof of a cause by intervention: the same call again, with one branch the other way.

Nothing else is changed: at the guard the program counter is set to where the branch did not lead (of a
conditional select, its register to what was not selected), and the kernel runs on.
"""

from __future__ import annotations

import errno as errnos
from collections.abc import Iterable, Iterator

from attrs import frozen

from bootwright.formats.code.a64_state import MASK64
from bootwright.foundation.errors import ToolFailed
from bootwright.lab.probes.ktap import ProbeTest, parse
from bootwright.lab.trace.guest import Guest, Stage, guest
from bootwright.lab.trace.origin import Guard
from bootwright.lab.trace.record import RecordedCall, signed_result
from bootwright.lab.trace.running import Run

_PC = 32
_ZERO = 31
_MOST_WRITTEN = 1 << 20
_REST = 30.0
"""Wall seconds that a step is given after the call, to say how it ends."""


@frozen
class Flipped:
    """What happened with one guard the other way."""

    guard: Guard
    returned: int | None
    """What the call then returned; None: it did not, `why` says what happened."""
    why: str
    step: ProbeTest | None
    """How the step then ended, where the call succeeded and it did."""

    @property
    def is_cause(self) -> bool:
        """The call succeeds: this branch alone made the error."""
        return self.returned is not None and self.returned >= 0

    @property
    def errno(self) -> str | None:
        """What the call then failed with."""
        if self.returned is None or self.returned >= 0:
            return None
        return errnos.errorcode.get(-self.returned, str(-self.returned))


def prove(stage: Stage, recorded: RecordedCall, run: Run, guards: Iterable[Guard]) -> Iterator[Flipped]:
    """Flip one guard after another, each in a run of its own, until the call succeeds with one flipped.

    Raises `ToolFailed` when QEMU does.
    """
    for guard in guards:
        flipped = flip(stage, recorded, run, guard)
        yield flipped
        if flipped.is_cause:
            return


def flip(stage: Stage, recorded: RecordedCall, run: Run, guard: Guard) -> Flipped:
    """The recorded call once more, with one guard the other way; raises `ToolFailed`."""
    with guest(stage, most_written=_MOST_WRITTEN) as machine:
        try:
            return _flip(machine, recorded, run, guard)
        except TimeoutError:
            return Flipped(guard, None, f"the kernel did not go on within {stage.timeout:g} s", None)


def _flip(machine: Guest, recorded: RecordedCall, run: Run, guard: Guard) -> Flipped:
    entry = None
    for number, entry in enumerate(machine.calls(recorded.handler, recorded.call_number), 1):
        if number == recorded.call_number:
            break
        if machine.finish(entry) is None:
            entry = None
            break
    if entry is None:
        return Flipped(guard, None, "the guest did not come to the call again", None)
    if not _come_to(machine, recorded, run, guard, behind=entry.x[30]):
        return Flipped(guard, None, "the call did not come to the branch again", None)
    _turn(machine, run, guard)
    now = machine.finish(entry)
    if now is None:
        return Flipped(guard, None, "the call did not return: the kernel did not survive it", None)
    returned = signed_result(now.x[0])
    # Only what a success leads to is of interest: the rest of a run takes as long as what was before.
    tests = parse(machine.run_out(_REST), machine.mark).tests if returned >= 0 else ()
    return Flipped(guard, returned, "", tests[0] if tests else None)


def _come_to(machine: Guest, recorded: RecordedCall, run: Run, guard: Guard, *, behind: int) -> bool:
    """Stop before the guard, at the same of its turns as in the record."""
    pc = recorded.log.pcs[guard.index]
    turns = sum(1 for at in range(guard.index) if recorded.log.pcs[at] == pc and run.ran(at))
    debugger = machine.debugger
    debugger.break_at(behind)
    for turn in range(turns + 1):
        debugger.break_at(pc)
        if not debugger.go_on() or debugger.registers().pc != pc:
            return False
        debugger.clear(pc)
        if turn < turns and not debugger.step():
            return False
    debugger.clear(behind)
    return True


def _turn(machine: Guest, run: Run, guard: Guard) -> None:
    """Go the other way; the machine is stopped before the guard."""
    pc = run.log.pcs[guard.index]
    word, step = run.word(pc), run.flow(pc)
    if word is None or step is None:
        raise ToolFailed("qemu's debugger", f"the code at {pc:#x} was not read")
    if step.selects:
        machine.debugger.change(word & 31, not_selected(word, machine.debugger.registers().x, guard.taken))
        machine.debugger.change(_PC, pc + 4)
    else:
        machine.debugger.change(_PC, pc + 4 if guard.taken else pc + (step.jump or 0))


def not_selected(word: int, x: tuple[int, ...], held: bool) -> int:
    """What CSEL, CSINC, CSINV or CSNEG would have made had its condition not held (or held).

    Arm Architecture Reference Manual, DDI 0487, C6.2: of the second register +0, +1, the complement, the
    negation.
    """
    wide = MASK64 if word >> 31 else 0xFFFFFFFF
    first, second = word >> 5 & 31, word >> 16 & 31
    if not held:
        return (0 if first == _ZERO else x[first]) & wide
    value = 0 if second == _ZERO else x[second]
    inverted, incremented = word >> 30 & 1, word >> 10 & 1
    if inverted:
        value = ~value
    return value + incremented & wide
