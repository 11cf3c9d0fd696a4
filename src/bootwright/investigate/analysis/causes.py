"""Causes: which levels, thresholds and pairs of them explain every observation of an outcome.

A cause is a conjunction of one or two conditions, each on one factor: the outcome fails exactly where
all of them hold. A condition is a level (`pages is 16K`), or, for a factor whose levels are versions, a
threshold (`kernel below 6.16.3`, `kernel at least 6.19`).

The enumeration is exact. With L levels in all, there are C = O(L) conditions and O(C²) pairs; each is
tested against each observation, so the work is O(C² · observations). It is done on bit sets: for each
factor and level, the set of causes that this level does not contradict; the causes that predict failure
in a cell are the intersection of one such set per factor. `MAX_CAUSES` bounds it.
"""

from __future__ import annotations

import functools
import itertools
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property

from attrs import frozen

from bootwright.foundation.errors import Refused
from bootwright.foundation.verdict import Verdict
from bootwright.foundation.versions import Version
from bootwright.investigate.analysis.factors import Factor
from bootwright.investigate.analysis.observations import Observation, Source, Values

MAX_CAUSES = 400_000


@frozen(order=True)
class Condition:
    """One factor's part in a cause. `relation` is `is`, `below` or `at-least`."""

    factor: str
    relation: str
    level: str

    @property
    def text(self) -> str:
        """As in result.json: `16K`, `<6.16.3`, `>=6.19`."""
        return {"is": "", "below": "<", "at-least": ">="}[self.relation] + self.level


@frozen(order=True)
class Cause:
    """The outcome fails exactly where all conditions hold."""

    conditions: tuple[Condition, ...]

    @property
    def factors(self) -> dict[str, str]:
        """Factor → condition, as in result.json."""
        return {condition.factor: condition.text for condition in self.conditions}

    def __str__(self) -> str:
        """The cause among the levels known, for logs and tests; `spoken` says what was seen of it."""
        return " and ".join(f"{name} {_among_levels(text)}" for name, text in self.factors.items())


def _among_levels(text: str) -> str:
    if text.startswith(">="):
        return f"{text[2:]} or later"
    return f"before {text[1:]}" if text.startswith("<") else f"= {text}"


def holding_levels(condition: Condition, factor: Factor) -> tuple[str, ...]:
    """The levels of `factor` at which `condition` holds."""
    at = factor.position(condition.level)
    if condition.relation == "is":
        return (condition.level,)
    return factor.levels[:at] if condition.relation == "below" else factor.levels[at:]


def conditions_of(factor: Factor) -> list[Condition]:
    """Every condition on `factor` that holds at some of its levels and not at others.

    Conditions that hold at the same levels are one: of `kernel is 6.12` and `kernel below 6.16`, where
    6.12 is the oldest level known, the threshold is kept, since it says something of versions not seen.
    """
    by_levels: dict[tuple[str, ...], Condition] = {}
    if factor.ordered:
        for level in factor.levels[1:]:
            for relation in ("below", "at-least"):
                condition = Condition(factor.name, relation, level)
                by_levels[holding_levels(condition, factor)] = condition
    if len(factor.levels) > 1:
        for level in factor.levels:
            by_levels.setdefault((level,), Condition(factor.name, "is", level))
    return list(by_levels.values())


