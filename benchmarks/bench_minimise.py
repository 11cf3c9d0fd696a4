"""Kernels that finding the fewest patches takes, against published delta debugging; simulated, none is built.

Planted: some of a series are needed, with one pair of which the second needs the first. Every way is asked
for the same 20 series, is told what needs what, tries no set twice, and begins with the whole series and the
base alone, which count. The references are written from their papers: ddmin (Zeller and Hildebrandt, IEEE
TSE 28(2), 2002) and ProbDD (Wang et al., ESEC/FSE 2021, first probability 0.1 as there), which both end with
a set of which no single patch can go. A second table adds boots that lie.
Usage: bench_minimise.py [SEEDS]
"""

from __future__ import annotations

import math
import random
import statistics
import sys
import time
from collections.abc import Callable, Sequence

from bootwright.foundation.verdict import Verdict
from bootwright.workshop.minimise.search import fewest
from bootwright.workshop.trials.noise import Noise

Set = frozenset[int]
_SIZES = ((24, 1), (24, 2), (24, 3), (24, 6), (60, 3), (100, 3), (100, 6))


class Planted:
    """A series with what is needed; counts kernels and boots."""

    def __init__(self, patches: int, needed: int, seed: int, noise: Noise | None = None) -> None:
        self.chance = random.Random(seed)
        self.needed = frozenset(self.chance.sample(range(patches), needed))
        self.needs: list[Set] = [frozenset()] * patches
        if needed > 1:
            first, second = sorted(self.chance.sample(sorted(self.needed), 2))
            self.needs[second] = frozenset({first})
        self.noise = noise or Noise()
        self.answers: dict[Set, bool] = {}
        self.boots = 0

    @property
    def everything(self) -> Set:
        return frozenset(range(len(self.needs)))

    def passes(self, kept: Set) -> bool:
        """As `workshop.trials` decides it: booted again until the outcomes are certain enough."""
        if kept not in self.answers:
            good = self.needed <= kept
            counts = [0, 0]
            while (verdict := self.noise.decide(counts[0], counts[1])) is None:
                wrong = self.noise.false_fail if good else self.noise.false_pass
                shown = good != (self.chance.random() < wrong)
                counts[not shown] += 1
                self.boots += 1
            self.answers[kept] = verdict is Verdict.WORKS
        return self.answers[kept]

    def without(self, kept: Set, gone: Set) -> Set:
        """What is left when these go, and what needs them."""
        return frozenset(patch for patch in kept - gone if not self.needs[patch] & gone)


def ours(planted: Planted) -> Set:
    result = fewest(planted.needs, lambda kept: Verdict.WORKS if planted.passes(kept) else Verdict.FAILS)
    return frozenset(result.kept)


def ddmin(planted: Planted) -> Set:
    kept, parts = planted.everything, 2
    while len(kept) > 1:
        ordered = sorted(kept)
        size = math.ceil(len(ordered) / parts)
        chunks = [frozenset(ordered[at : at + size]) for at in range(0, len(ordered), size)]
        smaller = [planted.without(kept, kept - chunk) for chunk in chunks]
        rest = [planted.without(kept, chunk) for chunk in chunks]
        alone = next((subset for subset in smaller if subset < kept and planted.passes(subset)), None)
        if alone is not None:
            kept, parts = alone, 2
            continue
        complement = next((subset for subset in rest if subset < kept and planted.passes(subset)), None)
        if complement is not None:
            kept, parts = complement, max(parts - 1, 2)
        elif parts >= len(kept):
            break
        else:
            parts = min(2 * parts, len(kept))
    return kept


def probdd(planted: Planted) -> Set:
    chances = dict.fromkeys(planted.everything, 0.1)
    kept = planted.everything
    while True:
        undecided = sorted(
            (patch for patch in kept if chances[patch] < 1), key=lambda patch: (chances[patch], patch)
        )
        best, gain, clean = 0, 0.0, 1.0
        for count, patch in enumerate(undecided, 1):
            clean *= 1 - chances[patch]
            if count * clean > gain:
                best, gain = count, count * clean
        if not best:
            return kept
        gone = kept - planted.without(kept, frozenset(undecided[:best]))
        if planted.passes(kept - gone):
            kept -= gone
            continue
        together = 1 - math.prod(1 - chances[patch] for patch in gone)
        for patch in gone:
            # A set of one, or of one with what needs it, is decided.
            alone = planted.without(kept, frozenset({patch})) == kept - gone
            chances[patch] = 1.0 if alone else min(1.0, chances[patch] / together)
        for patch in kept:
            if chances[patch] == 1:
                chances.update(dict.fromkeys(planted.needs[patch], 1.0))


def _run(
    way: Callable[[Planted], Set], patches: int, needed: int, seeds: int, noise: Noise | None = None
) -> tuple[float, int, int, float]:
    """Median and most kernels, how many exact, mean boots."""
    counts: list[int] = []
    boots: list[int] = []
    exact = 0
    for seed in range(seeds):
        planted = Planted(patches, needed, seed, noise)
        planted.passes(planted.everything)
        planted.passes(frozenset())
        exact += way(planted) == planted.needed
        counts.append(len(planted.answers))
        boots.append(planted.boots)
    return statistics.median(counts), max(counts), exact, statistics.mean(boots)


def main(words: Sequence[str]) -> int:
    seeds = int(words[0]) if words else 20
    print(f"kernels built, median (most) of {seeds} planted series; simulated, no kernel is built")
    print(f"{'series':>14} {'bound':>6} {'bootwright':>12} {'ProbDD':>12} {'ddmin':>12}   ratio to ddmin")
    failed = False
    started = time.process_time()
    for patches, needed in _SIZES:
        bound = math.log2(math.comb(patches, needed))
        rows = [_run(way, patches, needed, seeds) for way in (ours, probdd, ddmin)]
        cells = " ".join(f"{median:6g} ({most:3d})" for median, most, _, _ in rows)
        print(f"{needed:5d} of {patches:5d} {bound:6.1f} {cells}   {rows[0][0] / rows[2][0]:.2f}")
        failed |= any(row[2] != seeds for row in rows[:1])
        failed |= (patches, needed) == (24, 3) and rows[0][0] > 16
    print(f"{time.process_time() - started:.1f} CPU s")
    print("boots that lie, 3 of 24: kernels, boots, exact")
    for share in (0.0, 0.05, 0.1, 0.2):
        median, _, exact, boots = _run(ours, 24, 3, seeds, Noise(share, share))
        print(f"  {share:4.0%} wrong: {median:g} kernels, {boots:.0f} boots, {exact} of {seeds} exact")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
