"""One kernel's answer to a probe: kept from before, or by a boot.

An answer is kept under everything that it depends on: the kernel's bytes, the initramfs with the probe, the
machine, its arguments and the emulator. When one of them changes, the kernel is booted again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from attrs import frozen

from bootwright.foundation.cache import SURVEYS
from bootwright.foundation.errors import Malformed, Missing
from bootwright.kernels.model import Kernel
from bootwright.lab.machines.recorded import Recording
from bootwright.lab.machines.recording import load, save
from bootwright.lab.probes.boot import TIMEOUT, PlannedBoot, plan_boot
from bootwright.lab.probes.judge import trouble, verdict
from bootwright.lab.probes.ktap import ProbeResult, read

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
) -> Answer:
    """The kernel's answer; with `again` by a boot even where one is kept.

    `timeout` is in seconds of guest time. A report that is not whole is returned and not kept, so that the
    next survey tries that kernel again. Raises what `lab.probes.boot.boot` raises.
    """
    planned = plan_boot(kernel, probe=probe, machine=machine)
    recording = None if again else _kept(planned)
    if recording is not None:
        return Answer(recording, read(recording), kept=True)
    recording = planned.run(timeout=timeout)
    result = read(recording)
    if result.complete:
        SURVEYS.drop(planned.identity)
        SURVEYS.kept_folder(planned.identity, lambda folder: save(recording, folder))
    return Answer(recording, result, kept=False)


def _kept(planned: PlannedBoot) -> Recording | None:
    folder = SURVEYS.folder() / planned.identity
    with contextlib.suppress(Missing, Malformed):  # never kept, gone since, or damaged
        recording = load(folder)
        SURVEYS.used(folder)
        return recording
    return None