class CauseSpace:
    """All causes over a set of factors, with their predictions as bit sets (bit i is `causes[i]`)."""

    def __init__(self, factors: Sequence[Factor], noise: float = 0.0) -> None:
        """`noise` is the share of outcomes that lie; 0 takes each for true."""
        self.factors = tuple(factors)
        self.noise = noise
        by_factor = [conditions_of(factor) for factor in factors]
        counts = [len(conditions) for conditions in by_factor]
        total = sum(counts) + sum(a * b for a, b in itertools.combinations(counts, 2))
        if total > MAX_CAUSES:
            raise Refused(
                f"{total:,} causes are possible, more than {MAX_CAUSES:,}",
                hint="leave out factors, or group the levels of the largest one",
            )
        singles = [Cause((condition,)) for conditions in by_factor for condition in conditions]
        pairs = [
            Cause((first, second))
            for first_group, second_group in itertools.combinations(by_factor, 2)
            for first in first_group
            for second in second_group
        ]
        self.causes = tuple(singles + pairs)
        self.everything = (1 << len(self.causes)) - 1
        self.single_mask = (1 << len(singles)) - 1
        self._holding = {
            condition: holding_levels(condition, factor)
            for factor, conditions in zip(factors, by_factor, strict=True)
            for condition in conditions
        }
        self._allowed = {factor.name: self._allowed_by(factor) for factor in factors}
        inside = {
            condition
            for factor, conditions in zip(factors, by_factor, strict=True)
            for condition in conditions
            if self._divides_a_series(condition, factor)
        }
        self.series_mask = sum(
            1 << index
            for index, cause in enumerate(self.causes)
            if any(condition in inside for condition in cause.conditions)
        )
        """The causes that tell apart two versions of one series, such as 6.12.94 and 6.12.107."""

    def _divides_a_series(self, condition: Condition, factor: Factor) -> bool:
        if not factor.ordered:
            return False
        holding = set(self._holding[condition])
        sides: dict[str, set[bool]] = {}
        for level in factor.levels:
            version = Version.parse(level)
            if version is not None:
                sides.setdefault(version.series(), set()).add(level in holding)
        return any(len(held) == 2 for held in sides.values())

    def levels_of(self, condition: Condition) -> tuple[str, ...]:
        """The levels at which a condition of this space holds."""
        return self._holding[condition]

    def _allowed_by(self, factor: Factor) -> dict[str, int]:
        """Level → the causes that have no condition on `factor`, or one that holds at that level."""
        involved = 0
        holding = dict.fromkeys(factor.levels, 0)
        for index, cause in enumerate(self.causes):
            for condition in cause.conditions:
                if condition.factor != factor.name:
                    continue
                bit = 1 << index
                involved |= bit
                for level in self._holding[condition]:
                    holding[level] |= bit
        free = self.everything & ~involved
        return {level: free | held for level, held in holding.items()}

    def failing(self, values: Values) -> tuple[int, int]:
        """The causes that predict failure in a cell: (for certain, possibly), as bit sets.

        The two differ only where a factor's level is not known exactly.
        """
        certain = possible = self.everything
        for factor in self.factors:
            allowed = self._allowed[factor.name]
            levels = values.get(factor.name) or factor.levels
            every, some = self.everything, 0
            for level in levels:
                held = allowed.get(level, 0)
                every &= held
                some |= held
            certain &= every
            possible &= some
        return certain, possible

    def consistent(self, observations: Iterable[Observation], outcome: str) -> int:
        """The causes, as a bit set, that fit every observation of `outcome` that is not unknown."""
        causes = self.everything
        for observation in observations:
            causes &= self.agreeing(observation.values, observation.outcomes.get(outcome, Verdict.UNKNOWN))
        return causes

    def agreeing(self, values: Values, verdict: Verdict) -> int:
        """The causes, as a bit set, that allow `verdict` in a cell."""
        if verdict is Verdict.UNKNOWN:
            return self.everything
        certain, possible = self.failing(values)
        return possible if verdict is Verdict.FAILS else self.everything & ~certain

    @cached_property
    def _bits(self) -> dict[Cause, int]:
        return {cause: 1 << index for index, cause in enumerate(self.causes)}

    def mask(self, causes: Iterable[Cause]) -> int:
        """Causes of this space as a bit set."""
        return functools.reduce(operator.or_, (self._bits[cause] for cause in causes), 0)

    def involving(self, factor: str) -> int:
        """The causes, as a bit set, with a condition on `factor`."""
        return sum(
            1 << index
            for index, cause in enumerate(self.causes)
            if any(condition.factor == factor for condition in cause.conditions)
        )

    def members(self, mask: int) -> list[Cause]:
        """The causes of a bit set, simplest first, in a fixed order."""
        causes = []
        while mask:
            low = mask & -mask
            causes.append(self.causes[low.bit_length() - 1])
            mask ^= low
        return causes


@frozen
class Bracket:
    """A threshold, and the two levels it was seen to lie between."""

    factor: str
    fails: str | None
    """The nearest level that was seen to fail, and to work; None where there was none."""
    works: str | None
    relation: str = "below"
    """As of the condition."""
    fails_by: Source | None = None
    works_by: Source | None = None
    """The best kind of source that says so."""

    @property
    def words(self) -> str:
        """`too old (fails with 6.18.15, works with 7.0.13)`."""
        side = "too old" if self.relation == "below" else "too new"
        fails = _seen("fail", self.fails, self.fails_by) or "nothing seen to fail beside it"
        works = _seen("work", self.works, self.works_by) or "nothing seen to work beside it"
        return f"{side} ({fails}, {works})"


