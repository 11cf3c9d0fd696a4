"""Which factors and beliefs the observations rule out, and by which of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from attrs import frozen

from bootwright.foundation.verdict import Verdict
from bootwright.investigate.analysis.causes import CauseSpace
from bootwright.investigate.analysis.observations import Observation


@frozen
class Refuted:
    """A factor that is in no cause left, and the observations that show why."""

    factor: str
    by: tuple[str, ...]
    """Ids. Two where two say it: the same level of the factor, yet one works and one fails."""
    reason: str


def refuted_factors(
    space: CauseSpace,
    observations: Sequence[Observation],
    outcome: str,
    causes: int,
    wanted: Mapping[str, str],
) -> list[Refuted]:
    """The factors with no condition in any cause left.

    Nothing is refuted when no cause is left at all: then it is the list of causes that is too short.
    Of the cells that say it, those with the `wanted` levels are named first: they are what is asked about.
    """
    if not causes:
        return []
    refutations = []
    for factor in space.factors:
        involving = space.involving(factor.name)
        if not involving or involving & causes:
            continue
        pair = clearest_pair(space, observations, outcome, factor.name, wanted)
        if pair:
            first, second = pair
            level = first.level(factor.name)
            reason = f"at the same {factor.title} ({level}) it works in one and fails in the other"
            refutations.append(Refuted(factor.name, (first.id, second.id), reason))
        else:
            core = smallest_core(space, observations, outcome, involving)
            reason = "no level of it, alone or with one other factor, fits these together"
            refutations.append(Refuted(factor.name, tuple(observation.id for observation in core), reason))
    return refutations


def clearest_pair(
    space: CauseSpace,
    observations: Sequence[Observation],
    outcome: str,
    factor: str,
    wanted: Mapping[str, str],
) -> tuple[Observation, Observation] | None:
    """Two observations with one level of `factor` and opposite outcomes, differing least otherwise.

    The failing one comes first; later kinds of source and cells with the wanted levels are preferred.
    """
    failing = [
        observation for observation in observations if observation.outcomes.get(outcome) is Verdict.FAILS
    ]
    working = [
        observation for observation in observations if observation.outcomes.get(outcome) is Verdict.WORKS
    ]
    best: tuple[tuple[int, int, int], tuple[Observation, Observation]] | None = None
    for bad in failing:
        for good in working:
            if bad.level(factor) is None or bad.level(factor) != good.level(factor):
                continue
            apart = sum(bad.values.get(f.name) != good.values.get(f.name) for f in space.factors)
            rank = (-min(bad.source, good.source), _strays(bad, wanted) + _strays(good, wanted), apart)
            if best is None or rank < best[0]:
                best = (rank, (bad, good))
    return best[1] if best else None


def _strays(observation: Observation, wanted: Mapping[str, str]) -> int:
    """How many of the wanted levels a cell does not have."""
    return sum(observation.level(name) != level for name, level in wanted.items())


def smallest_core(
    space: CauseSpace, observations: Sequence[Observation], outcome: str, causes: int
) -> list[Observation]:
    """Observations that rule out all of `causes` together and none of which can be left out.

    One pass of deletion, so the core is irreducible, not necessarily the smallest there is.
    """
    core = [observation for observation in observations if observation.outcomes.get(outcome) is not None]
    for observation in list(core):
        relevant = [other_observation for other_observation in core if other_observation is not observation]
        if not causes & space.consistent(relevant, outcome):
            core = relevant
    return core


def evidence_against(
    space: CauseSpace,
    observations: Sequence[Observation],
    outcome: str,
    cause: int,
    wanted: Mapping[str, str],
) -> tuple[Observation, ...]:
    """What contradicts one cause (a bit set of one): a failure without it, success in spite of it.

    The best of each kind, by source, then by the wanted levels; empty when nothing contradicts it.
    """
    by_verdict: dict[Verdict, Observation] = {}
    for observation in observations:
        verdict = observation.outcomes.get(outcome, Verdict.UNKNOWN)
        if space.agreeing(observation.values, verdict) & cause:
            continue
        best = by_verdict.get(verdict)
        if best is None or (observation.source, -_strays(observation, wanted)) > (
            best.source,
            -_strays(best, wanted),
        ):
            by_verdict[verdict] = observation
    return tuple(by_verdict[key] for key in (Verdict.FAILS, Verdict.WORKS) if key in by_verdict)
