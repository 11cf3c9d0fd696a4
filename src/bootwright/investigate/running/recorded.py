"""The cells that an earlier investigation came to, weighed again: nothing is run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import evolve, field, frozen

from bootwright.foundation.errors import Malformed
from bootwright.foundation.structure import structure
from bootwright.foundation.verdict import Verdict
from bootwright.investigate.analysis.causes import CauseSpace
from bootwright.investigate.analysis.observations import Observation, Source
from bootwright.investigate.plans.given import Given
from bootwright.investigate.plans.plan import Plan
from bootwright.investigate.plans.values import check_observations
from bootwright.investigate.running.investigation import Investigation, look
from bootwright.investigate.running.loop import factors_of


@frozen
class _Cell:
    """A cell of docs/schemas/result.schema.json."""

    id: str
    factors: dict[str, str | list[str]]
    source: str
    outcomes: dict[str, str]
    repeat: int = 0
    evidence: dict[str, Any] = field(factory=dict)


def read_cells(document: Mapping[str, Any], where: str) -> list[Observation]:
    """The cells of a run's result (docs/schemas/result.schema.json) as observations; raises `Malformed`."""
    rows = document.get("cells")
    if not isinstance(rows, list):
        raise Malformed(where, None, "the cells of a run's result", type(rows).__name__)
    return [_observation(row, where) for row in rows]


def _observation(row: object, where: str) -> Observation:
    cell = structure(row, _Cell, where)
    words = {source.word: source for source in Source}
    if cell.source not in words:
        raise Malformed(f"{where}: {cell.id}", None, " or ".join(words), repr(cell.source))
    try:
        outcomes = {name: Verdict(word) for name, word in cell.outcomes.items()}
    except ValueError as error:
        raise Malformed(f"{where}: {cell.id}", None, "works, fails or unknown", str(error)) from error
    values = {
        name: (levels,) if isinstance(levels, str) else tuple(levels) for name, levels in cell.factors.items()
    }
    return Observation(cell.id, values, outcomes, words[cell.source], cell.evidence, cell.repeat)


def weighed(
    plan: Plan, observations: Sequence[Observation], given: Sequence[Given], where: str
) -> Investigation:
    """What recorded observations, the plan's reports among them or not, say for the values `given`.

    Raises `Refused` for levels that the plan does not have.
    """
    check_observations(plan, observations, where)
    reports = plan.reports()
    known = {observation.id for observation in observations}
    everything = [*(report for report in reports if report.id not in known), *observations]
    investigation = look(
        CauseSpace(factors_of(plan, everything, ())),
        reports,
        everything,
        title=plan.title,
        outcomes=tuple(plan.outcome),
        goals=plan.goals,
        plan=plan,
    )
    return evolve(investigation, given=tuple(given))
