"""Which function, instruction and branch of a kernel made the error that a step of a probe saw."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from attrs import frozen

from bootwright.formats.kernel.build_id import image_build_id
from bootwright.formats.kernel.errnos import errno_number
from bootwright.formats.kernel.syscalls import HANDLERS, REPLACED
from bootwright.foundation.choices import no_such
from bootwright.foundation.errors import Missing, Refused
from bootwright.foundation.progress import Progress
from bootwright.kernels.model import Kernel
from bootwright.lab.machines.machine import MACHINES
from bootwright.lab.machines.recorded import Recording
from bootwright.lab.probes.boot import SILENCE, PlannedBoot, plan_boot
from bootwright.lab.probes.ktap import ProbeTest, read
from bootwright.lab.snapshots.answering import answers_from
from bootwright.lab.snapshots.restoring import run_from
from bootwright.lab.snapshots.running import snapshot_of
from bootwright.lab.snapshots.saved import Snapshot
from bootwright.lab.trace.debug_files import debug_files
from bootwright.lab.trace.functions import Functions, functions_of
from bootwright.lab.trace.guest import Stage
from bootwright.lab.trace.lines import lines_of
from bootwright.lab.trace.origin import Guard, Guards, Origin, follow
from bootwright.lab.trace.places import Place, Places, loaded_modules
from bootwright.lab.trace.prove import Flipped, prove
from bootwright.lab.trace.record import NotRecorded, record
from bootwright.lab.trace.running import Run
from bootwright.lab.trace.sources import (
    Definition,
    SourceLine,
    check_tree,
    definition,
)

_HANDLER = "__arm64_sys_"
"""arch/arm64/include/asm/syscall_wrapper.h"""
_SWITCH = "__switch_to"
_DEADLY = ("die", "panic")
"""arch/arm64/kernel/traps.c, kernel/panic.c: the task that comes there makes no call again."""
_MOST_GUARDS = 12
"""How many branches are tried, each in a run of its own."""


@frozen
class OwnProgram:
    """A program of the user's own whose system call fails."""

    path: Path
    call: str
    errno: str


@frozen
class Request:
    """What is to be traced, and how."""

    step: str | None
    """A step of the probe; None: `program`."""
    probe: str
    program: OwnProgram | None
    machine: str
    timeout: float
    cold: bool
    """Boot from the first instruction, with no snapshot."""
    prove: bool
    """Flip the branches that led to the error, until the call succeeds."""
    debug: Path | None = None
    """The kernel's debug information: a vmlinux, or a folder with it and the modules' files."""
    source: Path | None = None
    """The kernel's source tree."""


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
class Tried:
    """A branch that was made to go the other way."""

    guard: TracedGuard
    flipped: Flipped


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
    """Which call of this kind it was in the run, from 1."""
    other_tasks: bool
    """Whether another task ran meanwhile: `chain` may then hold calls of that one."""
    instructions: int
    unknown: str | None
    machine: str
    emulator: str
    proof: tuple[Tried, ...] | None
    """The branches flipped, in this order; None: none were asked for."""
    lines: Mapping[int, tuple[SourceLine, ...]]
    """Source lines by address, the innermost function first; empty without debug information."""
    definitions: Mapping[str, Definition]
    """Where functions are defined, of those that made and decided; empty without a source tree."""

    @property
    def cause(self) -> Tried | None:
        """The branch with which the call succeeds, where one was found."""
        return next((tried for tried in self.proof or () if tried.flipped.is_cause), None)


