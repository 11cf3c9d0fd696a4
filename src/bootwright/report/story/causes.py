"""The causes that are left: the one that was found, or what the many have in common."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen

from bootwright.foundation.verdict import Verdict
from bootwright.foundation.versions import Version
from bootwright.investigate.analysis.causes import Bracket, Cause
from bootwright.investigate.analysis.judge import Judgement
from bootwright.investigate.analysis.observations import Source
from bootwright.investigate.running.investigation import Investigation
from bootwright.report.story.names import Names
from bootwright.report.words import clean, count, listed

MOST_EXAMPLES = 3


@frozen
class Group:
    """Causes on the same factors."""

    factors: tuple[str, ...]
    causes: int
    examples: tuple[str, ...]


@frozen
class Mark:
    """A level on an axis, and what was seen there."""

    level: str
    verdict: str
    source: str
    gap: str
    """What lies between the level before and this one; empty except where the threshold is."""


@frozen
class Axis:
    """A threshold among the levels that were seen."""

    factor: str
    says: str
    marks: tuple[Mark, ...]


@frozen
class Either:
    """Failures that have one cause among them, where no one cause explains every failure."""

    cells: tuple[str, ...]
    causes: int
    simplest: str


@frozen
class Left:
    """What is left of the causes of one outcome."""

    outcome: str
    goal: bool
    settled: bool
    total: int
    cause: str
    """The cause, where it is settled."""
    groups: tuple[Group, ...]
    """By factors, most causes first; empty where it is settled."""
    axes: tuple[Axis, ...]
    either: tuple[Either, ...]
    """Any one of them is enough to fail; empty where one cause explains everything, or none does."""
    note: str
    flaky: tuple[str, ...]
    set_aside: tuple[str, ...]


def left(found: Investigation, outcome: str, names: Names) -> Left:
    """What is left for one outcome."""
    judgement = found.judgements[outcome]
    cause = judgement.cause
    return Left(
        outcome=names.outcome(outcome),
        goal=outcome in found.goals,
        settled=judgement.settled,
        total=len(judgement.causes),
        cause=names.cause(cause, judgement) if cause else "",
        groups=() if cause else _groups(judgement, names),
        axes=_axes(found, judgement, cause, names) if cause else (),
        either=tuple(
            Either(
                tuple(clean(one, 60) for one in part.cells),
                len(part.causes),
                names.cause(part.causes[0], judgement),
            )
            for part in judgement.either
            if part.causes
        ),
        note=clean(judgement.note, 300),
        flaky=tuple(
            f"{listed([clean(one, 60) for one in flaky.ids])} are the same cell and contradict each other: "
            f"{count(flaky.works, 'time')} it works, {count(flaky.fails, 'time')} it fails. It counts as "
            f"failing, since what can fail there has its cause there."
            for flaky in judgement.flaky
        ),
        set_aside=tuple(clean(one, 60) for one in judgement.set_aside),
    )


def _groups(judgement: Judgement, names: Names) -> tuple[Group, ...]:
    by_factors: dict[tuple[str, ...], list[Cause]] = {}
    for cause in judgement.causes:
        by_factors.setdefault(tuple(cause.factors), []).append(cause)
    ordered = sorted(by_factors.items(), key=lambda item: (len(item[0]), -len(item[1])))
    return tuple(
        Group(
            factors=tuple(names.factors(factors)),
            causes=len(causes),
            examples=tuple(names.cause(cause, judgement) for cause in causes[:MOST_EXAMPLES]),
        )
        for factors, causes in ordered
    )


def _axes(found: Investigation, judgement: Judgement, cause: Cause, names: Names) -> tuple[Axis, ...]:
    space = found.space
    made = []
    for part in cause.conditions:
        bracket = next((one for one in judgement.brackets if one.factor == part.factor), None)
        if bracket is None or bracket.fails is None or bracket.works is None:
            continue
        others = {one.factor: space.levels_of(one) for one in cause.conditions if one != part}
        marks = _marks(found, judgement, others, bracket)
        made.append(
            Axis(
                factor=names.factor(part.factor),
                says=_between(found, part.factor, bracket.fails, bracket.works, names),
                marks=marks,
            )
        )
    return tuple(made)


def _between(found: Investigation, factor: str, fails: str, works: str, names: Names) -> str:
    label = names.factor(factor)
    known = next(one for one in found.factors if one.name == factor)
    low, high = sorted((known.position(fails), known.position(works)))
    skipped = [clean(level, 60) for level in known.levels[low + 1 : high]]
    text = f"With {label} {clean(fails, 60)} it was seen to fail, with {clean(works, 60)} to work."
    if skipped:
        return f"{text} Between them, {listed(skipped)} could be tried and was not."
    return f"{text} Nothing between the two was on offer, so the change lies somewhere after " + (
        f"{clean(fails, 60)} and no later than {clean(works, 60)}."
        if _older(fails, works)
        else f"{clean(works, 60)} and no later than {clean(fails, 60)}."
    )


def _older(first: str, second: str) -> bool:
    one, other = Version.parse(first), Version.parse(second)
    return one is not None and other is not None and one < other


def _marks(
    found: Investigation, judgement: Judgement, others: Mapping[str, tuple[str, ...]], bracket: Bracket
) -> tuple[Mark, ...]:
    """The levels seen where the cause's other conditions hold; the best kind of source for each."""
    best: dict[str, tuple[Source, Verdict]] = {}
    for seen in found.observations:
        level = seen.level(bracket.factor)
        verdict = seen.outcomes.get(judgement.outcome, Verdict.UNKNOWN)
        if level is None or verdict is Verdict.UNKNOWN or seen.id in judgement.set_aside:
            continue
        if all(seen.level(name) in allowed for name, allowed in others.items()) and (
            level not in best or seen.source > best[level][0]
        ):
            best[level] = (seen.source, verdict)
    factor = next(one for one in found.factors if one.name == bracket.factor)
    ordered = [level for level in factor.levels if level in best]
    marks = []
    for index, level in enumerate(ordered):
        source, verdict = best[level]
        here = index > 0 and {ordered[index - 1], level} == {bracket.fails, bracket.works}
        marks.append(
            Mark(clean(level, 60), str(verdict), source.word, "the change is in here" if here else "")
        )
    return tuple(marks)
