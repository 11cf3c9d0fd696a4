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
class ExplainedReport:
    """One failing outcome of a report."""

    head: str
    """`report-2, “Ethernet comes up”:`"""
    says: tuple[str, ...]


def reports(investigation: Investigation, decision: Decision, names: Names) -> tuple[ExplainedReport, ...]:
    """Every failing goal of every report of which something is known."""
    return tuple(
        ExplainedReport(f"{clean(answer.report, 60)}, “{names.outcome(answer.outcome)}”:", tuple(says))
        for answer in decision.reports
        if (
            says := _settled(investigation, answer, names)
            if answer.settled
            else _by_cells(investigation, answer, names)
        )
    )


def _settled(investigation: Investigation, answer: ReportAnswer, names: Names) -> list[str]:
    judgement = investigation.judgements[answer.outcome]
    cause = judgement.cause
    observation = next(
        observation for observation in investigation.observations if observation.id == answer.report
    )
    if cause is None:
        return []
    have = listed(
        [
            f"{names.factor(name)} {' or '.join(observation.values.get(name, ('?',)))}"
            for name in cause.factors
        ]
    )
    return [f"It has {clean(have, 200)}, and it fails where {names.cause(cause, judgement)}."]


def _by_cells(investigation: Investigation, answer: ReportAnswer, names: Names) -> list[str]:
    by_id = {observation.id: observation for observation in investigation.observations}
    if not answer.cells:
        return []
    instead = listed(
        [
            f"{names.factor(name)} {clean(level, 60)} for {clean(own, 60)}"
            for name, (own, level) in answer.differs.items()
        ]
    )
    stand = "stands" if len(answer.cells) == 1 else "stand"
    says = [
        f"{capital(listed([_named(by_id[cell]) for cell in answer.cells]))} {stand} for it"
        f"{f' ({instead})' if instead else ''}. "
        + (
            _failing(answer, by_id)
            if answer.fails
            else "It works there: something else made the report fail."
        )
    ]
    given = investigation.given[0]
    says += [
        f"Changing {names.factor(change.factor)} alone, from {clean(change.from_level, 80)} to "
        f"{clean(change.to_level, 80)}, makes {clean(change.fails, 60)} work "
        f"like {_named(by_id[change.works])}."
        if change.factor not in given
        else f"With {names.factor(change.factor)} {clean(change.to_level, 80)} in place of "
        f"{clean(change.from_level, 80)} and nothing else different, {_named(by_id[change.works])} works."
        for change in answer.changes
    ]
    varied = [
        factor.name
        for factor in investigation.factors
        if len({by_id[cell].level(factor.name) for cell in answer.cells}) > 1
    ]
    for cell in answer.unmended if answer.changes else ():
        where = listed(
            [f"{names.factor(name)} {clean(by_id[cell].level(name) or '?', 80)}" for name in varied]
        )
        says.append(f"With {where} ({clean(cell, 60)}) no single change that was looked at is enough.")
    return says


def _named(observation: Observation) -> str:
    return f"{clean(observation.id, 60)} ({observation.source.word})"


def _failing(answer: ReportAnswer, by_id: dict[str, Observation]) -> str:
    how = (
        "It fails there too"
        if answer.fails == answer.cells
        else f"It fails in {listed([clean(cell, 60) for cell in answer.fails])}"
    )
    reasons = dict.fromkeys(filter(None, (reason(by_id[cell], answer.outcome) for cell in answer.fails)))
    return f"{how}. {' '.join(reasons)}".strip()


def reason(observation: Observation, outcome: str) -> str:
    """Why a predicted cell fails: its first broken link, as a sentence; or empty."""
    if observation.outcomes.get(outcome) is not Verdict.FAILS:
        return ""
    broken = observation.evidence.get("goals", {}).get(outcome, {}).get("first_broken") or {}
    return sentence(clean(broken.get("reason") or "", 500)) if broken else ""
