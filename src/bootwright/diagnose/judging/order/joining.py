"""What a driver says of one device, told once: as the proof of the finding that is about it already.

A finding that `joins` tells by form what its device's driver complained of. Another one about the same device, or
that shows one of the same lines, or a kernel's warning in the same driver, tells it by known words: it takes the
lines in, and stands for both.
"""

from __future__ import annotations

from attrs import evolve

from bootwright.diagnose.model import Finding, Line, Severity
from bootwright.diagnose.signatures.model import Signature

MOST_LINES = 32
"""Lines of proof of one finding."""
Entry = tuple[Signature, Finding]


def joined(entries: list[Entry]) -> list[Entry]:
    """Without the findings that join another one, whose proof they are."""
    others = [entry for entry in entries if not entry[0].joins]
    if len(others) == len(entries):
        return entries
    alone = []
    for signature, story in entries:
        if not signature.joins:
            continue
        about = [index for index, (_, finding) in enumerate(others) if _is_about(finding, story)]
        for index in about:
            known, finding = others[index]
            others[index] = known, evolve(finding, lines=_together(finding.lines, story.lines))
        if not any(others[index][1].severity is not Severity.HARMLESS for index in about):
            alone.append((signature, story))
    return [*others, *alone]


def _is_about(finding: Finding, story: Finding) -> bool:
    shared = {line.number for line in story.lines}
    if any(line.number in shared for line in finding.lines):
        return True
    if finding.severity is Severity.HARMLESS:
        return False
    facts, told = dict(finding.facts), dict(story.facts)
    return told["device"] in facts.get("device", "").split(", ") or _in_driver(facts, told)


def _in_driver(facts: dict[str, str], told: dict[str, str]) -> bool:
    """Whether it is a report of the kernel that happened in the device's driver."""
    module = facts.get("module", "")
    drivers = {told.get(name, "").replace("-", "_") for name in ("module", "driver")}
    return "where" in facts and bool(module) and module.replace("-", "_") in drivers


def _together(lines: tuple[Line, ...], more: tuple[Line, ...]) -> tuple[Line, ...]:
    """All of them in order; where they are too many, of the second what is beyond."""
    added = [line for line in more if line not in lines]
    if len(lines) + len(added) > MOST_LINES:
        added = [*added[: MOST_LINES - len(lines) - 1], *added[-1:]] if len(lines) < MOST_LINES else []
    return tuple(sorted((*lines, *added), key=lambda line: line.number))
