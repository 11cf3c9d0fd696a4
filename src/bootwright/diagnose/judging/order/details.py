"""What the lines around a report add to it: whose work the code did, what was complained of before."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import evolve

from bootwright.diagnose.judging.order.joining import MOST_LINES
from bootwright.diagnose.judging.order.kept_lines import KeptLines
from bootwright.diagnose.judging.state import BootState
from bootwright.diagnose.model import Finding, Line, Severity
from bootwright.diagnose.reading import prefix
from bootwright.diagnose.reading.patterns import printable
from bootwright.diagnose.signatures.sentences import sentence

_LONGEST_LINE = 400
OF_LOADERS = frozenset({"boot-loader", "firmware"})
_LONGEST_COMPLAINT = 160


def way_of(report: Mapping[str, str]) -> str:
    """A sentence that says on whose behalf the code ran that the kernel reports of; empty without a stack.

    `report` are the facts of `Surroundings`.
    """
    where, module, way = (report.get(name, "") for name in ("where", "module", "way"))
    if not way:
        return ""
    begin = f"{where} [{module}] ← " if module else f"{where} ← " if where else ""
    return f" Call path: {begin}{way}."


def sentence_of(template: str, facts: Mapping[str, str], kept: KeptLines | None) -> str:
    """The sentence with facts in it; behind an address what that device is, as far as the lines tell it."""
    plain = sentence(template, facts)
    device = facts.get("device", "")
    if kept is None or not device or device not in plain:
        return plain
    devices, more, number = device.partition(" and ")
    shown_devices = [_with_words(name, plain, kept) for name in devices.split(", ")]
    return sentence(template, {**facts, "device": f"{', '.join(shown_devices)}{more}{number}"})


def _with_words(device: str, plain: str, kept: KeptLines) -> str:
    words = ", ".join(word for word in kept.words_for(device) if word not in plain)
    return f"{device} ({words})" if words else device


def with_complaints(report: Finding, boot: BootState) -> Finding:
    """A serious crash, with what the driver, or the loader, that it happened in complained of before."""
    of_loader = report.area in OF_LOADERS
    facts = dict(report.facts)
    driver = None if of_loader else facts.get("module") or facts.get("loading", "")
    if boot.kept is None or not report.lines or report.severity.rank > Severity.DEGRADING.rank:
        return report
    complaints = boot.kept.before(report.lines[0].number, driver)
    if not complaints:
        return report
    lines = tuple(Line(place.line, shown(place.raw)) for place in complaints)
    speaker = _complaining(report, driver)
    first = shown(prefix.split(complaints[0].raw).text)[:_LONGEST_COMPLAINT]
    return evolve(
        report,
        cause=f"{report.cause} Before that, {speaker} complained: `{first}`.",
        lines=(*lines, *(line for line in report.lines if line not in lines))[:MOST_LINES],
        facts=tuple(sorted((*report.facts, ("complaint", first)))),
    )


def _complaining(report: Finding, driver: str | None) -> str:
    if driver is None:
        return "the firmware" if report.area == "firmware" else "the loader"
    return "the driver" if driver else "the same code"


def shown(raw: bytes) -> str:
    """A line as text that can be printed: no control characters, at most 400 characters."""
    text = printable(raw.rstrip())
    return text if len(text) <= _LONGEST_LINE else text[: _LONGEST_LINE - 1] + "…"
