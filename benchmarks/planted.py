"""Planted causes: a space, a cause hidden in it, two confounded observations to start from.

Three ways to find the cause again, each stopping as soon as one cause is left: the chooser of
`investigate`, one factor at a time from the failing cell, and cells drawn at random.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator

from attrs import frozen

from bootwright.foundation.verdict import Verdict
from bootwright.investigate.analysis.causes import Cause, CauseSpace
from bootwright.investigate.analysis.choose import Beliefs, Chooser, Trial
from bootwright.investigate.analysis.factors import make_factor
from bootwright.investigate.analysis.observations import Observation, Source, Values

OUTCOME = "boots"
FACTORS = 6


@frozen
class Planted:
    """One trial of the generator."""

    space: CauseSpace
    cause: Cause
    bit: int
    start: tuple[Observation, Observation]
    cells: tuple[Values, ...]

    def truth(self, values: Values) -> Verdict:
        return Verdict.FAILS if self.space.failing(values)[0] & self.bit else Verdict.WORKS


def plant(seed: int) -> Planted:
    """A space of six factors with two to four levels, about half of them versions, and a cause of a kind
    drawn evenly from level, threshold and pair."""
    rng = random.Random(seed)
    factors = []
    for index in range(FACTORS):
        size = rng.randint(2, 4)
        versions = index == 0 or rng.random() < 0.5
        levels = [f"{n + 1}.{rng.randint(0, 30)}" if versions else f"level-{n}" for n in range(size)]
        factors.append(make_factor(f"factor-{index}", levels))
    space = CauseSpace(factors)
    kinds: dict[str, list[Cause]] = {"single": [], "threshold": [], "pair": []}
    for cause in space.causes:
        single = "single" if cause.conditions[0].relation == "is" else "threshold"
        kinds["pair" if len(cause.conditions) == 2 else single].append(cause)
    cause = rng.choice(kinds[rng.choice([kind for kind, members in kinds.items() if members])])
    bit = 1 << space.causes.index(cause)
    cells: list[Values] = [
        {factor.name: (level,) for factor, level in zip(factors, levels, strict=True)}
        for levels in itertools.product(*(factor.levels for factor in factors))
    ]
    failing = [cell for cell in cells if space.failing(cell)[0] & bit]
    bad = rng.choice(failing)
    # Confounded: the working report differs from the failing one in every factor.
    good = rng.choice(
        [
            cell
            for cell in cells
            if not space.failing(cell)[0] & bit and all(cell[name] != bad[name] for name in cell)
        ]
    )
    start = (
        Observation("report-1", bad, {OUTCOME: Verdict.FAILS}, Source.REPORTED),
        Observation("report-2", good, {OUTCOME: Verdict.WORKS}, Source.REPORTED),
    )
    return Planted(space, cause, bit, start, tuple(cells))


def by_choice(planted: Planted) -> tuple[int, int]:
    """(causes left, cells run) of the chooser."""
    chooser = Chooser(
        planted.space,
        [Trial(str(n), ((OUTCOME, cell),), 1.0) for n, cell in enumerate(planted.cells)],
    )
    left = planted.space.consistent(planted.start, OUTCOME)
    cells = 0
    while ranked := chooser.rank({OUTCOME: Beliefs(planted.space, left)}):
        values = ranked[0].trial.views[0][1]
        left &= planted.space.agreeing(values, planted.truth(values))
        cells += 1
    return left, cells


def _until_one(planted: Planted, cells: Iterator[Values]) -> int:
    left = planted.space.consistent(planted.start, OUTCOME)
    used = 0
    while left.bit_count() > 1:
        values = next(cells)
        left &= planted.space.agreeing(values, planted.truth(values))
        used += 1
    return used


def one_factor_at_a_time(planted: Planted) -> int:
    """Cells needed when each factor in turn takes each other level, all else as in the failing report."""

    def cells() -> Iterator[Values]:
        bad = planted.start[0].values
        for factor in planted.space.factors:
            for level in factor.levels:
                if (level,) != bad[factor.name]:
                    yield {**bad, factor.name: (level,)}
        # What one factor at a time cannot tell apart is left to chance.
        yield from _shuffled(planted, 1)

    return _until_one(planted, cells())


def at_random(planted: Planted, seed: int) -> int:
    """Cells needed when they are drawn at random without repetition."""
    return _until_one(planted, _shuffled(planted, seed))


def _shuffled(planted: Planted, seed: int) -> Iterator[Values]:
    cells = list(planted.cells)
    random.Random(seed).shuffle(cells)
    return iter(cells)
