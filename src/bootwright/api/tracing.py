"""Where in an unmodified kernel the error of a system call comes from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import asdict, frozen

from bootwright.api._common import reporter

if TYPE_CHECKING:
    from bootwright.foundation.progress import Progress
    from bootwright.foundation.verdict import Verdict
    from bootwright.lab.trace.places import Place
    from bootwright.lab.trace.trace import ErrnoTrace, TracedGuard, Tried

SCHEMA = "bootwright/kernel-trace/1"


@frozen
class TracedError:
    """What `trace_error` found."""

    trace: ErrnoTrace

    @property
    def verdict(self) -> Verdict:
        """`works` where the origin was found, and the cause proved if that was asked for; else `unknown`."""
        from bootwright.foundation.verdict import Verdict

        unproved = self.trace.proof is not None and self.trace.cause is None
        return Verdict.UNKNOWN if self.trace.origin is None or unproved else Verdict.WORKS

    def as_json(self) -> dict[str, Any]:
        """The document of docs/schemas/kernel-trace.schema.json."""
        trace = self.trace
        return {
            "schema": SCHEMA,
            "kernel": trace.kernel.name,
            "release": trace.kernel.release,
            "page_size": trace.kernel.page_size,
            "kernel_sha256": trace.kernel.image_sha256,
            "machine": trace.machine,
            "qemu": trace.emulator,
            "step": trace.step,
            "call": trace.call,
            "errno": trace.errno,
            "origin": None if trace.origin is None else _place(trace.origin),
            "guard": None if trace.guard is None else _guard(trace.guard),
            "chain": [_place(place) for place in trace.chain],
            "copies": [_place(place) for place in trace.copies],
            "call_number": trace.call_number,
            "other_tasks": trace.other_tasks,
            "instructions": trace.instructions,
            "unknown": trace.unknown,
            "lines": {
                f"{address:#x}": [asdict(line) for line in lines] for address, lines in trace.lines.items()
            },
            "definitions": {name: asdict(definition) for name, definition in trace.definitions.items()},
            "proof": None if trace.proof is None else [_tried(tried) for tried in trace.proof],
        }


def trace_error(
    kernel: str | Path,
    *,
    step: str | None = None,
    probe: str = "mounts",
    program: str | Path | None = None,
    syscall: str | None = None,
    errno: str | None = None,
    machine: str = "virt",
    prove: bool = False,
    cold: bool = False,
    debug: str | Path | None = None,
    source: str | Path | None = None,
    timeout: float | None = None,
    progress: Progress | None = None,
) -> TracedError:
    """Which instruction of a kernel made the error that a step of a probe sees, and which branch led there.

    `kernel` as for `boot`, `step` is the name of a test that `boot` prints with an errno. In its place
    `program`, a static arm64 program, with the `syscall` (`openat`) and `errno` (`EINVAL`) that fails in
    it. With `prove` the call is made again with that branch the other way, and the branches before it,
    until it succeeds; `trace.cause` is that branch, `trace.guard` the one that decided. `timeout` is in
    seconds; `cold` uses no snapshot. `debug`, the kernel's vmlinux with debug information or a folder that
    has it and the modules' files, adds source lines, `source`, its source tree, their text and where
    functions are defined. The kernel runs as it is, in QEMU: it needs a
    symbol table (CONFIG_KALLSYMS), no debug information.

    Returns a `TracedError`. Raises `Refused` for a step that is not there or does not fail, or a call that
    does not return that errno, `Malformed` for a kernel without symbols or a program that is none, `Missing`
    where the debugger never stops at the call, and what `boot` raises.

        str(trace_error("debian-6.12.117-4k", step="talos-1.12-etc-hosts").trace.origin)
    """
    from bootwright.api.kernels import get_kernel
    from bootwright.formats.kernel.errnos import errno_name, errno_number
    from bootwright.foundation.errors import Refused
    from bootwright.lab.probes.boot import TIMEOUT
    from bootwright.lab.probes.steps import check_step
    from bootwright.lab.trace.trace import OwnProgram, Request, trace

    progress = reporter(progress)
    own = None
    if (step is None) == (program is None):
        raise Refused("there is no call to trace, or two", hint="give a step of a probe, or a program")
    if program is not None:
        if syscall is None or errno is None:
            raise Refused("of a program the call that fails has to be known", hint="give syscall and errno")
        own = OwnProgram(Path(program), syscall, errno_name(errno_number(errno)))
    elif syscall is not None or errno is not None:
        raise Refused("a step says itself which call fails", hint="syscall and errno are for a program")
    if step is not None:
        check_step(probe, step, other="add --probe {probe}")
    wants_modules = own is None and probe in {"overlays", "filesystems", "network", "all"}
    request = Request(
        step=step,
        probe=probe,
        program=own,
        machine=machine,
        timeout=TIMEOUT if timeout is None else timeout,
        cold=cold,
        prove=prove,
        debug=Path(debug) if debug is not None else None,
        source=Path(source) if source is not None else None,
    )
    return TracedError(trace(get_kernel(kernel, modules=wants_modules, progress=progress), request, progress))


def _guard(guard: TracedGuard) -> dict[str, Any]:
    return {
        **_place(guard.place),
        "taken": guard.taken,
        "compare": None if guard.compare is None else _place(guard.compare),
        "tested": {register: f"{value:#x}" for register, value in guard.tested},
    }


def _tried(tried: Tried) -> dict[str, Any]:
    flipped = tried.flipped
    step = flipped.step
    return {
        "guard": _guard(tried.guard),
        "is_cause": flipped.is_cause,
        "returned": flipped.returned,
        "errno": flipped.errno,
        "why": flipped.why or None,
        "step": None if step is None else {"ok": step.ok, "call": step.call, "errno": step.errno},
    }


def _place(place: Place) -> dict[str, Any]:
    return {
        "address": f"{place.address:#x}",
        "module": place.module,
        "function": place.function,
        "offset": place.offset,
        "word": None if place.word is None else f"{place.word:08x}",
        "assembly": place.assembly,
    }
