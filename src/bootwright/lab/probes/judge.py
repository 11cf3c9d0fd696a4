"""What one boot says: the probe's results, or why there are none, in one line with its evidence."""

from __future__ import annotations

import re

from bootwright.foundation.verdict import Verdict
from bootwright.lab.machines.recorded import Recording
from bootwright.lab.probes.ktap import ProbeResult

_PANIC = re.compile(rb"Kernel panic - not syncing: ([^\r\n]{1,200})")
_OOPS = re.compile(rb"(Internal error: [^\r\n]{1,200}|Unable to handle kernel [^\r\n]{1,200})")
_END = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")


def verdict(result: ProbeResult) -> Verdict:
    """Fails when any test is not ok; unknown when one was skipped or the report is not whole."""
    if any(test.ok is False for test in result.tests):
        return Verdict.FAILS
    if not result.complete or not result.tests or any(test.ok is None for test in result.tests):
        return Verdict.UNKNOWN
    return Verdict.WORKS


def trouble(recording: Recording, result: ProbeResult) -> str | None:
    """Why the probe's report is not whole, or None when it is."""
    if result.complete:
        return None
    for pattern, what in ((_PANIC, "the kernel panicked"), (_OOPS, "the kernel failed")):
        match = pattern.search(recording.console)
        if match:
            return f"{what}: {_plain(match[1])}"
    if not recording.console.strip():
        return (
            f"no console output in {recording.wall_seconds:.0f} s; "
            "is the page size one this CPU has, and the console the right one?"
        )
    if recording.ended == "timeout":
        return (
            f"the guest hung, ended after {recording.wall_seconds:.0f} s; last line: {last_line(recording)}"
        )
    if recording.ended == "stopped":
        return f"the guest printed without end and was stopped after {len(recording.console)} bytes"
    if recording.ended == "reset":
        return f"the guest reset itself; last line: {last_line(recording)}"
    if recording.ended == "machine-exited":
        return f"the emulator exited; last line: {last_line(recording)}"
    return f"the probe's report is cut short; last line: {last_line(recording)}"


def last_line(recording: Recording) -> str:
    """The console's last line that is not empty, without control characters, at most 200 characters."""
    tail = _END.sub(b"", recording.console[-4096:].replace(b"\r", b"\n"))
    lines = [line.strip() for line in tail.split(b"\n") if line.strip()]
    return _plain(lines[-1][:200]) if lines else "(none)"


def _plain(text: bytes) -> str:
    """The guest's words, fit for a terminal: no control sequences, nothing that changes direction."""
    decoded = _END.sub(b"", text).decode(errors="replace")
    return "".join(char if char.isprintable() else "\ufffd" for char in decoded)