def _seen(verb: str, level: str | None, source: Source | None) -> str:
    if level is None:
        return ""
    predicted = source is Source.PREDICTED
    return f"predicted to {verb} with {level}" if predicted else f"{verb}s with {level}"


def bracket(
    cause: Cause,
    condition: Condition,
    observations: Sequence[Observation],
    outcome: str,
    factors: Mapping[str, Factor],
) -> Bracket:
    """The two levels that hem in a threshold: the nearest that was seen on either side of it.

    Only cells in which the cause's other conditions hold count.
    """
    factor = factors[condition.factor]
    sources = _by_level(cause, condition, observations, outcome, factors)
    nearest_fail, nearest_work = (max, min) if condition.relation == "below" else (min, max)
    fails, works = sources[Verdict.FAILS], sources[Verdict.WORKS]
    fail_at = nearest_fail(fails) if fails else None
    work_at = nearest_work(works) if works else None
    return Bracket(
        condition.factor,
        factor.levels[fail_at] if fail_at is not None else None,
        factor.levels[work_at] if work_at is not None else None,
        condition.relation,
        fails[fail_at] if fail_at is not None else None,
        works[work_at] if work_at is not None else None,
    )


def neighbours(
    cause: Cause,
    condition: Condition,
    observations: Sequence[Observation],
    outcome: str,
    factors: Mapping[str, Factor],
) -> tuple[tuple[str, Source] | None, tuple[str, Source] | None]:
    """Of a condition that a version is one: the nearest on either side that was seen to work, and by what.

    None on a side where none was, and for a factor without order, whose levels have no sides.
    """
    factor = factors[condition.factor]
    if condition.relation != "is" or not factor.ordered:
        return None, None
    works = _by_level(cause, condition, observations, outcome, factors)[Verdict.WORKS]
    at = factor.position(condition.level)
    below, above = [place for place in works if place < at], [place for place in works if place > at]
    before = (factor.levels[max(below)], works[max(below)]) if below else None
    return before, (factor.levels[min(above)], works[min(above)]) if above else None


def _by_level(
    cause: Cause,
    condition: Condition,
    observations: Sequence[Observation],
    outcome: str,
    factors: Mapping[str, Factor],
) -> dict[Verdict, dict[int, Source]]:
    """The positions of the condition's factor that were seen to fail inside it, and to work outside, each
    with the best kind of source, in cells in which the cause's other conditions hold.
    """
    factor = factors[condition.factor]
    other_levels = {
        other.factor: holding_levels(other, factors[other.factor])
        for other in cause.conditions
        if other != condition
    }
    inside = set(holding_levels(condition, factor))
    sources: dict[Verdict, dict[int, Source]] = {Verdict.FAILS: {}, Verdict.WORKS: {}}
    for observation in observations:
        level = observation.level(condition.factor)
        verdict = observation.outcomes.get(outcome, Verdict.UNKNOWN)
        held = all(observation.level(name) in levels for name, levels in other_levels.items())
        if level is None or verdict is Verdict.UNKNOWN or not held:
            continue
        # Where several causes act, a cell beyond the threshold may fail by another one.
        if (level in inside) is (verdict is Verdict.FAILS):
            at = factor.position(level)
            sources[verdict][at] = max(observation.source, sources[verdict].get(at, observation.source))
    return sources


def spoken(
    cause: Cause,
    observations: Sequence[Observation],
    outcome: str,
    factors: Mapping[str, Factor],
    *,
    label: Callable[[str], str] = str,
    shown: Callable[[str], str] = str,
) -> str:
    """A cause in words, its thresholds as the levels that were seen on both sides of them, and a single
    version with the nearest ones that work.

    A threshold's own level may be one that was only on offer. `label` names factors, `shown` makes text
    harmless.
    """
    texts = []
    for condition in cause.conditions:
        text = condition.level
        if condition.relation != "is":
            text = bracket(cause, condition, observations, outcome, factors).words
        sides = neighbours(cause, condition, observations, outcome, factors)
        works = [_seen("work", *side) for side in sides if side is not None]
        if works:
            text += f" ({', '.join(works)})"
        texts.append(f"{label(condition.factor)} is {shown(text)}")
    return " and ".join(texts)
