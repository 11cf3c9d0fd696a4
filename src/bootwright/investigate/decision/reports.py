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
        return tuple(
            identity for identity in self.fails if all(change.fails != identity for change in self.changes)
        )


def explain_reports(investigation: Investigation) -> tuple[ReportAnswer, ...]:
    """Every failing goal of every report."""
    return tuple(
        _explain(investigation, observation, goal)
        for observation in investigation.observations
        if observation.source is Source.REPORTED
        for goal in investigation.goals
        if observation.outcomes.get(goal) is Verdict.FAILS
    )


def _explain(investigation: Investigation, report: Observation, goal: str) -> ReportAnswer:
    cause = investigation.judgements[goal].cause
    if cause is not None and report.id not in investigation.judgements[goal].set_aside:
        return ReportAnswer(report.id, goal, settled=True)
    observations = [
        observation
        for observation in investigation.counting(goal)
        if observation.source > Source.REPORTED
        and observation.outcomes.get(goal, Verdict.UNKNOWN) is not Verdict.UNKNOWN
    ]
    alike = _standing_in(investigation.factors, report, observations)
    differs: dict[str, tuple[str, str]] = {}
    for observation in alike[:1]:
        for factor in investigation.factors:
            reported_levels, level = report.values.get(factor.name, ()), observation.level(factor.name)
            if reported_levels and level and level not in reported_levels:
                differs[factor.name] = (" or ".join(reported_levels), level)
    failing = [observation for observation in alike if observation.outcomes[goal] is Verdict.FAILS]
    ids = {observation.id for observation in failing}
    changes = tuple(pair.change for pair in pairs(investigation, goal) if pair.bad.id in ids)
    return ReportAnswer(
        report=report.id,
        outcome=goal,
        settled=False,
        cells=tuple(observation.id for observation in alike),
        differs=differs,
        fails=tuple(observation.id for observation in failing),
        changes=changes,
    )


def _standing_in(
    factors: tuple[Factor, ...], report: Observation, observations: list[Observation]
) -> list[Observation]:
    """The cells with the report's levels; of versions, all at one distance from the report's own.

    A version stands for another of its own series only: between series anything may have changed.
    """
    fitting: dict[tuple[str, ...], list[Observation]] = {}
    distances: dict[tuple[str, ...], int] = {}
    for observation in observations:
        steps, stands = 0, True
        versions = []
        for factor in factors:
            reported_levels, level = report.values.get(factor.name, ()), observation.level(factor.name)
            if not reported_levels or level in reported_levels:
                versions += [level or ""] if factor.ordered else []
                continue
            if (
                not factor.ordered
                or level is None
                or not all(_one_series(level, reported_level) for reported_level in reported_levels)
            ):
                stands = False
                break
            versions.append(level)
            steps += min(
                abs(factor.position(level) - factor.position(reported_level))
                for reported_level in reported_levels
            )
        if stands:
            fitting.setdefault(tuple(versions), []).append(observation)
            distances[tuple(versions)] = steps
    if not fitting:
        return []
    nearest = min(fitting, key=lambda versions: distances[versions])
    return fitting[nearest]


def _one_series(level: str, reported_level: str) -> bool:
    version, reported_version = Version.parse(level), Version.parse(reported_level)
    return (
        version is not None and reported_version is not None and version.series() == reported_version.series()
    )
