"""The documented JSON of a diagnosis (docs/schemas/diagnose.schema.json)."""

from __future__ import annotations

from typing import Any

from bootwright.diagnose.model import Boot, Diagnosis, Evidence, Finding

SCHEMA = "bootwright/diagnose/1"


def as_json(diagnosis: Diagnosis, *, board: str | None = None) -> dict[str, Any]:
    """A dictionary of plain values; the first finding of a failed boot is its root cause."""
    form: dict[str, Any] = {
        "schema": SCHEMA,
        "outcome": diagnosis.outcome.value,
        "says": diagnosis.sentence,
        "blame": _blame(diagnosis),
        "if_silent": _in_short(diagnosis.if_silent) if diagnosis.if_silent is not None else None,
        "lines": diagnosis.lines,
        "boots": [_boot(boot) for boot in diagnosis.boots],
        "boots_left_out": diagnosis.boots_left_out,
    }
    if board is not None:
        form["board"] = board
    return form


def _blame(diagnosis: Diagnosis) -> dict[str, Any] | None:
    blamed = diagnosis.blamed
    if blamed is None:
        return None
    return {"boot": blamed.boot, "finding": blamed.place, **_in_short(blamed.finding)}


def _in_short(finding: Finding) -> dict[str, Any]:
    return {
        "signature": finding.signature,
        "title": finding.title,
        "severity": finding.severity.value,
        "cause": finding.cause,
        "line": finding.lines[0].number if finding.lines else None,
    }


def _boot(boot: Boot) -> dict[str, Any]:
    return {
        "source": boot.source,
        "first_line": boot.first_line,
        "last_line": boot.last_line,
        "outcome": boot.outcome.value,
        "stage": boot.stage,
        "stages": [
            {"name": stage.name, "label": stage.label, "line": stage.line, "time": stage.time}
            for stage in boot.stages
        ],
        "restarted": boot.restarted,
        "findings": [_finding(finding) for finding in boot.findings],
        "gaps": [{"missing": gap.missing, "get_it": gap.get_it} for gap in boot.gaps],
        "told": dict(boot.told),
        "evidence": [_evidence(evidence) for evidence in boot.evidence],
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "signature": finding.signature,
        "title": finding.title,
        "severity": finding.severity.value,
        "area": finding.area,
        "cause": finding.cause,
        "lines": [{"number": line.number, "text": line.text} for line in finding.lines],
        "count": finding.count,
        "facts": dict(finding.facts),
        "explains": list(finding.explains),
        "caused_by": finding.caused_by,
        "breaks": finding.breaks,
        "remedy": finding.remedy,
        "kernel_arguments": finding.kernel_arguments,
        "sources": list(finding.sources),
        "limits": finding.limits,
        "evidence": [_evidence(evidence) for evidence in finding.evidence],
    }


def _evidence(evidence: Evidence) -> dict[str, str]:
    return {"stance": evidence.stance.value, "says": evidence.says, "where": evidence.where}
