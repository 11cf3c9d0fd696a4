"""The search for the fewest patches, over planted answers; no kernel is built here."""

from __future__ import annotations

import random
from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from bootwright.foundation.verdict import Verdict
from bootwright.workshop.minimise.belief import Belief
from bootwright.workshop.minimise.search import Fewest, fewest
from bootwright.workshop.patches.needs import closed

Set = frozenset[int]


class Planted:
    """Passes with all that is needed; counts what is tried."""

    def __init__(self, needed: Set, needs: tuple[Set, ...]) -> None:
        self.needed = needed.union(*(needs[number] for number in needed))
        self.needs = needs
        self.tried: list[Set] = []

    def __call__(self, kept: Set) -> Verdict:
        assert all(self.needs[number] <= kept for number in kept), "a set without what it needs"
        assert kept not in self.tried, "asked twice"
        self.tried.append(kept)
        return Verdict.WORKS if self.needed <= kept else Verdict.FAILS


@st.composite
def series(draw: st.DrawFn) -> tuple[Set, tuple[Set, ...]]:
    count = draw(st.integers(1, 16))
    direct = [
        draw(st.frozensets(st.integers(0, number - 1), max_size=2)) if number else frozenset()
        for number in range(count)
    ]
    needed = draw(st.frozensets(st.integers(0, count - 1), min_size=1, max_size=5))
    return needed, closed(direct)


@settings(max_examples=150, deadline=None)
@given(series())
def test_exactly_the_needed_ones_are_found_and_proved(planted: tuple[Set, tuple[Set, ...]]) -> None:
    test = Planted(*planted)
    result = fewest(test.needs, test)
    assert frozenset(result.kept) == test.needed
    assert result.proved
    assert not result.contradicted
    for proof in result.proof:
        assert frozenset(result.kept) - {proof.left_out} in [*test.tried, frozenset()]


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 9), st.randoms(use_true_random=False))
def test_whatever_the_answers_what_is_returned_was_tried_and_no_single_patch_can_go(
    count: int, chance: random.Random
) -> None:
    """Answers without any order, and some sets that cannot be built."""
    answers: dict[Set, Verdict] = {frozenset(range(count)): Verdict.WORKS, frozenset(): Verdict.FAILS}

    def test(kept: Set) -> Verdict:
        return answers.setdefault(kept, chance.choice(list(Verdict)))

    result = fewest([frozenset()] * count, test)
    kept = frozenset(result.kept)
    assert answers[kept] is Verdict.WORKS
    for number in kept:
        assert answers[kept - {number}] is not Verdict.WORKS
    assert {proof.left_out: proof.verdict for proof in result.proof} == {
        number: answers[kept - {number}] for number in kept
    }


def test_patches_that_build_only_together_go_together() -> None:
    """Two decoys that need one another without saying so: neither builds alone."""

    def test(kept: Set) -> Verdict:
        if (3 in kept) != (7 in kept):
            return Verdict.UNKNOWN
        return Verdict.WORKS if {1, 5} <= kept else Verdict.FAILS

    result = fewest([frozenset()] * 10, test)
    assert result.kept == (1, 5)
    assert result.proved


def test_a_patch_that_undoes_another() -> None:
    """With 2 the goal is lost again unless 6 is there: the answer is the one patch that brings it."""

    def test(kept: Set) -> Verdict:
        return Verdict.WORKS if 4 in kept and (2 not in kept or 6 in kept) else Verdict.FAILS

    result = fewest([frozenset()] * 8, test)
    assert result.kept == (4,)
    assert result.proved


def test_probabilities_are_those_of_counting() -> None:
    """Against every possible answer of a small series, counted one by one."""
    count = 6
    needs = (
        frozenset[int](),
        frozenset({0}),
        frozenset[int](),
        frozenset({2}),
        frozenset({2, 3}),
        frozenset[int](),
    )
    above = [frozenset(o for o in range(count) if o == n or n in needs[o]) for n in range(count)]
    belief = Belief(count, above)
    belief.failed_without(frozenset(range(count)))
    belief.failed_without(frozenset({1, 5}))
    belief.passed_without(above[3])
    from bootwright.workshop.minimise.belief import _rates

    wanted = [frozenset({1}), frozenset({5}), above[0], above[2] & belief.kept]
    totals = [0.0] * len(wanted)
    whole = 0.0
    for size in range(count + 1):
        for own in map(frozenset, combinations(range(count), size)):
            if own & above[3] or not own & {1, 5}:
                continue
            chance = sum(w * rate**size * (1 - rate) ** (count - size) for rate, w in _rates(count))
            whole += chance
            for number, group in enumerate(wanted):
                totals[number] += 0.0 if own & group else chance
    for computed, total in zip(belief.clean(wanted), totals, strict=True):
        assert abs(computed - total / whole) < 1e-9


def test_three_of_twenty_four_in_sixteen_tests() -> None:
    """The base and the whole series counted in; benchmarks/bench_minimise.py has the comparison."""
    counts = []
    for seed in range(20):
        chance = random.Random(seed)
        needed = sorted(chance.sample(range(24), 3))
        first, second = sorted(chance.sample(needed, 2))
        needs = tuple(frozenset({first}) if number == second else frozenset() for number in range(24))
        test = Planted(frozenset(needed), needs)
        result: Fewest = fewest(needs, test)
        assert list(result.kept) == needed
        counts.append(len(test.tried) + 2)
    assert sorted(counts)[10] <= 16