def trace(kernel: Kernel, request: Request, progress: Progress) -> ErrnoTrace:
    """See the step fail, record its call, follow the error back; with `prove`, flip what led to it.

    Raises `Refused` where the probe has no such step or it does not fail here, `Malformed` for a kernel
    without symbol table, `Missing` where the call cannot be stopped at, and what `lab.probes.boot.boot`
    raises.
    """
    functions = functions_of(kernel)
    if request.source is not None:
        check_tree(request.source)
    debug = None
    if request.debug is not None:
        debug = debug_files(request.debug, image_build_id(kernel.image.read_bytes()))
    plan, test = _planned(kernel, request, progress)
    number = errno_number(test.errno or "")
    handler = _handler(kernel, functions, test)
    deadly = tuple(address for name in _DEADLY if (address := functions.address(name)) is not None)
    stage = Stage(plan, _snapshot(plan, request, progress), request.timeout, deadly)
    with progress.step(f"record {test.call} on {kernel.name}"):
        recorded = record(stage, handler=handler, switch=functions.address(_SWITCH), errno=number)
    if isinstance(recorded, NotRecorded):
        raise _not_recorded(kernel, test, recorded)
    with progress.step(f"follow {test.errno} back through {len(recorded.log):,} instructions"):
        run = Run(recorded)
        origin = follow(run, number)
        guards = Guards(run, origin, functions.never_returning)
        guard = next(guards.all(), None) if origin.is_known else None
    places = Places(functions, run, loaded_modules(recorded.console), kernel.modules)
    proof = None
    if request.prove:
        tried = _first(guards) if origin.is_known else []
        flips = prove(stage, recorded, run, tried, of_step=request.step is not None)
        with progress.step("flip the branches that led to the error"):
            proof = tuple(_flipped(flips, tried, places, progress))
    made = places.of(origin.index) if origin.is_known else None
    decided = None if guard is None else _guard(places, guard)
    chain = _chain(places, run, origin)
    named = [
        place for place in (made, None if decided is None else decided.place, *chain) if place is not None
    ]
    return ErrnoTrace(
        kernel=kernel,
        step=test.name,
        call=test.call or "",
        errno=test.errno or "",
        origin=made,
        guard=decided,
        chain=chain,
        copies=tuple(places.of(hop.index) for hop in origin.hops),
        call_number=recorded.call_number,
        other_tasks=run.switched,
        instructions=len(run.log),
        unknown=_unknown(places, origin),
        machine=plan.target.name,
        emulator=plan.emulator.title,
        proof=proof,
        lines={} if debug is None else lines_of(named, places, debug, request.source, progress.note),
        definitions=_definitions(request, test.errno or "", named[: 2 if decided is not None else 1]),
    )


def _flipped(
    flips: Iterator[Flipped], guards: Sequence[Guard], places: Places, progress: Progress
) -> Iterator[Tried]:
    """What came of each guard, up to the one with which the call succeeds."""
    for number, guard in enumerate(guards, 1):
        with progress.step(f"branch {number} of at most {len(guards)}: {places.of(guard.index)}"):
            flipped = next(flips, None)
        if flipped is not None:
            yield Tried(_guard(places, flipped.guard), flipped)
        if flipped is None or flipped.is_cause:
            return


def _definitions(request: Request, errno_name: str, places: Sequence[Place]) -> Mapping[str, Definition]:
    if request.source is None:
        return {}
    names = dict.fromkeys(place.function for place in places if place.function is not None)
    definitions = {name: definition(request.source, name, errno_name) for name in names}
    return {name: defined for name, defined in definitions.items() if defined is not None}


def _planned(kernel: Kernel, request: Request, progress: Progress) -> tuple[PlannedBoot, ProbeTest]:
    """The run that the call is in, and which call fails there."""
    # QEMU's log does not say which CPU ran an instruction: on machines that may have several, one is used.
    several = MACHINES.get(request.machine).interrupt_mask is None
    arguments = ("bootwright.modules=1", *(("maxcpus=1",) if several else ()))
    if request.program is not None:
        own = request.program
        plan = plan_boot(
            kernel,
            probe=(),
            machine=request.machine,
            program=own.path,
            arguments=arguments,
        )
        test = ProbeTest("program", own.path.name, ok=False, call=own.call, errno=own.errno, detail="")
        return plan, test
    plan = plan_boot(
        kernel,
        probe=(request.probe,),
        machine=request.machine,
        arguments=(f"bootwright.step={request.step}", *arguments),
    )
    return plan, _failing_test(plan, request, progress)


