"""Trying mixtures by booting them here: one machine, one firmware, one goal for all of them."""

from __future__ import annotations

import itertools
from pathlib import Path

from attrs import define

from bootwright.foundation.progress import Progress, Silent
from bootwright.image_boot.boot import SILENCE, boot_image
from bootwright.image_boot.goal import Goal
from bootwright.image_boot.machine import VIRT, board_machine
from bootwright.image_boot.outcome import Hopeless, show
from bootwright.image_boot.stage import MARK
from bootwright.image_boot.start import console_edits, prepared
from bootwright.isolate.lab import Tried

_PATIENCE = 15.0
"""Seconds that a mixture gets after a fatal failure, to recover from it."""


@define
class Emulator:
    """Boots mixtures; see `StoredLab.attempt`."""

    goal: Goal
    machine: str
    firmware: str
    timeout: float
    memory: int
    cpu: str | None
    keep_cmdline: bool
    progress: Progress

    @classmethod
    def of(
        cls,
        good: Path,
        goal: Goal,
        *,
        machine: str,
        firmware: str,
        timeout: float,
        memory: int,
        cpu: str | None = None,
        progress: Progress | None = None,
    ) -> Emulator:
        """`good` decides about the console: where it lacks the machine's, every mixture is given it."""
        keep = machine != VIRT or not console_edits(good)
        return cls(goal, machine, firmware, timeout, memory, cpu, keep, progress or Silent())

    @property
    def about(self) -> dict[str, str]:
        """What answers depend on."""
        return {
            "machine": self.machine,
            "firmware": self.firmware if self.machine == VIRT else "bootwright",
            "memory": str(self.memory),
            "timeout": f"{self.timeout:g}",
            "cpu": self.cpu or "",
            "console": "kept" if self.keep_cmdline else "added",
        }

    @property
    def notes(self) -> list[str]:
        """What the user has to know of the answers."""
        if self.machine != VIRT:
            board = board_machine(self.machine)
            return [f"booted on {board.title}: {MARK}"]
        if not self.keep_cmdline:
            return [
                "the good image lacks the machine's console: all were given it, and consoles are not judged"
            ]
        return []

    def __call__(self, image: Path, silence: float | None) -> Tried:
        """Boot a raw image."""
        with prepared(
            image, machine=self.machine, firmware=self.firmware, keep_cmdline=self.keep_cmdline
        ) as ready:
            boot = boot_image(
                ready.image,
                firmware=ready.firmware,
                until=self.goal,
                timeout=self.timeout,
                memory=self.memory,
                cpu=self.cpu,
                hopeless=Hopeless(patience=_PATIENCE),
                silence=SILENCE if silence is None else min(silence, SILENCE),
                image_sha256="",
            )
        shown = show(boot, ready.changes)
        recording = boot.recording
        facts = {
            "command": list(recording.command),
            "qemu": recording.machine_version,
            "ended": recording.ended,
            "wall_seconds": recording.wall_seconds,
            "longest_silence": max(
                (later - sooner for (_, sooner), (_, later) in itertools.pairwise(recording.times)),
                default=0.0,
            ),
            "stage": list(boot.stage),
        }
        return Tried(shown.verdict, shown.reason, recording.console, facts)
