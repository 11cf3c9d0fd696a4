"""Observations: a cell, what came of it, and how that was learnt."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
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
    values: Values = field(factory=dict)
    disputed: bool = False
    """Boards or reports say it, not one machine's repetitions: nothing is concluded from the cell."""


@frozen
class Weighed:
    """The observations of one outcome that count, after contradictions inside one cell were weighed."""

    outcome: str
    counted: tuple[Observation, ...]
    """One per cell, `outcomes` reduced to this outcome; a flaky cell counts as failing, since what can
    fail there has its cause there. One that is disputed does not count."""
    flaky: tuple[Flaky, ...]
    outweighed: Mapping[str, str]
    """Id set aside → id of a later kind of source that saw the same cell differently."""
    beneath: tuple[str, ...] = ()
    """Ids that do not count because later kinds of source dispute their cell."""
    outvoted: tuple[str, ...] = ()
    """Ids of boards or reports that more others contradict, where outcomes may lie."""

    @property
    def disputed(self) -> tuple[Flaky, ...]:
        """The cells from which nothing is concluded."""
        return tuple(flaky for flaky in self.flaky if flaky.disputed)


CONFIDENCE = 0.95
"""Of the weight of all that may be so, the share that an answer has to have."""
_OUTWEIGHED_FROM_AFAR = frozenset({Source.PREDICTED, Source.EMULATED})
_OF_MANY = frozenset({Source.REPORTED, Source.BENCH})
"""Sources that speak of different boards; the others repeat on one machine what one machine does."""


def _contradicted(
    observations: Sequence[Observation], outcome: str, disputed: Collection[str]
) -> dict[str, str]:
    """Id → id of a better observation that contradicts it though it leaves some factor open.

    A row of the bench need not name every factor a prediction does: it was in one of the cells that it is
    compatible with, so where all of those were predicted otherwise, none of these predictions holds.
    """
    reasons: dict[str, str] = {}
    for better in observations:
        if better.id in disputed:
            continue
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


def outvotes(most: int, least: int, noise: float) -> bool:
    """Whether `most` who say one thing and `least` who say the other settle it, where `noise` of all lie."""
    odds = (noise / (1 - noise)) ** (most - least) if noise else 1.0
    return 1 / (1 + odds) >= CONFIDENCE - 1e-9


def weigh(observations: Iterable[Observation], outcome: str, noise: float = 0.0) -> Weighed:
    """Settle each cell: the latest kind of source decides; a contradiction within it is flaky.

    What one machine does now and then counts as failing. Where boards or reports contradict each other, they
    are weighed if `noise` is the share of them that lie, and nothing is concluded where that settles nothing.

    So does a boot or a board that leaves factors open, against every prediction of the cells it may be of.

    Unknown outcomes do not count. Order follows the first observation of each cell.
    """
    relevant = [s for s in observations if s.outcomes.get(outcome, Verdict.UNKNOWN) is not Verdict.UNKNOWN]
    outvoted: list[str] = []
    disputes: list[Flaky] = []
    for group in _by_cell(relevant).values():
        dispute = _dispute(group, outcome)
        if dispute is None:
            continue
        if outvotes(max(dispute.works, dispute.fails), min(dispute.works, dispute.fails), noise):
            least = Verdict.WORKS if dispute.works < dispute.fails else Verdict.FAILS
            outvoted += [s.id for s in group if s.id in dispute.ids and s.outcomes[outcome] is least]
        else:
            disputes.append(dispute)
    disputed = {identity for dispute in disputes for identity in dispute.ids}
    relevant = [observation for observation in relevant if observation.id not in outvoted]
    outweighed = _contradicted(relevant, outcome, disputed)
    counted: list[Observation] = []
    flaky = list(disputes)
    beneath: list[str] = []
    for group in _by_cell(s for s in relevant if s.id not in outweighed).values():
        deciding = _deciding(group)
        if deciding[0].id in disputed:
            beneath += [observation.id for observation in group if observation not in deciding]
            continue
        verdicts = [observation.outcomes[outcome] for observation in deciding]
        fails = verdicts.count(Verdict.FAILS)
        verdict = Verdict.FAILS if fails else Verdict.WORKS
        if 0 < fails < len(verdicts):
            flaky.append(_flaky(deciding, outcome))
        first = next(observation for observation in deciding if observation.outcomes[outcome] is verdict)
        outweighed |= {
            s.id: first.id for s in group if s not in deciding and s.outcomes[outcome] is not verdict
        }
        counted.append(evolve(first, outcomes={outcome: verdict}))
    return Weighed(outcome, tuple(counted), tuple(flaky), outweighed, tuple(beneath), tuple(outvoted))


def _by_cell(observations: Iterable[Observation]) -> dict[tuple[object, ...], list[Observation]]:
    cells: dict[tuple[object, ...], list[Observation]] = {}
    for observation in observations:
        cells.setdefault(observation.cell, []).append(observation)
    return cells


def _deciding(group: Sequence[Observation]) -> list[Observation]:
    """Those of the latest kind of source in a cell."""
    best = max(observation.source for observation in group)
    return [observation for observation in group if observation.source is best]


def _dispute(group: Sequence[Observation], outcome: str) -> Flaky | None:
    """The contradiction of boards, or of reports, that decide a cell; None where there is none."""
    deciding = _deciding(group)
    flaky = _flaky(deciding, outcome)
    if deciding[0].source not in _OF_MANY or not (flaky.works and flaky.fails):
        return None
    return evolve(flaky, disputed=True)


def _flaky(deciding: Sequence[Observation], outcome: str) -> Flaky:
    fails = sum(observation.outcomes[outcome] is Verdict.FAILS for observation in deciding)
    ids = tuple(observation.id for observation in deciding)
    return Flaky(outcome, ids, works=len(deciding) - fails, fails=fails, values=deciding[0].values)


def outcome_names(observations: Sequence[Observation]) -> tuple[str, ...]:
    """Every outcome that any observation speaks of, in order of appearance."""
    return tuple(dict.fromkeys(name for observation in observations for name in observation.outcomes))
