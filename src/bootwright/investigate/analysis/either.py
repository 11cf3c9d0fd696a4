"""Where no one cause explains every failure: the fewest causes of which any one is enough.

A cause is *sound* when it predicts no failure in a cell that was seen to work. Sound causes that explain
the same failures are one group; the answer is the smallest cover of all failures by groups (minimal set
cover, by exhaustive search up to `MAX_PARTS`, so that it is exact where it answers at all).
"""

from __future__ import annotations

import functools
import itertools
import operator
from collections.abc import Sequence

from attrs import frozen

from bootwright.foundation.verdict import Verdict
from bootwright.investigate.analysis.causes import Cause, CauseSpace
from bootwright.investigate.analysis.observations import Observation

MAX_PARTS = 3
_MAX_GROUPS = 400


@frozen
class Part:
    """Failures that have one cause among them."""

    cells: tuple[str, ...]
    """Ids of the failing observations that only this part explains, or that it explains first."""
    causes: tuple[Cause, ...]
    """Every cause that explains them all and contradicts nothing, simplest first."""


def sound(space: CauseSpace, observations: Sequence[Observation], outcome: str) -> int:
    """The causes, as a bit set, that contradict no success and allow at least one failure."""
    causes = space.everything
    explained = 0
    for observation in observations:
        verdict = observation.outcomes.get(outcome, Verdict.UNKNOWN)
        if verdict is Verdict.WORKS:
            causes &= space.agreeing(observation.values, verdict)
        elif verdict is Verdict.FAILS:
            explained |= space.agreeing(observation.values, verdict)
    return causes & explained


def explain_either(space: CauseSpace, observations: Sequence[Observation], outcome: str) -> tuple[Part, ...]:
    """The fewest parts that explain every failure; empty when up to three do not.

    Of covers with equally many parts the one with the simplest causes is taken, then the first; the other
    possibilities inside each part are all listed.
    """
    fails = [
        observation for observation in observations if observation.outcomes.get(outcome) is Verdict.FAILS
    ]
    if not fails:
        return ()
    able = sound(space, observations, outcome)
    groups = _groups(space, fails, outcome, able)
    whole = (1 << len(fails)) - 1
    for size in range(1, MAX_PARTS + 1):
        covers = [
            chosen
            for chosen in itertools.combinations(groups, size)
            if functools.reduce(operator.or_, (coverage for coverage, _ in chosen)) == whole
        ]
        if covers:
            best = min(covers, key=lambda chosen: sum(_least(space, mask) for _, mask in chosen))
            return _parts(space, fails, best)
    return ()


def _groups(
    space: CauseSpace, fails: Sequence[Observation], outcome: str, able: int
) -> list[tuple[int, int]]:
    """(failures explained, causes) of each group that no other group of simpler causes contains."""
    groups: dict[int, int] = {0: able}
    for index, observation in enumerate(fails):
        allowing = space.agreeing(observation.values, observation.outcomes[outcome])
        split: dict[int, int] = {}
        for coverage, causes in groups.items():
            for key, subset in ((coverage | 1 << index, causes & allowing), (coverage, causes & ~allowing)):
                if subset:
                    split[key] = split.get(key, 0) | subset
        groups = split
    groups.pop(0, None)
    ranked = sorted(groups.items(), key=lambda item: (_least(space, item[1]), -item[0].bit_count()))
    maximal: list[tuple[int, int]] = []
    for coverage, causes in ranked:
        if not any(coverage & wider == coverage for wider, _ in maximal):
            maximal.append((coverage, causes))
    return maximal[:_MAX_GROUPS]


def _least(space: CauseSpace, mask: int) -> int:
    """The conditions of the simplest cause of a bit set."""
    return 1 if mask & space.single_mask else 2


def _parts(
    space: CauseSpace, fails: Sequence[Observation], chosen: Sequence[tuple[int, int]]
) -> tuple[Part, ...]:
    found_parts = []
    for position, (coverage, causes) in enumerate(chosen):
        other_coverage = 0
        for index, (chosen_coverage, _) in enumerate(chosen):
            if index != position:
                other_coverage |= chosen_coverage
        own = coverage & ~other_coverage or coverage
        ids = tuple(observation.id for index, observation in enumerate(fails) if own >> index & 1)
        found_parts.append(Part(ids, tuple(space.members(causes))))
    return tuple(found_parts)
