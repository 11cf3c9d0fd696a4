"""What made each failing report fail, from the cells that stand for it."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen

from bootwright.foundation.verdict import Verdict
from bootwright.foundation.versions import Version
from bootwright.investigate.analysis.factors import Factor
from bootwright.investigate.analysis.observations import Observation, Source
from bootwright.investigate.decision.single_changes import SingleChange, pairs
from bootwright.investigate.running.investigation import Investigation


@frozen
class ReportAnswer:
    """A failing outcome of a report, and what is known of why."""

    report: str
    outcome: str
    settled: bool
    """The outcome's one cause left holds in the report."""
    cells: tuple[str, ...] = ()
    """Ids of the cells that stand for the report: alike in every factor, the nearest known version where
    its own was not looked at."""
    differs: Mapping[str, tuple[str, str]] = {}
    """Factor → the report's level and the one looked at instead."""
    fails: tuple[str, ...] = ()
    """Those of `cells` that fail too."""
    changes: tuple[SingleChange, ...] = ()
    """What, changed alone, made one of them work."""

    @property
    def unmended(self) -> tuple[str, ...]:
        """The failing cells that no single change looked at made work."""
        return tuple(one for one in self.fails if all(change.fails != one for change in self.changes))


def explain_reports(found: Investigation) -> tuple[ReportAnswer, ...]:
    """Every failing goal of every report."""
    return tuple(
        _explain(found, seen, goal)
        for seen in found.observations
        if seen.source is Source.REPORTED
        for goal in found.goals
        if seen.outcomes.get(goal) is Verdict.FAILS
    )


def _explain(found: Investigation, report: Observation, goal: str) -> ReportAnswer:
    cause = found.judgements[goal].cause
    if cause is not None and report.id not in found.judgements[goal].set_aside:
        return ReportAnswer(report.id, goal, settled=True)
    known = [
        seen
        for seen in found.counting(goal)
        if seen.source > Source.REPORTED and seen.outcomes.get(goal, Verdict.UNKNOWN) is not Verdict.UNKNOWN
    ]
    alike = _standing_in(found.factors, report, known)
    differs: dict[str, tuple[str, str]] = {}
    for seen in alike[:1]:
        for factor in found.factors:
            told, level = report.values.get(factor.name, ()), seen.level(factor.name)
            if told and level and level not in told:
                differs[factor.name] = (" or ".join(told), level)
    failing = [seen for seen in alike if seen.outcomes[goal] is Verdict.FAILS]
    ids = {seen.id for seen in failing}
    changes = tuple(pair.change for pair in pairs(found, goal) if pair.bad.id in ids)
    return ReportAnswer(
        report=report.id,
        outcome=goal,
        settled=False,
        cells=tuple(seen.id for seen in alike),
        differs=differs,
        fails=tuple(seen.id for seen in failing),
        changes=changes,
    )


def _standing_in(
    factors: tuple[Factor, ...], report: Observation, known: list[Observation]
) -> list[Observation]:
    """The cells with the report's levels; of versions, all at one distance from the report's own.

    A version stands for another of its own series only: between series anything may have changed.
    """
    fitting: dict[tuple[str, ...], list[Observation]] = {}
    distances: dict[tuple[str, ...], int] = {}
    for seen in known:
        steps, stands = 0, True
        versions = []
        for factor in factors:
            told, level = report.values.get(factor.name, ()), seen.level(factor.name)
            if not told or level in told:
                versions += [level or ""] if factor.ordered else []
                continue
            if not factor.ordered or level is None or not all(_one_series(level, one) for one in told):
                stands = False
                break
            versions.append(level)
            steps += min(abs(factor.position(level) - factor.position(one)) for one in told)
        if stands:
            fitting.setdefault(tuple(versions), []).append(seen)
            distances[tuple(versions)] = steps
    if not fitting:
        return []
    nearest = min(fitting, key=lambda versions: distances[versions])
    return fitting[nearest]


def _one_series(level: str, other: str) -> bool:
    one, two = Version.parse(level), Version.parse(other)
    return one is not None and two is not None and one.series() == two.series()
