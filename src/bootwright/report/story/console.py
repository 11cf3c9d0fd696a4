"""The lines of a console that prove a result, with what stands around them."""

from __future__ import annotations

import re
from bisect import bisect_right

from attrs import frozen

from bootwright.investigate.plans.runs import matching
from bootwright.investigate.running.execute import Done
from bootwright.lab.machines.recorded import Recording
from bootwright.report.words import clean

CONTEXT = 1
MOST_LINES = 24
MOST_LINE = 220
TAIL = 12
MOST_BYTES = 4 << 20

_RESULT = re.compile(r"(?:^|\s)(?:not )?ok \d{1,6} (?:- )?(\S{1,100})(?:\s|$)")


@frozen
class ConsoleLine:
    """One line of the console, made harmless."""

    at: str
    """Seconds since the machine was started, when the line began to arrive."""
    text: str
    proves: bool
    gap: bool
    """Lines before this one are left out."""


@frozen
class Excerpt:
    """What a boot's console says of its results."""

    lines: tuple[ConsoleLine, ...]
    left_out: int
    """Lines of the whole console that are not here."""


def excerpt(done: Done) -> Excerpt:
    """The results that decide this boot's outcomes; of a boot that never reported, its last lines."""
    lines = _lines(done.recording)
    names = {f"{test.group}/{test.name}": test.name for test in done.result.tests}
    wanted = {
        names[full]
        for outcome_yield in done.run.experiment.yields
        for pattern in outcome_yield.tests
        for full in matching(pattern, list(names))
    }
    proving = [
        index
        for index, (_, text) in enumerate(lines)
        if "ok " in text and (match := _RESULT.search(text)) and match[1] in wanted
    ]
    if not proving or not done.result.complete:
        proving += range(max(0, len(lines) - TAIL), len(lines))
    shown = sorted(
        {
            near
            for index in proving[:MOST_LINES]
            for near in range(max(0, index - CONTEXT), min(len(lines), index + CONTEXT + 1))
        }
    )
    marks = set(proving)
    excerpt_lines = []
    last = -1
    for index in shown:
        at, text = lines[index]
        excerpt_lines.append(
            ConsoleLine(f"{at:.2f}", text, proves=index in marks and bool(wanted), gap=index != last + 1)
        )
        last = index
    return Excerpt(tuple(excerpt_lines), len(lines) - len(excerpt_lines))


def _lines(recording: Recording) -> list[tuple[float, str]]:
    """(seconds, text) of every line that is not empty, in the first 4 MiB of the console."""
    starts = [offset for offset, _ in recording.times]
    moments = [at for _, at in recording.times]
    timed_lines = []
    offset = 0
    for raw in recording.console[:MOST_BYTES].split(b"\n"):
        if raw.strip():
            chunk = bisect_right(starts, offset) - 1
            at = moments[chunk] if chunk >= 0 else 0.0
            text = clean(raw.decode(errors="replace").replace("\r", ""), MOST_LINE)
            if text.strip():
                timed_lines.append((at, text))
        offset += len(raw) + 1
    return timed_lines
