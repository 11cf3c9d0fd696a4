"""A boot on a board, for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from bootwright.bench.record import BenchRecord
from bootwright.foundation.verdict import Verdict


def lines(record: BenchRecord, folder: str) -> Iterator[str]:
    """Verdict first, then when what was seen, then where it is kept."""
    because = f": {record.reason}" if record.reason else ""
    yield f"{record.verdict}{because}"
    yield f"  on {record.board}, {record.seconds:.1f} s from switching on ({record.ended})"
    for milestone in record.milestones:
        yield f"  {milestone.seconds:8.2f} s  {milestone.name}"
    for criterion, seconds in record.criteria.items():
        seen = "not seen" if seconds is None else f"seen after {seconds:.1f} s"
        yield f"  {criterion}: {seen}"
    for goal, verdict in record.outcomes.items():
        if verdict is not Verdict.UNKNOWN:
            yield f"  {goal}: {verdict}"
    lost = [event for event in record.line if event.event == "lost"]
    for event in lost[:3]:
        seconds = event.seconds - record.switched_on
        yield f"  the serial line was lost after {seconds:.1f} s, at byte {event.offset}: {event.why}"
    if len(lost) > 3:
        yield f"  … and {len(lost) - 3} more times"
    if record.still_on:
        yield f"  it could not be switched off: {record.still_on}; the next start tries again"
    digest = f", SHA-256 {record.console_sha256[:12]}…" if record.console_sha256 else ""
    yield f"  kept in {folder}: {record.console_bytes} bytes of console{digest}"
