"""What made each failing report fail, in words."""

from __future__ import annotations

from attrs import frozen

from bootwright.foundation.verdict import Verdict
from bootwright.investigate.analysis.observations import Observation
from bootwright.investigate.decision.decide import Decision
from bootwright.investigate.decision.reports import ReportAnswer
from bootwright.investigate.running.investigation import Investigation
from bootwright.report.story.names import Names
from bootwright.report.words import capital, clean, listed, sentence


@frozen
class ReportTold:
    """One failing outcome of a report."""

    head: str
    """`report-2, “Ethernet comes up”:`"""
    says: tuple[str, ...]


def reports(found: Investigation, decision: Decision, names: Names) -> tuple[ReportTold, ...]:
    """Every failing goal of every report of which something is known."""
    return tuple(
        ReportTold(f"{clean(one.report, 60)}, “{names.outcome(one.outcome)}”:", tuple(says))
        for one in decision.reports
        if (says := _settled(found, one, names) if one.settled else _by_cells(found, one, names))
    )


def _settled(found: Investigation, one: ReportAnswer, names: Names) -> list[str]:
    judgement = found.judgements[one.outcome]
    cause = judgement.cause
    seen = next(seen for seen in found.observations if seen.id == one.report)
    if cause is None:
        return []
    have = listed(
        [f"{names.factor(name)} {' or '.join(seen.values.get(name, ('?',)))}" for name in cause.factors]
    )
    return [f"It has {clean(have, 200)}, and it fails where {names.cause(cause, judgement)}."]


def _by_cells(found: Investigation, one: ReportAnswer, names: Names) -> list[str]:
    by_id = {seen.id: seen for seen in found.observations}
    if not one.cells:
        return []
    instead = listed(
        [
            f"{names.factor(name)} {clean(level, 60)} for {clean(own, 60)}"
            for name, (own, level) in one.differs.items()
        ]
    )
    stand = "stands" if len(one.cells) == 1 else "stand"
    says = [
        f"{capital(listed([_named(by_id[cell]) for cell in one.cells]))} {stand} for it"
        f"{f' ({instead})' if instead else ''}. "
        + (_failing(one, by_id) if one.fails else "It works there: something else made the report fail.")
    ]
    says += [
        f"Changing {names.factor(change.factor)} alone, from {clean(change.from_level, 80)} to "
        f"{clean(change.to_level, 80)}, makes {clean(change.fails, 60)} work "
        f"like {_named(by_id[change.works])}."
        for change in one.changes
    ]
    varied = [
        factor.name
        for factor in found.factors
        if len({by_id[cell].level(factor.name) for cell in one.cells}) > 1
    ]
    for cell in one.unmended if one.changes else ():
        where = listed(
            [f"{names.factor(name)} {clean(by_id[cell].level(name) or '?', 80)}" for name in varied]
        )
        says.append(f"With {where} ({clean(cell, 60)}) no single change that was looked at is enough.")
    return says


def _named(seen: Observation) -> str:
    return f"{clean(seen.id, 60)} ({seen.source.word})"


def _failing(one: ReportAnswer, by_id: dict[str, Observation]) -> str:
    how = (
        "It fails there too"
        if one.fails == one.cells
        else f"It fails in {listed([clean(cell, 60) for cell in one.fails])}"
    )
    reasons = dict.fromkeys(filter(None, (_reason(by_id[cell], one.outcome) for cell in one.fails)))
    return f"{how}. {' '.join(reasons)}".strip()


def _reason(seen: Observation, outcome: str) -> str:
    """The first broken link of a predicted cell."""
    if seen.outcomes.get(outcome) is not Verdict.FAILS:
        return ""
    broken = seen.evidence.get("goals", {}).get(outcome, {}).get("first_broken") or {}
    return sentence(clean(broken.get("reason") or "", 500)) if broken else ""
