"""Each boot with its evidence: what was run, what was verified of it, what its console says."""

from __future__ import annotations

import hashlib
import shlex

from attrs import frozen

from bootwright.investigate.running.execute import Done
from bootwright.investigate.running.investigation import Investigation
from bootwright.report.story.cells import Shown, shown
from bootwright.report.story.console import Excerpt, excerpt
from bootwright.report.story.names import Names
from bootwright.report.words import clean, count, seconds

ENDINGS = {
    "powered-off": "the guest finished and switched itself off",
    "reset": "the guest reset, as a kernel does when it panics",
    "timeout": "it was stopped: too long, or silent too long",
    "machine-exited": "the emulator stopped by itself",
    "stopped": "it was stopped by us",
}


@frozen
class Boot:
    """One boot as the evidence section shows it."""

    title: str
    cells: tuple[Shown, ...]
    summary: str
    facts: tuple[tuple[str, str], ...]
    hashes: tuple[tuple[str, str], ...]
    command: str
    excerpt: Excerpt
    limit: str


def boots(investigation: Investigation, names: Names) -> tuple[Boot, ...]:
    """Every boot, in the order run."""
    return tuple(_boot(investigation, done, names) for step in investigation.steps for done in step.done)


def _boot(investigation: Investigation, done: Done, names: Names) -> Boot:
    recording, result = done.recording, done.result
    key = f"{done.run.id}#{done.repeat}"
    cells = [
        observation for observation in investigation.observations if observation.evidence.get("boot") == key
    ]
    tests = result.tests
    good = sum(test.ok is True for test in tests)
    facts = [
        ("Kernel", clean(done.kernel.get("name", ""), 120)),
        ("Package", clean(done.kernel.get("package", ""), 200)),
        ("Verified", clean(done.kernel.get("verified", ""), 1500)),
        ("Release, as reported by the running kernel", clean(result.release or "not reported", 120)),
        (
            "Page size, as reported by the running kernel",
            f"{result.page_size:,} bytes" if result.page_size else "not reported",
        ),
        ("Emulator", f"{clean(recording.machine_version, 80)}, machine {clean(recording.machine, 60)}"),
        ("How it ended", ENDINGS.get(recording.ended, clean(recording.ended, 60))),
        ("Time", f"{seconds(recording.wall_seconds)} ({seconds(recording.cpu_seconds)} of processor time)"),
        (
            "Snapshot",
            "went on from a saved machine; a cold boot gave the same answers" if recording.snapshot else "",
        ),
        ("Recorded", clean(done.recorded_at, 40)),
        ("Kernel arguments", clean(recording.kernel_arguments, 1000)),
    ]
    return Boot(
        title=f"{clean(done.kernel.get('name', done.run.id), 120)} on {clean(recording.machine, 60)}"
        + (f", repetition {done.repeat + 1}" if done.repeat else ""),
        cells=tuple(shown(investigation, cells, names)),
        summary=f"{good} of {count(len(tests), 'test')} ok"
        + ("" if result.complete else "; the guest did not report to the end"),
        facts=tuple((label, text) for label, text in facts if text),
        hashes=(
            ("Kernel image", clean(recording.kernel_sha256, 80)),
            ("Initramfs", clean(recording.initramfs_sha256, 80)),
            ("Probe (the guest's init)", clean(recording.probe_sha256, 80)),
            ("Console", hashlib.sha256(recording.console).hexdigest()),
        ),
        command=clean(shlex.join(recording.command), 4000),
        excerpt=excerpt(done),
        limit=clean(done.run.experiment.limit, 400),
    )
