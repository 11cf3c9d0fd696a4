"""Boots of kernels for a goal, in the emulator."""

from __future__ import annotations

from attrs import frozen

from bootwright.kernels.model import Kernel
from bootwright.lab.probes.boot import boot
from bootwright.workshop.trials.goal import TrialGoal
from bootwright.workshop.trials.trials import Observation


@frozen
class Boots:
    """Boots a kernel once and judges what it showed."""

    goal: TrialGoal
    machine: str
    timeout: float
    """Seconds of guest time."""

    def __call__(self, kernel: Kernel) -> Observation:
        """Raises what `lab.probes.boot.boot` raises."""
        recording = boot(kernel, probe=(self.goal.probe,), machine=self.machine, timeout=self.timeout)
        verdict, reason = self.goal.judge(recording)
        return Observation(
            verdict,
            reason,
            recording.console,
            {
                "kernel": kernel.name,
                "release": kernel.release,
                "page_size": kernel.page_size,
                "kernel_sha256": recording.kernel_sha256,
                "probe_sha256": recording.probe_sha256,
                "machine": recording.machine,
                "qemu": recording.machine_version,
                "cpu_seconds": round(recording.cpu_seconds, 3),
            },
        )
