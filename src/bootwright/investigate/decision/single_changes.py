"""Two cells that differ in one factor and in the outcome: the strongest evidence there is of a cause."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import frozen

from bootwright.foundation.verdict import Verdict
from bootwright.investigate.analysis.observations import Observation, Source
from bootwright.investigate.running.investigation import Investigation


@frozen
class SingleChange:
    """Two cells that differ in one factor and in the outcome: changing just that made the difference."""

    outcome: str
    factor: str
    fails: str
    """Id of the failing cell, and of the working one."""
    works: str
    from_level: str
    to_level: str


@frozen
class Pair:
    """A failing and a working observation of one outcome that differ in one factor alone."""

    outcome: str
    factor: str
    bad: Observation
    good: Observation
    from_level: str
    to_level: str

    @property
    def weight(self) -> Source:
        """The weaker of the two kinds of source."""
        return min(self.bad.source, self.good.source)

    @property
    def change(self) -> SingleChange:
        """The pair by the ids of its cells."""
        return SingleChange(
            self.outcome, self.factor, self.bad.id, self.good.id, self.from_level, self.to_level
        )


def seen_working(investigation: Investigation, outcome: str) -> list[Observation]:
    """The cells with the wanted levels in which an outcome was seen to work by more than a report."""
    wanted = investigation.plan.wanted if investigation.plan else {}
    return [
        observation
        for observation in investigation.counting(outcome)
        if observation.source > Source.REPORTED
        and observation.outcomes.get(outcome) is Verdict.WORKS
        and all(observation.level(factor) == level for factor, level in wanted.items())
    ]


def pairs(investigation: Investigation, outcome: str) -> Iterator[Pair]:
    """Every such pair whose working cell has the wanted levels; both levels are known exactly."""
    failing = [
        observation
        for observation in investigation.counting(outcome)
        if observation.outcomes.get(outcome) is Verdict.FAILS
    ]
    for good in seen_working(investigation, outcome):
        for bad in failing:
            apart = [
                f.name for f in investigation.factors if bad.values.get(f.name) != good.values.get(f.name)
            ]
            if len(apart) != 1:
                continue
            before, after = bad.level(apart[0]), good.level(apart[0])
            if before and after:
                yield Pair(outcome, apart[0], bad, good, before, after)


def single_changes(investigation: Investigation) -> tuple[SingleChange, ...]:
    """For each goal and factor, the pair of the latest kinds of source."""
    best: dict[tuple[str, str], Pair] = {}
    for goal in investigation.goals:
        for pair in pairs(investigation, goal):
            held = best.get((goal, pair.factor))
            if held is None or pair.weight > held.weight:
                best[goal, pair.factor] = pair
    return tuple(pair.change for pair in best.values())
