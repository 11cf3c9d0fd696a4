"""Proof of a cause by intervention: the same call again, with one branch the other way.

Nothing else is changed: at the guard the program counter is set to where the branch did not lead (of a
conditional select, its register to what was not selected), and the kernel runs on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from attrs import frozen

from bootwright.formats.code.a64_state import MASK64
from bootwright.formats.kernel.errnos import errno_name
from bootwright.foundation.errors import ToolFailed
from bootwright.lab.machines.debugger import Registers
from bootwright.lab.probes.ktap import ProbeTest, parse
from bootwright.lab.trace.guest import Guest, Stage, guest
from bootwright.lab.trace.origin import Guard
from bootwright.lab.trace.record import RecordedCall, signed_result
from bootwright.lab.trace.running import Run

_PC = 32
_ZERO = 31
_MOST_WRITTEN = 1 << 20
_ADDRESSES, _ERRORS = 0xFFFF << 48, (1 << 64) - 4096
"""Numbers between are the kernel's addresses (arch/arm64/include/asm/memory.h), those above error numbers."""
_LEAST, _SLOWER = 5.0, 10
"""A call with a branch the other way has so many wall seconds, or so many times its record's."""
_LEAST_AGAIN, _SLOWER_AGAIN = 1.0, 2
"""The same where the call is made again in one machine: what does not end there is made in one of its own."""
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
    """How the step then ended, where there is one, the call succeeded and it did."""

    @property
    def is_cause(self) -> bool:
        """The call succeeds: this branch alone made the error."""
        return self.returned is not None and self.returned >= 0

    @property
    def errno(self) -> str | None:
        """What the call then failed with."""
        if self.returned is None or self.returned >= 0:
            return None
        return errno_name(-self.returned)


def prove(
    stage: Stage, recorded: RecordedCall, run: Run, guards: Iterable[Guard], *, of_step: bool = True
) -> Iterator[Flipped]:
    """Flip one guard after another until the call succeeds with one flipped.

    A call that was refused again has left the kernel as it was, so the next guard is flipped in the same
    machine, where the call is made once more. What ends in any other way there than with the same error, at
    the same values, is made again in a machine of its own, and that is what counts: a flip may leave a lock
    held, at which the next call waits for ever. `of_step`: the call is one of a probe's step, whose end is
    of interest too. Raises `ToolFailed` when QEMU does.
    """
    waiting = list(guards)
    while waiting:
        for flipped in _in_one_machine(stage, recorded, run, waiting, of_step=of_step):
            waiting.pop(0)
            yield flipped
            if flipped.is_cause:
                return


def _in_one_machine(
    stage: Stage, recorded: RecordedCall, run: Run, guards: Iterable[Guard], *, of_step: bool
) -> Iterator[Flipped]:
    """The first guard, and those behind it for as long as the call is refused as before."""
    with guest(stage, most_written=_MOST_WRITTEN) as machine:
        entry: Registers | None = None
        for guard in tuple(guards):
            is_first = entry is None
            try:
                if entry is None:
                    entry = _entry(machine, recorded)
                    if entry is None:
                        yield Flipped(guard, None, "the guest did not come to the call again", None)
                        return
                else:
                    machine.debugger.put_back(entry)
                machine.debugger.patience = _patience(stage, recorded, again=not is_first)
                flipped = _flip(machine, entry, recorded, run, guard, again=not is_first, of_step=of_step)
            except TimeoutError:
                seconds = machine.debugger.patience or stage.timeout
                flipped = Flipped(guard, None, f"the kernel did not go on within {seconds:.2g} s", None)
            refused = flipped.returned == recorded.returned
            if is_first or refused:
                yield flipped
            if not refused:
                return


def _patience(stage: Stage, recorded: RecordedCall, *, again: bool) -> float:
    """Wall seconds from one stop to the next of a call with a branch the other way."""
    least, slower = (_LEAST_AGAIN, _SLOWER_AGAIN) if again else (_LEAST, _SLOWER)
    return min(stage.timeout, max(least, slower * recorded.seconds))


def _entry(machine: Guest, recorded: RecordedCall) -> Registers | None:
    """The machine at the recorded call's first instruction; None where it does not come there."""
    for number, entry in enumerate(machine.calls(recorded.handler, recorded.call_number), 1):
        if number == recorded.call_number:
            return entry
        if machine.finish(entry) is None:
            break
    return None


def _flip(
    machine: Guest,
    entry: Registers,
    recorded: RecordedCall,
    run: Run,
    guard: Guard,
    *,
    again: bool,
    of_step: bool,
) -> Flipped:
    """The call that begins at `entry`, with the guard the other way.

    Where the call is made `again` in this machine, only if the guard tests what it tested in the record.
    """
    now = _come_to(machine, recorded, run, guard, behind=entry.x[30])
    if now is None or (again and not _tests_the_same(guard, now)):
        return Flipped(guard, None, "the call did not come to the branch again", None)
    _turn(machine, run, guard)
    now = machine.finish(entry)
    if now is None:
        return Flipped(guard, None, "the call did not return: the kernel did not survive it", None)
    returned = signed_result(now.x[0])
    # Only what a success leads to is of interest: the rest of a run takes as long as what was before.
    judged = of_step and returned >= 0 and not again
    tests = parse(machine.run_out(_REST), machine.mark).tests if judged else ()
    return Flipped(guard, returned, "", tests[0] if tests else None)


def _come_to(
    machine: Guest, recorded: RecordedCall, run: Run, guard: Guard, *, behind: int
) -> Registers | None:
    """Stop before the guard, at the same of its turns as in the record; None where the call ends before."""
    pc = recorded.log.pcs[guard.index]
    turns = sum(1 for at in range(guard.index) if recorded.log.pcs[at] == pc and run.ran(at))
    debugger = machine.debugger
    debugger.break_at(behind)
    for turn in range(turns + 1):
        debugger.break_at(pc)
        if not debugger.go_on():
            return None
        now = debugger.registers()
        debugger.clear(pc)
        if now.pc != pc or (turn < turns and not debugger.step()):
            return None
    debugger.clear(behind)
    return now


def _tests_the_same(guard: Guard, now: Registers) -> bool:
    """Whether the registers that decided hold what they held; addresses differ from call to call."""
    values = (*now.x, now.sp)
    return all(
        _ADDRESSES <= value < _ERRORS or (number < len(values) and values[number] == value)
        for number, value in guard.tested
    )


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
