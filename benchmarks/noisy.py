"""Planted causes found again though outcomes lie: four ways to choose cells, one way to decode them.

All four read their outcomes with the same posterior (`analysis.noise`) and stop when it gives one cause 95 %
of the weight, so that only the choice of cells is compared:

- information: the cell with the most expected information, seen or not; the product's own rule;
- one factor at a time from the failing report, then again from the start;
- random cells;
- a covering array of strength 2, row after row, then again: of `covertable` where that is installed, else of
  a greedy one made here.

BugDoc, which has its own way to choose and to decode, is in bugdoc_search.py.
"""

from __future__ import annotations

import importlib
import itertools
import random
from collections.abc import Callable, Iterator

from attrs import frozen

from bootwright.foundation.verdict import Verdict
from bootwright.investigate.analysis.choose import Chooser, Trial
from bootwright.investigate.analysis.noise import NoisyBeliefs
from bootwright.investigate.analysis.observations import Observation, Source, Values
from planted import OUTCOME, Planted

MOST_CELLS = 300
"""A search that needs more has failed."""
POOL = 300
"""Cells that the chooser looks through at each step: the full space of six factors has up to 4,096."""
Choose = Callable[[NoisyBeliefs], Values]


@frozen
class Ended:
    """How a search ended."""

    exact: bool
    """It named the planted cause."""
    gave_up: bool
    cells: int


def search(planted: Planted, noise: float, seed: int, choose: Choose) -> Ended:
    """Look at cells, whose outcomes lie with a share of `noise`, until one cause has 95 % of the weight."""
    lies = random.Random(f"lies {seed}")
    beliefs = NoisyBeliefs(planted.space, noise)
    for report in planted.start:
        beliefs.see(report, OUTCOME)
    for cells in range(MOST_CELLS + 1):
        credible = beliefs.credible()
        if credible.bit_count() == 1:
            return Ended(credible == planted.bit, gave_up=False, cells=cells)
        values = choose(beliefs)
        verdict = planted.truth(values)
        if lies.random() < noise:
            verdict = Verdict.WORKS if verdict is Verdict.FAILS else Verdict.FAILS
        beliefs.see(Observation(f"cell-{cells}", values, {OUTCOME: verdict}, Source.EMULATED), OUTCOME)
    return Ended(exact=False, gave_up=True, cells=MOST_CELLS)


def by_information(planted: Planted, seed: int) -> Choose:
    """The product's rule."""
    rng = random.Random(f"pool {seed}")
    pool = rng.sample(planted.cells, min(POOL, len(planted.cells)))
    trials = [Trial(str(number), ((OUTCOME, cell),), 1.0) for number, cell in enumerate(pool)]
    chooser = Chooser(planted.space, trials)

    def choose(beliefs: NoisyBeliefs) -> Values:
        ranked = chooser.rank({OUTCOME: beliefs})
        return ranked[0].trial.views[0][1] if ranked else rng.choice(planted.cells)

    return choose


def one_factor_at_a_time(planted: Planted, seed: int) -> Choose:
    """Each factor in turn takes each other level, all else as in the failing report; then random cells."""
    bad = planted.start[0].values
    rows = [
        {**bad, factor.name: (level,)}
        for factor in planted.space.factors
        for level in factor.levels
        if (level,) != bad[factor.name]
    ]
    # What changing one factor cannot tell apart needs other cells: every second pass is random.
    rng = random.Random(f"one {seed}")

    def cells() -> Iterator[Values]:
        while True:
            yield from rows
            yield from (rng.choice(planted.cells) for _ in rows)

    return _in_turn(cells())


def at_random(planted: Planted, seed: int) -> Choose:
    """Cells drawn evenly."""
    rng = random.Random(f"random {seed}")
    return lambda _: rng.choice(planted.cells)


def covering_array(planted: Planted, seed: int) -> Choose:
    """Every pair of levels at least once; once through, again with the levels' names shuffled."""
    rng = random.Random(f"array {seed}")

    def cells() -> Iterator[Values]:
        while True:
            orders = [rng.sample(factor.levels, len(factor.levels)) for factor in planted.space.factors]
            for row in _array([len(order) for order in orders]):
                yield {
                    factor.name: (order[at],)
                    for factor, order, at in zip(planted.space.factors, orders, row, strict=True)
                }

    return _in_turn(cells())


METHODS: dict[str, Callable[[Planted, int], Choose]] = {
    "information": by_information,
    "one factor at a time": one_factor_at_a_time,
    "random cells": at_random,
    "covering array": covering_array,
}


def maker_of_arrays() -> str:
    """Whose covering arrays are used."""
    return (
        "covertable"
        if _covertable() is not None
        else "a greedy one of this file (covertable is not installed)"
    )


def _covertable() -> Callable[..., list[list[int]]] | None:
    try:
        made: Callable[..., list[list[int]]] = importlib.import_module("covertable").make
    except (ImportError, AttributeError):
        return None
    return made


def _array(sizes: list[int]) -> list[list[int]]:
    """A covering array of strength 2: rows of level numbers."""
    make = _covertable()
    if make is not None:
        return [list(row) for row in make([list(range(size)) for size in sizes], strength=2)]
    missing = {
        ((i, a), (j, b))
        for i, j in itertools.combinations(range(len(sizes)), 2)
        for a in range(sizes[i])
        for b in range(sizes[j])
    }
    rng = random.Random(1)
    rows = []
    while missing:
        candidates = [[rng.randrange(size) for size in sizes] for _ in range(50)]
        best = max(candidates, key=lambda row: len(_pairs(row) & missing))
        if not _pairs(best) & missing:
            (i, a), (j, b) = next(iter(missing))
            best[i], best[j] = a, b
        missing -= _pairs(best)
        rows.append(best)
    return rows


def _pairs(row: list[int]) -> set[tuple[tuple[int, int], tuple[int, int]]]:
    return set(itertools.combinations(enumerate(row), 2))


def _in_turn(cells: Iterator[Values]) -> Choose:
    return lambda _: next(cells)
