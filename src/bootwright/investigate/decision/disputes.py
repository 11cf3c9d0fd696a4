"""Cells about which boards, or reports, contradict each other: what is to be looked at again."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen

from bootwright.investigate.analysis.observations import Values
from bootwright.investigate.plans.given import Given, fits
from bootwright.investigate.plans.ways import experiment_of, hours_of
from bootwright.investigate.running.investigation import Investigation


@frozen
class Contradiction:
    """What was seen of one outcome in such a cell."""

    outcome: str
    cells: tuple[str, ...]
    """Ids of the observations."""
    works: int
    fails: int


@frozen
class Disputed:
    """A cell of which nothing is concluded until somebody has looked again."""

    factors: Mapping[str, str]
    by: tuple[Contradiction, ...]
    """One an outcome; goals come first."""
    hours: float | None
    """What looking again takes on a board; None where the plan knows of no such experiment."""
    how: str


def disputed(investigation: Investigation, given: Given) -> tuple[Disputed, ...]:
    """Every such cell with a given value and the wanted levels, all its levels known; goals come first."""
    plan = investigation.plan
    wanted = plan.wanted if plan is not None else {}
    cells: dict[tuple[tuple[str, tuple[str, ...]], ...], tuple[Values, list[Contradiction]]] = {}
    for outcome in sorted(investigation.outcomes, key=lambda name: name not in investigation.goals):
        for dispute in investigation.judgements[outcome].disputed:
            whole = all(len(levels) == 1 for levels in dispute.values.values())
            if whole and fits(dispute.values, {**wanted, **given}):
                key = tuple(sorted(dispute.values.items()))
                by = Contradiction(outcome, dispute.ids, dispute.works, dispute.fails)
                cells.setdefault(key, (dispute.values, []))[1].append(by)
    disputes = []
    for values, contradictions in cells.values():
        experiment = experiment_of(plan, values)
        hours, _ = hours_of(plan, values, investigation.kernels)
        factors = {name: levels[0] for name, levels in values.items()}
        disputes.append(Disputed(factors, tuple(contradictions), hours, experiment.how if experiment else ""))
    return tuple(disputes)
