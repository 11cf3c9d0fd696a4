"""One kernel's answer to a probe: kept from before, or by a run.

An answer is kept under everything that it depends on: the kernel's bytes, the initramfs with the probe, the
machine, its arguments and the emulator. When one of them changes, the kernel is booted again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import frozen

from bootwright.kernels.model import Kernel
from bootwright.lab.machines.recorded import Recording
from bootwright.lab.probes.boot import TIMEOUT, plan_boot
from bootwright.lab.probes.judge import trouble, verdict
from bootwright.lab.probes.ktap import ProbeResult, read
from bootwright.lab.snapshots.running import kept_cold, run

__all__ = ["Answer", "answer", "verdict"]


@frozen
class Answer:
    """What a kernel answered."""

    recording: Recording
    result: ProbeResult
    kept: bool
    """It is from an earlier survey; nothing was booted for it."""

    @property
    def trouble(self) -> str | None:
        """Why the probe's report is not whole, or None when it is."""
        return trouble(self.recording, self.result)


def answer(
    kernel: Kernel,
    *,
    probe: Sequence[str],
    machine: str,
    timeout: float = TIMEOUT,
    again: bool = False,
    cold: bool = False,
    note: Callable[[str], None] = lambda _: None,
) -> Answer:
    """The kernel's answer; with `again` by a run even where one is kept.

    A run uses no snapshot with `cold`. `timeout` is in seconds of guest time. A report that is not whole is
    returned and not kept, so that the next survey tries that kernel again. Raises what `lab.probes.boot.boot`
    raises.
    """
    planned = plan_boot(kernel, probe=probe, machine=machine)
    recording = None if again else kept_cold(planned)
    if recording is not None:
        return Answer(recording, read(recording), kept=True)
    recording = run(planned, cold=cold, timeout=timeout, console=False, note=note)
    return Answer(recording, read(recording), kept=False)
