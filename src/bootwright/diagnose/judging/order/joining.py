"""What a driver says of one device, told once: as the proof of the finding that is about it already.

A finding that `joins` tells by form what its device's driver complained of. Another one about the same
device, or that shows one of the same lines, or a kernel's warning in the same driver, tells it by known
words: it takes the lines in, and stands for both.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from attrs import evolve

from bootwright.diagnose.model import Finding, Line, Severity
from bootwright.diagnose.signatures.model import Signature

MOST_LINES = 32
"""Lines of proof of one finding."""
Entry = tuple[Signature, Finding]


def parted(entries: Sequence[Entry]) -> tuple[list[Entry], list[Finding]]:
    """Findings without the stories that others tell as gravely, and these stories.

    Of what fails nothing the story is part of the proof at once: how much it matters depends on it.
    """
    known = [entry for entry in entries if not entry[0].joins]
    alone, stories = [], []
    for signature, story in entries:
        if not signature.joins:
            continue
        about = [index for index, (_, finding) in enumerate(known) if _is_about(finding, story)]
        if all(known[index][1].severity.rank > story.severity.rank for index in about):
            alone.append((signature, story))
            continue
        stories.append(story)
        for index in about:
            other, finding = known[index]
            if finding.severity is Severity.INFO:
                known[index] = other, _with_story(finding, story)
    return [*known, *alone], stories


def completed(findings: Iterable[Finding], stories: Sequence[Finding]) -> Iterator[Finding]:
    """The findings with the stories of their devices, whose lines had no part in their order."""
    for finding in findings:
        whole = finding
        for story in stories:
            if finding.severity.rank < Severity.INFO.rank and _is_about(finding, story):
                whole = evolve(whole, lines=_together(whole.lines, _lines_about(finding, story)))
        yield whole


def _with_story(finding: Finding, story: Finding) -> Finding:
    lines = sorted(_together(finding.lines, _lines_about(finding, story)), key=lambda line: line.number)
    names = {name for name, _ in finding.facts}
    how = [(name, value) for name, value in story.facts if name in _HOW and name not in names]
    return evolve(finding, lines=tuple(lines), facts=tuple(sorted((*finding.facts, *how))))


_HOW = frozenset({"again", "late", "final", "role"})


def _is_about(finding: Finding, story: Finding) -> bool:
    numbers = {line.number for line in story.lines}
    if any(line.number in numbers for line in finding.lines):
        return True
    if finding.severity is Severity.HARMLESS:
        return False
    facts, of_story = dict(finding.facts), dict(story.facts)
    devices = of_story["device"].split(", ")
    return not set(devices).isdisjoint(facts.get("device", "").split(", ")) or _in_driver(facts, of_story)


def _lines_about(finding: Finding, story: Finding) -> tuple[Line, ...]:
    """The lines of a story that are about the devices of the finding: it may tell of several alike."""
    devices = dict(story.facts)["device"].split(", ")
    if len(devices) == 1:
        return story.lines
    named = set(dict(finding.facts).get("device", "").split(", "))
    same_lines = [line.text for line in finding.lines if line in story.lines]
    about = [device for device in devices if device in named or any(device in text for text in same_lines)]
    return tuple(line for line in story.lines if any(device in line.text for device in about))


def _in_driver(facts: dict[str, str], of_story: dict[str, str]) -> bool:
    """Whether it is a report of the kernel that happened in the device's driver."""
    module = facts.get("module", "")
    drivers = {of_story.get(name, "").replace("-", "_") for name in ("module", "driver")}
    return "where" in facts and bool(module) and module.replace("-", "_") in drivers


def _together(lines: tuple[Line, ...], more: tuple[Line, ...]) -> tuple[Line, ...]:
    """All of them; where they are too many, of the second what is beyond, but for the last."""
    added = [line for line in more if line not in lines]
    left = MOST_LINES - len(lines)
    if len(added) > left:
        added = [*added[: left - 1], added[-1]] if left > 0 else []
    return (*lines, *added)
