"""The next cell: the run that is expected to tell most about the cause, for what it costs.

Each cause left predicts what a run would show. The run splits the causes by those predictions, and the
entropy of that split, in bits, is what the run is expected to tell (Lindley 1956, *On a measure of the
information provided by an experiment*). The run with the most bits for its cost comes first. A run that
every cause predicts alike tells nothing and is never chosen.

The prior knows three things only: a cause of one condition is `SINGLE_WEIGHT` times as likely as a cause
of two; a cause that divides one series of versions is `SERIES_DOUBT` times as likely as one between series,
since stable updates take fixes and no changes of behaviour (Documentation/process/stable-kernel-rules.rst,
Linux 6.12); and a cause that contradicts a report is not excluded by it, only made unlikely
(`REPORT_DOUBT`), since reports err. Runs done here exclude.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence

from attrs import field, frozen

from bootwright.investigate.analysis.causes import CauseSpace
from bootwright.investigate.analysis.observations import Observation, Source, Values

SINGLE_WEIGHT = 4.0
REPORT_DOUBT = 0.05
SERIES_DOUBT = 0.1


@frozen
class Trial:
    """Something that can be run, and the cells that it would show."""

    id: str
    views: tuple[tuple[str, Values], ...]
    """(outcome, cell) of each observation it would make; every level is known."""
    cost: float
    """Seconds of waiting."""

    @property
    def outcomes(self) -> frozenset[str]:
        """The outcomes it speaks of."""
        return frozenset(outcome for outcome, _ in self.views)


@frozen
class Choice:
    """A trial with what it is worth."""

    trial: Trial
    bits: float
    """Expected information about the causes."""
    worth: Mapping[str, float]
    """Outcome → bits."""
    splits: Mapping[str, tuple[int, ...]] = field(factory=dict)
    """Outcome → how many causes each possible result would leave, most first."""

    @property
    def rate(self) -> float:
        """Bits a second."""
        return self.bits / max(self.trial.cost, 1e-9)


class Beliefs:
    """The causes left for one outcome, with their weights."""

    def __init__(self, space: CauseSpace, causes: int, doubted: int = 0) -> None:
        """`causes` is a bit set; those in `doubted` contradict a report."""
        self.left = causes
        kinds = (
            (space.single_mask, SINGLE_WEIGHT, 1.0),
            (space.series_mask, SERIES_DOUBT, 1.0),
            (doubted, REPORT_DOUBT, 1.0),
        )
        self._classes: list[tuple[int, float]] = [(causes, 1.0)]
        for members, inside, outside in kinds:
            self._classes = [
                (part, weight * factor)
                for mask, weight in self._classes
                for part, factor in ((mask & members, inside), (mask & ~members, outside))
                if part
            ]

    def mass(self, mask: int) -> float:
        """The weight of the causes in a bit set."""
        return sum((mask & members).bit_count() * weight for members, weight in self._classes)

    def bits(self, groups: Iterable[int]) -> float:
        """The entropy of a split of the causes left, in bits."""
        masses = [mass for mass in map(self.mass, groups) if mass > 0]
        whole = sum(masses)
        return -sum(mass / whole * math.log2(mass / whole) for mass in masses) if whole else 0.0

    def worth(self, patterns: Mapping[tuple[bool, ...], int]) -> float:
        """The bits that a trial tells; `patterns` maps what it would show to the causes that say so."""
        return self.bits(patterns.values())


def beliefs_from(space: CauseSpace, observations: Sequence[Observation], outcome: str) -> Beliefs:
    """The causes that fit what was run; those that contradict a report are kept, doubted."""
    run = [observation for observation in observations if observation.source > Source.REPORTED]
    reports = [observation for observation in observations if observation.source <= Source.REPORTED]
    causes = space.consistent(run, outcome)
    return Beliefs(space, causes, causes & ~space.consistent(reports, outcome))


class Chooser:
    """Ranks trials; their predictions are worked out once."""

    def __init__(self, space: CauseSpace, trials: Sequence[Trial]) -> None:
        self.trials = tuple(trials)
        self._predicted = {
            trial.id: [(outcome, space.failing(values)[0]) for outcome, values in trial.views]
            for trial in trials
        }

    def split(self, trial: Trial, outcome: str, causes: int) -> list[int]:
        """The groups of causes that the possible results of a trial would leave."""
        return list(self.patterns(trial, outcome, causes).values())

    def patterns(self, trial: Trial, outcome: str, causes: int) -> dict[tuple[bool, ...], int]:
        """The same by result: for each view of the outcome, whether it fails."""
        groups: dict[tuple[bool, ...], int] = {(): causes}
        for name, failing in self._predicted[trial.id]:
            if name == outcome:
                groups = {
                    (*shown, fails): subset
                    for shown, group in groups.items()
                    for fails, subset in ((True, group & failing), (False, group & ~failing))
                    if subset
                }
        return groups

    def rank(
        self,
        beliefs: Mapping[str, Beliefs],
        *,
        cost: Callable[[Trial], float] | None = None,
        skip: frozenset[str] = frozenset(),
    ) -> list[Choice]:
        """The trials that tell something, best first; ties go to the cheaper, then to the earlier.

        O(trials · causes / 64) word operations.
        """
        ranked = []
        for index, trial in enumerate(self.trials):
            if trial.id in skip:
                continue
            worth = {
                outcome: beliefs[outcome].worth(self.patterns(trial, outcome, beliefs[outcome].left))
                for outcome in sorted(trial.outcomes & beliefs.keys())
            }
            bits = sum(worth.values())
            if bits > 1e-9:
                price = cost(trial) if cost else trial.cost
                ranked.append((-bits / max(price, 1e-9), price, index, trial, bits, worth))
        ranked.sort(key=lambda row: row[:3])
        return [
            Choice(
                trial=trial,
                bits=bits,
                worth=worth,
                splits={
                    outcome: tuple(
                        sorted(
                            (
                                group.bit_count()
                                for group in self.split(trial, outcome, beliefs[outcome].left)
                            ),
                            reverse=True,
                        )
                    )
                    for outcome in worth
                },
            )
            for _, _, _, trial, bits, worth in ranked
        ]
