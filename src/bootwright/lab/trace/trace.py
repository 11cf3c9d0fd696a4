"""Which function, instruction and branch of a kernel made the error that a step of a probe saw."""

from __future__ import annotations

import errno
from bisect import bisect_right

from attrs import frozen

from bootwright.formats.kernel.kallsyms import Symbols, read_symbols
from bootwright.formats.kernel.relocations import relocated
from bootwright.foundation.choices import no_such
from bootwright.foundation.errors import Missing, Refused, ToolFailed
from bootwright.foundation.progress import Progress
from bootwright.kernels.model import Kernel
from bootwright.lab.probes.boot import boot, plan_boot
from bootwright.lab.probes.ktap import ProbeTest, read
from bootwright.lab.trace.assembly import assembly
from bootwright.lab.trace.origin import Guard, Guards, follow
from bootwright.lab.trace.record import record
from bootwright.lab.trace.running import Run

_HANDLER = "__arm64_sys_"
"""arch/arm64/include/asm/syscall_wrapper.h"""

_NEVER_RETURN = frozenset({"__stack_chk_fail", "panic", "__fortify_panic", "do_exit", "make_task_dead"})
"""Of tools/objtool/noreturns.h (Linux 6.12), those that compiled functions call where they would return."""


@frozen
class Place:
    """An instruction of the running kernel."""

    address: int
    function: str | None
    """None: outside the image's own code, in a module."""
    offset: int
    word: int | None
    """The instruction as it is in the running kernel, where that was looked at."""

    def __str__(self) -> str:
        return f"{self.address:#x}" if self.function is None else f"{self.function}+{self.offset:#x}"

    @property
    def assembly(self) -> str | None:
        """The instruction as an assembler writes it."""
        return None if self.word is None else assembly(self.word, self.address)


@frozen
class TracedGuard:
    """The branch that led to the error."""

    place: Place
    taken: bool
    compare: Place | None
    """The instruction that set the flags it tests; None where it tests a register."""
    tested: tuple[tuple[str, int], ...]
    """(register, value) of what was compared or tested."""


@frozen
class ErrnoTrace:
    """Where the error of a system call comes from."""

    kernel: Kernel
    step: str
    call: str
    errno: str
    origin: Place | None
    """The instruction whose result the error number first was; None: `unknown` says why."""
    guard: TracedGuard | None
    chain: tuple[Place, ...]
    """The calls from the system call's handler down to the origin's function."""
    copies: tuple[Place, ...]
    """The instructions that carried the number from there to the return."""
    call_number: int
    """Which call of this kind it was in the boot, from 1."""
    other_tasks: bool
    """Whether another task ran meanwhile: `chain` may then hold calls of that one."""
    instructions: int
    unknown: str | None
    machine: str
    emulator: str


def trace(
    kernel: Kernel, *, step: str, probe: str, machine: str, timeout: float, progress: Progress
) -> ErrnoTrace:
    """Boot twice: to see the step fail, and to record its call; then follow the error back.

    Raises `Refused` where the probe has no such step or it does not fail here, `Malformed` for a kernel
    without symbol table, and what `lab.probes.boot.boot` raises.
    """
    test = _failing_test(kernel, step=step, probe=probe, machine=machine, timeout=timeout, progress=progress)
    assert test.call is not None and test.errno is not None  # noqa: S101, PT018 - it failed
    number = int(test.errno) if test.errno.isdigit() else getattr(errno, test.errno)
    symbols = read_symbols(relocated(kernel.image.read_bytes()).image, str(kernel.image))
    call = test.call.partition("-")[0]  # a step may tell two calls of one name apart
    try:
        handler = symbols.addresses[symbols.names.index(_HANDLER + call)]
    except ValueError:
        raise Refused(
            f"{step} fails at {test.call}, and {kernel.name} has no function {_HANDLER}{call}",
            hint="only an error that is a system call's own result can be traced",
        ) from None
    plan = plan_boot(kernel, probe=(probe,), machine=machine, arguments=(f"bootwright.step={step}",))
    with progress.step(f"record {test.call} of {step} on {kernel.name}"):
        recorded = record(plan, handler=handler, errno=number, timeout=timeout)
    if recorded is None:
        raise ToolFailed(
            "qemu-system-aarch64", f"{call} did not return {test.errno} again under the debugger"
        )
    with progress.step(f"follow {test.errno} back through {len(recorded.log):,} instructions"):
        run = Run(recorded)
        origin = follow(run, number)
        guard = None if origin.before else Guards(run, origin, _never_return(symbols)).find()
    places = _Places(symbols, run)
    frames = []
    frame = run.frame_of[origin.index]
    while frame > 0:
        frames.append(run.frames[frame].call)
        frame = run.frames[frame].parent
    unknown = None
    if origin.before:
        unknown = f"{places.of(origin.index)} read it from memory that was written before the call"
    return ErrnoTrace(
        kernel=kernel,
        step=step,
        call=test.call,
        errno=test.errno,
        origin=None if origin.before else places.of(origin.index),
        guard=None if guard is None else _guard(places, guard),
        chain=tuple(places.of(index) for index in reversed(frames) if index >= 0),
        copies=tuple(places.of(hop.index) for hop in origin.hops),
        call_number=recorded.call_number,
        other_tasks=run.switched,
        instructions=len(run.log),
        unknown=unknown,
        machine=plan.target.name,
        emulator=plan.emulator.title,
    )


def _failing_test(
    kernel: Kernel, *, step: str, probe: str, machine: str, timeout: float, progress: Progress
) -> ProbeTest:
    with progress.step(f"boot {kernel.name} on {machine}"):
        recording = boot(
            kernel, probe=(probe,), machine=machine, timeout=timeout, arguments=(f"bootwright.step={step}",)
        )
    result = read(recording)
    if not result.complete:
        raise Missing(
            f"{kernel.name} did not run the step {step} to its end ({recording.ended})",
            hint=f"see its console: bootwright boot {kernel.name} --probe {probe} --console",
        )
    if not result.tests:
        every = read(boot(kernel, probe=(probe,), machine=machine, timeout=timeout))
        names = [test.name for test in every.tests]
        raise no_such(f"the probe {probe} has no step {step}", step, names, kind="steps")
    test = result.tests[0]
    if test.call is None or test.errno is None:
        raise Refused(
            f"{step} ends without an error on {kernel.name}: {test.detail or 'it works'}",
            hint="take a kernel on which it fails: see `bootwright boot --help`",
        )
    return test


def _never_return(symbols: Symbols) -> frozenset[int]:
    return frozenset(address for address, _, name in symbols if name in _NEVER_RETURN)


class _Places:
    def __init__(self, symbols: Symbols, run: Run) -> None:
        self._symbols, self._run = symbols, run
        names = symbols.names
        self._end = symbols.addresses[names.index("_etext")] if "_etext" in names else symbols.addresses[-1]

    def of(self, index: int) -> Place:
        """The instruction of a record."""
        address = self._run.log.pcs[index]
        at = bisect_right(self._symbols.addresses, address) - 1
        word = self._run.word(address)
        if at < 0 or address >= self._end:
            return Place(address, None, 0, word)
        return Place(address, self._symbols.names[at], address - self._symbols.addresses[at], word)


def _guard(places: _Places, guard: Guard) -> TracedGuard:
    return TracedGuard(
        place=places.of(guard.index),
        taken=guard.taken,
        compare=None if guard.compare is None else places.of(guard.compare),
        tested=tuple(("sp" if number == 31 else f"x{number}", value) for number, value in guard.tested),
    )
