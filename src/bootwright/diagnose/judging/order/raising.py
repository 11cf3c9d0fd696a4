"""What an excerpt was cut out for is serious, even if it is only worth knowing in a whole boot."""

from __future__ import annotations

from attrs import evolve

from bootwright.diagnose.judging.order.joining import MOST_LINES
from bootwright.diagnose.model import SERIOUS, Finding, Severity
from bootwright.diagnose.signatures.model import Signature

Found = tuple[Signature, Finding]


def raised(signature_findings: list[Found]) -> list[Found]:
    """Without the signatures that raise another, and what they raise raised.

    That is done where nothing serious is known: then the finding worth knowing counts that shares most lines,
    a report of the kernel before all others, or alone where it is about reports. Where there is none,
    what counts only alone does.
    """
    others = [entry for entry in signature_findings if not (entry[0].raises or entry[0].unless_serious)]
    if any(finding.severity in SERIOUS for _, finding in others):
        return others
    raising = [finding for signature, finding in signature_findings if signature.raises]
    abouts = [dict(finding.facts) for finding in raising]
    spans = [(int(facts["from"]), int(facts["to"])) for facts in abouts]
    reports_only = all(facts.get("of") == "reports" for facts in abouts)
    empty = [_devices(finding) for signature, finding in others if signature.may_be_empty]
    candidates = [
        (signature.report, shared, -place)
        for place, (signature, finding) in enumerate(others)
        if finding.severity is Severity.INFO
        if not (signature.open_end or signature.joins or signature.may_be_empty)
        if signature.report or not reports_only
        if not any(set() < _devices(finding) <= devices for devices in empty)
        if not _is_provoked(signature, finding, others)
        if (shared := _shared(finding, spans))
    ]
    if not candidates:
        return [*others, *(entry for entry in signature_findings if entry[0].unless_serious)]
    place = -max(candidates)[-1]
    signature, finding = others[place]
    # The excerpt as a whole proves it: its last line belongs to the proof.
    end = [line for line in raising[-1].lines[-1:] if line not in finding.lines]
    lines = (*finding.lines, *end)[:MOST_LINES]
    others[place] = signature, evolve(finding, severity=raising[0].severity, lines=lines)
    return others


def _is_provoked(signature: Signature, finding: Finding, others: list[Found]) -> bool:
    """Whether somebody had begun before to provoke it on purpose: that is not what a log was taken for."""
    provokers = {event.partition("/")[0] for event in signature.provoked_by}
    return any(
        other.name in provokers and _first_line(cause) < _first_line(finding) for other, cause in others
    )


def _first_line(finding: Finding) -> int:
    return min((line.number for line in finding.lines), default=0)


def _devices(finding: Finding) -> set[str]:
    return {name for key, value in finding.facts if key == "device" for name in value.split(", ")}


def _shared(finding: Finding, spans: list[tuple[int, int]]) -> int:
    """How many lines of its proof lie in what the excerpt is about."""
    return sum(any(first <= line.number <= last for first, last in spans) for line in finding.lines)