def _failing_test(plan: PlannedBoot, request: Request, progress: Progress) -> ProbeTest:
    step = request.step or ""
    recording = _run(plan, request, progress)
    result = read(recording)
    if not result.complete:
        raise Missing(
            f"{plan.kernel.name} did not run the step {step} to its end ({recording.ended})",
            hint=f"see its console: bootwright boot {plan.kernel.name} --probe {request.probe} --console",
        )
    if not result.tests:
        every = plan_boot(plan.kernel, probe=(request.probe,), machine=request.machine)
        names = [test.name for test in read(_run(every, request, progress)).tests]
        raise no_such(f"the probe {request.probe} has no step {step}", step, names, kind="steps")
    test = result.tests[0]
    if test.call is None or test.errno is None:
        raise Refused(
            f"{step} ends without an error on {plan.kernel.name}: {test.detail or 'it works'}",
            hint="take a kernel on which it fails: see `bootwright boot --help`",
        )
    return test


def _run(plan: PlannedBoot, request: Request, progress: Progress) -> Recording:
    snapshot = _snapshot(plan, request, progress)
    with progress.step(f"boot {plan.kernel.name} on {plan.target.name}"):
        if snapshot is None:
            return plan.run(timeout=request.timeout)
        answers = answers_from(snapshot, plan)
        return answers or run_from(snapshot, plan, timeout=request.timeout, silence=SILENCE)


def _snapshot(plan: PlannedBoot, request: Request, progress: Progress) -> Snapshot | None:
    if request.cold:
        return None
    try:
        return snapshot_of(plan, timeout=request.timeout, note=progress.note)
    except Missing as error:
        progress.note(f"{error.message}; booted cold")
        return None


def _handler(kernel: Kernel, functions: Functions, test: ProbeTest) -> int:
    call = (test.call or "").partition("-")[0]  # a step may tell two calls of one name apart
    if call in REPLACED:
        raise Refused(
            f"64-bit programs on arm64 have no system call {call}",
            hint=f"what a C library calls {call} is {REPLACED[call]} there: --syscall {REPLACED[call]}",
        )
    handler = functions.address(_HANDLER + HANDLERS.get(call, call))
    if handler is not None:
        return handler
    if test.group == "program":
        functions_of_calls = {
            name.removeprefix(_HANDLER) for name in functions.names if name.startswith(_HANDLER)
        }
        known = sorted((functions_of_calls | HANDLERS.keys()) - REPLACED.keys())
        otherwise = "strace names the calls that a program makes"
        raise no_such(
            f"{kernel.name} has no system call {call}", call, known, kind="calls", otherwise=otherwise
        )
    raise Refused(
        f"{test.name} fails at {test.call}, and {kernel.name} has no function {_HANDLER}{call}",
        hint="only an error that is a system call's own result can be traced",
    )


def _not_recorded(kernel: Kernel, test: ProbeTest, recorded: NotRecorded) -> Missing | Refused:
    call = (test.call or "").partition("-")[0]
    if recorded.unfinished:
        return Missing(
            f"{call} did not return: {kernel.name} ended in it",
            hint=f"see its console: bootwright boot {kernel.name} --console",
        )
    if recorded.calls:
        times = "once" if recorded.calls == 1 else f"{recorded.calls} times"
        return Refused(
            f"{call} was called {times} on {kernel.name} and never returned {test.errno}",
            hint="name the call and the errno that fail: see `bootwright kernel trace --help`",
        )
    return Missing(
        f"the debugger never stopped at {_HANDLER}{call} of {kernel.name}",
        hint="the program does not make that call, or the kernel does not run where its symbols say",
    )


def _chain(places: Places, run: Run, origin: Origin) -> tuple[Place, ...]:
    calls = []
    frame = run.frame_of[origin.index]
    while frame > 0:
        calls.append(run.frames[frame].call)
        frame = run.frames[frame].parent
    return tuple(places.of(index) for index in reversed(calls) if index >= 0)


def _unknown(places: Places, origin: Origin) -> str | None:
    if origin.before:
        return f"{places.of(origin.index)} read it from memory that was written before the call"
    if origin.lost:
        return f"the error number was followed back to {places.of(origin.index)}, which makes another value"
    return None


def _first(guards: Guards) -> list[Guard]:
    return [guard for guard, _ in zip(guards.all(), range(_MOST_GUARDS), strict=False)]


def _guard(places: Places, guard: Guard) -> TracedGuard:
    return TracedGuard(
        place=places.of(guard.index),
        taken=guard.taken,
        compare=None if guard.compare is None else places.of(guard.compare),
        tested=tuple(("sp" if number == 31 else f"x{number}", value) for number, value in guard.tested),
    )
