"""What `observe` says for a person: what was seen, what it means, and the next step."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from bootwright.foundation.verdict import Verdict
from bootwright.prepare.seen.observe import Observed
from bootwright.report.words import wrapped


def lines(observed: Observed, record: Path | None, read: Sequence[str] = ()) -> Iterator[str]:
    """The verdict first; `record` is where it was kept, `read` what was put right in a photo's text."""
    seen = observed.seen
    yield f"{observed.verdict}: {headline(observed)}"
    if observed.record is not None:
        what = f"{observed.record.image} on {observed.record.board_title}"
        yield from wrapped("  ", f"{what}, Linux {observed.record.kernel}")
    for text in observed.against:
        yield from wrapped("  ", f"against the prediction: {text}")
    if seen.says:
        yield ""
        yield "what it means:"
        for text in seen.says:
            yield from wrapped("  ", text)
    for line in observed.lines:
        yield f"    {line.number:>6} | {line.text}"
    if read:
        yield from wrapped("  ", f"put right in the photo's text: {', '.join(read)}")
    if seen.next:
        yield ""
        yield from wrapped("next: ", seen.next)
    if observed.against and observed.record is not None and seen.counts:
        yield from wrapped("      ", _again(observed))
    if record is not None and observed.record is not None:
        count = len(observed.record.observations)
        word = "observation" if count == 1 else "observations"
        counted = "" if seen.counts else "; this one does not count for the image"
        yield f"kept in {record} ({count} {word}{counted})"


def headline(observed: Observed) -> str:
    """What is known of the goals; where nothing is, what ended the boot."""
    outcomes = observed.seen.outcomes
    stopped = f"the boot stops: {observed.stopped_by}" if observed.stopped_by else "no goal is decided by it"
    is_decided = any(verdict is not Verdict.UNKNOWN for verdict in outcomes.values())
    return (_outcomes(outcomes) if is_decided or not observed.stopped_by else "") or stopped


def _again(observed: Observed) -> str:
    """How to have another way looked for: what was seen outweighs the prediction."""
    record = observed.record
    if record is None:
        return ""
    words = ["bootwright", "prepare", record.source, "--board", record.board]
    if record.revision:
        words += ["--revision", record.revision]
    elif record.stepping:
        words += ["--stepping", record.stepping]
    return f"to have another way looked for, as this one is known now: {shlex.join(words)} -o ANOTHER.raw"


def _outcomes(outcomes: Mapping[str, Verdict]) -> str:
    return ", ".join(
        f"{name} {'is unknown' if verdict is Verdict.UNKNOWN else verdict}"
        for name, verdict in outcomes.items()
    )
