"""What a boot of an image shows: how far it got, when, what went wrong, and whether its goal was reached."""

from __future__ import annotations

import time
from bisect import bisect_right
from typing import Any

from attrs import define, field, frozen

from bootwright.diagnose.engine import Diagnoser, diagnose_bytes
from bootwright.diagnose.jsonform import as_json
from bootwright.diagnose.model import Diagnosis, Outcome, Severity
from bootwright.foundation.verdict import Verdict
from bootwright.image_boot.boot import ImageBoot

SCHEMA = "bootwright/image-boot/1"
PATIENCE = 30.0
"""Seconds that a boot gets after a fatal failure, to recover from it."""
_LOOK = 2.0
"""Seconds between two looks at what is known so far."""


@frozen
class Milestone:
    """Something a boot came past."""

    name: str
    stage: str
    """One of `diagnose.model.STAGES`."""
    seconds: float
    """Since the machine was started."""


@frozen
class Shown:
    """A boot of an image, understood."""

    boot: ImageBoot
    verdict: Verdict
    """Of the goal; without one, of what the console says."""
    reason: str
    """Why it is not `works`, in one line; empty otherwise."""
    milestones: tuple[Milestone, ...]
    diagnosis: Diagnosis
    changes: tuple[str, ...] = ()
    """What was changed in the copy that was booted."""

    def as_json(self, image: str) -> dict[str, Any]:
        """docs/schemas/image-boot.schema.json."""
        boot, recording = self.boot, self.boot.recording
        boots = as_json(self.diagnosis)["boots"]
        return {
            "schema": SCHEMA,
            "image": image,
            "image_sha256": boot.image_sha256,
            "firmware": boot.firmware,
            "stage": list(boot.stage),
            "changes": list(self.changes),
            "goal": boot.goal,
            "reached": boot.reached,
            "outcome": self.verdict.value,
            "reason": self.reason,
            "milestones": [
                {"name": milestone.name, "stage": milestone.stage, "seconds": milestone.seconds}
                for milestone in self.milestones
            ],
            "findings": [finding for boot_report in boots for finding in boot_report["findings"]],
            "ended": recording.ended,
            "machine": recording.machine,
            "qemu": recording.machine_version,
            "command": list(recording.command),
            "wall_seconds": round(recording.wall_seconds, 3),
            "cpu_seconds": round(recording.cpu_seconds, 3),
        }


@define
class Hopeless:
    """Gives a boot up some time after `diagnose` first found a fatal failure that it does not recover from.

    A failure that others retry for ever would otherwise take the whole time-out.
    """

    patience: float = PATIENCE
    _diagnoser: Diagnoser = field(factory=lambda: Diagnoser("console", watched=True))
    _looked: float = 0.0
    _waited: float | None = None

    def __call__(self, chunk: bytes) -> str | None:
        """The next bytes of the console; why to stop, or None."""
        self._diagnoser.feed(chunk)
        now = time.monotonic()
        passed = now - self._looked
        if passed < _LOOK:
            return None
        self._looked = now
        if not _fatal(self._diagnoser.snapshot()):
            self._waited = None
            return None
        # A log that ends at a hand-over looks dead until its next line comes: silence counts little.
        self._waited = 0.0 if self._waited is None else self._waited + min(passed, 2 * _LOOK)
        return f"a fatal failure (given {self.patience:.0f} s more)" if self._waited > self.patience else None


def show(boot: ImageBoot, changes: tuple[str, ...] = ()) -> Shown:
    """Understand a boot: a pure function of its recording."""
    diagnosis = diagnose_bytes(boot.recording.console, "console", watched=True)
    verdict, reason = _verdict(boot, diagnosis)
    return Shown(boot, verdict, reason, tuple(_milestones(boot, diagnosis)), diagnosis, changes)


def _verdict(boot: ImageBoot, diagnosis: Diagnosis) -> tuple[Verdict, str]:
    if boot.reached:
        return Verdict.WORKS, ""
    if boot.stopped is not None:
        return Verdict.FAILS, f"the firmware starts nothing: {boot.stopped}"
    worst = _cause(diagnosis)
    if boot.goal is None and boot.dead_end is None and diagnosis.outcome is Outcome.BOOT_OK:
        return Verdict.WORKS, ""
    if boot.goal is None and diagnosis.outcome is Outcome.UNKNOWN and boot.dead_end is None:
        return Verdict.UNKNOWN, worst or "nothing on the console could be recognised"
    if boot.dead_end:
        how = f"it stopped at {boot.dead_end}"
    elif not boot.recording.console.strip():
        how = "there was no console output at all"
        worst = "; ".join(boot.warnings)[:300]
    elif boot.recording.ended == "timeout" and not boot.silent:
        if _fatal(diagnosis):
            return Verdict.FAILS, f"time ran out; {worst}"
        # It was still at work: more time might have sufficed.
        return Verdict.UNKNOWN, f"time ran out while it was still running{f'; {worst}' if worst else ''}"
    else:
        how = {
            "timeout": "it fell silent",
            "reset": "it reset itself",
            "powered-off": "it powered off",
            "stopped": "it printed without end",
        }.get(boot.recording.ended, "the emulator exited")
    if boot.goal is not None:
        how += f" before {boot.goal!r}"
    return Verdict.FAILS, f"{how}{f'; {worst}' if worst else ''}"


def _fatal(diagnosis: Diagnosis) -> bool:
    return bool(diagnosis.boots) and any(
        finding.severity is Severity.FATAL for finding in diagnosis.boots[-1].findings
    )


def _cause(diagnosis: Diagnosis) -> str:
    for boot in reversed(diagnosis.boots):
        if boot.findings and boot.findings[0].severity.rank <= 1:
            return boot.findings[0].title
    return ""


def _milestones(boot: ImageBoot, diagnosis: Diagnosis) -> list[Milestone]:
    ends = _line_ends(boot.recording.console)
    offsets = [offset for offset, _ in boot.recording.times]
    milestones = [
        Milestone(stage.label, stage.name, _arrived(boot, offsets, ends, stage.line))
        for diagnosed in diagnosis.boots
        for stage in diagnosed.stages
    ]
    if boot.reached and boot.goal is not None and boot.goal_seconds is not None:
        milestones.append(Milestone(f"goal: {boot.goal}", "goal", round(boot.goal_seconds, 3)))
    return milestones


def _line_ends(console: bytes) -> list[int]:
    ends = []
    place = console.find(b"\n")
    while place >= 0:
        ends.append(place)
        place = console.find(b"\n", place + 1)
    return [*ends, len(console)]


def _arrived(boot: ImageBoot, offsets: list[int], ends: list[int], line: int) -> float:
    """When the end of a line came: the chunk that holds it is the last to begin at or before it."""
    end = ends[min(line, len(ends)) - 1]
    index = bisect_right(offsets, end) - 1
    return round(boot.recording.times[index][1], 3) if index >= 0 else 0.0
