"""Observations: a cell, what came of it, and how that was learnt."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import IntEnum
from typing import Any

from attrs import evolve, field, frozen

from bootwright.foundation.verdict import Verdict

Values = Mapping[str, tuple[str, ...]]
"""Factor name → the levels it may have had. One level where it is known; a factor that is absent may
have had any."""


class Source(IntEnum):
    """How an observation was obtained; a later kind outweighs an earlier one."""

    REPORTED = 0
    PREDICTED = 1
    EMULATED = 2
    BENCH = 3

    @property
    def word(self) -> str:
        """The word in files and reports: `reported`, `predicted`, `emulated`, `bench`."""
        return self.name.lower()


@frozen
class Observation:
    """What was seen in one cell."""

    id: str
    values: Values
    outcomes: Mapping[str, Verdict]
    source: Source
    evidence: Mapping[str, Any] = field(factory=dict)
    repeat: int = 0
    """Which repetition of the same cell this is; two observations of one cell with different numbers may
    contradict each other, and then the cell is flaky."""

    @property
    def cell(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """The values in a form that can be compared."""
        return tuple(sorted(self.values.items()))

    def level(self, factor: str) -> str | None:
        """The level of `factor`, or None where it is not known exactly."""
        possible = self.values.get(factor, ())
        return possible[0] if len(possible) == 1 else None


@frozen
class Flaky:
    """A cell that was seen to work and to fail by the same kind of source."""

    outcome: str
    ids: tuple[str, ...]
    works: int
    fails: int


@frozen
class Weighed:
    """The observations of one outcome that count, after contradictions inside one cell were weighed."""

    outcome: str
    counted: tuple[Observation, ...]
    """One per cell, `outcomes` reduced to this outcome; a flaky cell counts as failing, since what can
    fail there has its cause there."""
    flaky: tuple[Flaky, ...]
    outweighed: Mapping[str, str]
    """Id set aside → id of a later kind of source that saw the same cell differently."""


_OUTWEIGHED_FROM_AFAR = frozenset({Source.PREDICTED, Source.EMULATED})


def _contradicted(observations: Sequence[Observation], outcome: str) -> dict[str, str]:
    """Id → id of a better observation that contradicts it though it leaves some factor open.

    A row of the bench need not name every factor a prediction does: it was in one of the cells that it is
    compatible with, so where all of those were predicted otherwise, none of these predictions holds.
    """
    reasons: dict[str, str] = {}
    for better in observations:
        verdict = better.outcomes[outcome]
        beneath = [
            observation
            for observation in observations
            if observation.source in _OUTWEIGHED_FROM_AFAR
            and observation.source < better.source
            and observation.cell != better.cell
            and _may_be_same(observation.values, better.values)
        ]
        if beneath and all(observation.outcomes[outcome] is not verdict for observation in beneath):
            same = any(
                observation.cell == better.cell and observation.source < better.source
                for observation in observations
            )
            if not same:  # else that cell is the one
                reasons.update((observation.id, better.id) for observation in beneath)
    return reasons


def _may_be_same(first: Values, second: Values) -> bool:
    return all(set(levels) & set(second[name]) for name, levels in first.items() if name in second)


def weigh(observations: Iterable[Observation], outcome: str) -> Weighed:
    """Settle each cell: the latest kind of source decides; a contradiction within it is flaky.

    So does a boot or a board that leaves factors open, against every prediction of the cells it may be of.

    Unknown outcomes do not count. Order follows the first observation of each cell.
    """
    relevant = [s for s in observations if s.outcomes.get(outcome, Verdict.UNKNOWN) is not Verdict.UNKNOWN]
    outweighed = _contradicted(relevant, outcome)
    cells: dict[tuple[object, ...], list[Observation]] = {}
    for observation in relevant:
        if observation.id not in outweighed:
            cells.setdefault(observation.cell, []).append(observation)
    counted: list[Observation] = []
    flaky: list[Flaky] = []
    for group in cells.values():
        best = max(observation.source for observation in group)
        deciding = [observation for observation in group if observation.source is best]
        verdicts = [observation.outcomes[outcome] for observation in deciding]
        fails = verdicts.count(Verdict.FAILS)
        verdict = Verdict.FAILS if fails else Verdict.WORKS
        if 0 < fails < len(verdicts):
            ids = tuple(observation.id for observation in deciding)
            flaky.append(Flaky(outcome=outcome, ids=ids, works=len(verdicts) - fails, fails=fails))
        first = next(observation for observation in deciding if observation.outcomes[outcome] is verdict)
        outweighed |= {
            s.id: first.id for s in group if s.source is not best and s.outcomes[outcome] is not verdict
        }
        counted.append(evolve(first, outcomes={outcome: verdict}))
    return Weighed(outcome, tuple(counted), tuple(flaky), outweighed)


def outcome_names(observations: Sequence[Observation]) -> tuple[str, ...]:
    """Every outcome that any observation speaks of, in order of appearance."""
    return tuple(dict.fromkeys(name for observation in observations for name in observation.outcomes))
