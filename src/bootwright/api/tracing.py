"""Where in an unmodified kernel the error of a system call comes from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import frozen

from bootwright.api._common import reporter

if TYPE_CHECKING:
    from bootwright.foundation.progress import Progress
    from bootwright.foundation.verdict import Verdict
    from bootwright.lab.trace.trace import ErrnoTrace, Place

SCHEMA = "bootwright/kernel-trace/1"


@frozen
class TracedError:
    """What `trace_error` found."""

    trace: ErrnoTrace

    @property
    def verdict(self) -> Verdict:
        """`works` where the origin was found, else `unknown`."""
        from bootwright.foundation.verdict import Verdict

        return Verdict.UNKNOWN if self.trace.origin is None else Verdict.WORKS

    def as_json(self) -> dict[str, Any]:
        """The document of docs/schemas/kernel-trace.schema.json."""
        trace = self.trace
        guard = trace.guard
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
            "guard": None
            if guard is None
            else {
                **_place(guard.place),
                "taken": guard.taken,
                "compare": None if guard.compare is None else _place(guard.compare),
                "tested": {register: f"{value:#x}" for register, value in guard.tested},
            },
            "chain": [_place(place) for place in trace.chain],
            "copies": [_place(place) for place in trace.copies],
            "call_number": trace.call_number,
            "other_tasks": trace.other_tasks,
            "instructions": trace.instructions,
            "unknown": trace.unknown,
        }


def trace_error(
    kernel: str | Path,
    *,
    step: str,
    probe: str = "mounts",
    machine: str = "virt",
    timeout: float | None = None,
    progress: Progress | None = None,
) -> TracedError:
    """Which instruction of a kernel made the error that a step of a probe sees, and which branch led there.

    `kernel` as for `boot`, `step` is the name of a test that `boot` prints with an errno. `timeout` is in
    seconds. The kernel runs as it is, in QEMU: it needs a symbol table (CONFIG_KALLSYMS), no debug
    information.

    Returns a `TracedError`. Raises `Refused` for a step that is not there or does not fail, `Malformed` for a
    kernel without symbols, and what `boot` raises.

        str(trace_error("debian-6.12.117-4k", step="talos-1.12-etc-hosts").trace.origin)
    """
    from bootwright.api.kernels import get_kernel
    from bootwright.lab.probes.boot import TIMEOUT
    from bootwright.lab.trace.trace import trace

    progress = reporter(progress)
    chosen = get_kernel(kernel, modules=probe in {"overlays", "filesystems", "network"}, progress=progress)
    seconds = TIMEOUT if timeout is None else timeout
    return TracedError(
        trace(chosen, step=step, probe=probe, machine=machine, timeout=seconds, progress=progress)
    )


def _place(place: Place) -> dict[str, Any]:
    return {
        "address": f"{place.address:#x}",
        "function": place.function,
        "offset": place.offset,
        "word": None if place.word is None else f"{place.word:08x}",
        "assembly": place.assembly,
    }
