"""What is known of which patches are needed, from tests of sets: exact, not by simulation.

Leaving out a set of patches is a test of a group: it fails where one of them is needed. So this is group
testing (R. Dorfman, "The Detection of Defective Members of Large Populations", Annals of Mathematical
Statistics 14(4), 1943), whose bound is log2 of the number of possible answers. Probabilistic delta debugging
(G. Wang et al., "Probabilistic Delta Debugging", ESEC/FSE 2021) holds one probability for each element and
multiplies; here the probability of "none of this set is needed" is computed from all tests together. Each
failing test says that one of its set is needed, and the chance that several such sets are all hit follows by
inclusion and exclusion. How many patches are needed is not known either: rates from one patch upward by
doublings are held side by side, each with a weight that falls as the rate grows (Jeffreys' prior of a scale,
1/rate).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from attrs import define, field

Set = frozenset[int]
_MOST_POOLS = 12
"""Failing sets that are reckoned with; of more, those with the fewest undecided patches."""


@define
class Belief:
    """Which patches may be needed.

    A patch that another needs is needed with it: what is held is whether each is needed for itself, and sets
    that are left out always hold all that need them (`above`).
    """

    count: int
    above: Sequence[Set]
    """For each patch it and all patches that need it."""
    kept: Set = field(init=False)
    """What was not shown to be superfluous: the smallest set that is known to pass."""
    failing: list[Set] = field(factory=list, init=False)
    """Sets of which at least one patch is needed."""

    def __attrs_post_init__(self) -> None:
        self.kept = frozenset(range(self.count))

    def passed_without(self, left_out: Set) -> None:
        """The kept patches but for these reach the goal."""
        self.kept -= left_out
        # A set that failed to be left out before and is gone now: patches work against each other.
        self.failing = _smallest(pool & self.kept for pool in self.failing)

    def failed_without(self, left_out: Set) -> None:
        """The kept patches but for these do not."""
        self.failing = _smallest([*self.failing, left_out & self.kept])

    @property
    def needed(self) -> Set:
        """Patches that are each needed for themselves, as far as tests of sets can say."""
        return frozenset(number for pool in self.failing if len(pool) == 1 for number in pool)

    @property
    def undecided(self) -> Set:
        """Kept patches that are neither needed for themselves nor for one that is."""
        settled = frozenset(number for number in self.kept if self.above[number] & self.needed)
        return self.kept - settled

    def clean(self, sets: Sequence[Set]) -> list[float]:
        """For each set the probability that none of it is needed."""
        pools = sorted(self.failing, key=len)[:_MOST_POOLS]
        terms = _hit_all(pools)
        gone = self.count - len(self.kept)
        rates = _rates(self.count)
        powers = [[(1 - rate) ** size for size in range(self.count + 1)] for rate, _ in rates]
        weights = [weight * power[gone] for (_, weight), power in zip(rates, powers, strict=True)]
        total = sum(
            weight * sum(sign * power[len(union)] for union, sign in terms.items())
            for weight, power in zip(weights, powers, strict=True)
        )
        if total <= 0:
            return [0.0] * len(sets)
        result: list[float] = []
        for wanted in sets:
            sizes: dict[int, int] = {}
            for union, sign in terms.items():
                size = len(union | wanted)
                sizes[size] = sizes.get(size, 0) + sign
            result.append(
                sum(
                    weight * sum(sign * power[size] for size, sign in sizes.items())
                    for weight, power in zip(weights, powers, strict=True)
                )
                / total
            )
        return result

    def proposals(self) -> list[tuple[Set, float]]:
        """Sets to leave out next, with the probability that it passes: the most telling first."""
        undecided = self.undecided
        if not undecided:
            return []
        ordered = sorted(undecided)
        chances = dict(
            zip(ordered, self.clean([self.above[number] & self.kept for number in ordered]), strict=True)
        )
        groups = [undecided, *(pool & undecided for pool in self.failing if len(pool) > 1)]
        groups.append(undecided - frozenset().union(*self.failing))
        candidates: dict[Set, None] = {}
        for group in groups:
            likely = sorted(group, key=lambda number: (-chances[number], len(self.above[number]), number))
            for order in (likely, likely[::-1]):
                left_out: Set = frozenset()
                for number in order:
                    left_out |= self.above[number] & self.kept
                    if left_out & self.needed or left_out == self.kept:
                        break
                    candidates.setdefault(left_out)
        sets = [candidate for candidate in candidates if not any(pool <= candidate for pool in self.failing)]
        scored = zip(sets, self.clean(sets), strict=True)
        telling = [(candidate, chance) for candidate, chance in scored if chance > 1e-9]
        # Nearest to even; of two alike the one that takes away more.
        return sorted(
            telling, key=lambda pair: (round(abs(pair[1] - 0.5), 6), -len(pair[0]), sorted(pair[0]))
        )


def _smallest(pools: Iterable[Set]) -> list[Set]:
    """Without empty sets, and those that hold another: they say nothing more."""
    kept: list[Set] = []
    for pool in sorted({pool for pool in pools if pool}, key=lambda pool: (len(pool), sorted(pool))):
        if not any(smaller <= pool for smaller in kept):
            kept.append(pool)
    return kept


def _hit_all(pools: Iterable[Set]) -> dict[Set, int]:
    """Inclusion and exclusion over "every pool is hit": union of pools → sign and count."""
    terms: dict[Set, int] = {frozenset(): 1}
    for pool in pools:
        for union, sign in list(terms.items()):
            joined = union | pool
            terms[joined] = terms.get(joined, 0) - sign
            if not terms[joined]:
                del terms[joined]
    return terms


def _rates(count: int) -> list[tuple[float, float]]:
    """(share of patches that are needed, weight): one of all, two, four, … up to two thirds."""
    needed, rates = 1, []
    while needed <= max(1, 2 * count // 3):
        rates.append((min(needed / count, 0.99), 1 / needed))
        needed *= 2
    return rates
