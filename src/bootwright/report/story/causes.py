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
class RemainingCauses:
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


def remaining_causes(investigation: Investigation, outcome: str, names: Names) -> RemainingCauses:
    """What is left for one outcome."""
    judgement = investigation.judgements[outcome]
    cause = judgement.cause
    return RemainingCauses(
        outcome=names.outcome(outcome),
        goal=outcome in investigation.goals,
        settled=judgement.settled,
        total=len(judgement.causes),
        cause=names.cause(cause, judgement) if cause else "",
        groups=() if cause else _groups(judgement, names),
        axes=_axes(investigation, judgement, cause, names) if cause else (),
        either=tuple(
            Either(
                tuple(clean(identity, 60) for identity in part.cells),
                len(part.causes),
                names.cause(part.causes[0], judgement),
            )
            for part in judgement.either
            if part.causes
        ),
        note=clean(judgement.note, 300),
        flaky=tuple(
            f"{listed([clean(identity, 60) for identity in flaky.ids])} are the same cell and "
            f"contradict each other: {count(flaky.works, 'time')} it works, "
            f"{count(flaky.fails, 'time')} it fails. "
            + (
                "Nothing is concluded from it: it has to be looked at again."
                if flaky.disputed
                else "It counts as failing, since what can fail there has its cause there."
            )
            for flaky in judgement.flaky
        ),
        set_aside=tuple(clean(identity, 60) for identity in judgement.set_aside),
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


def _axes(investigation: Investigation, judgement: Judgement, cause: Cause, names: Names) -> tuple[Axis, ...]:
    space = investigation.space
    axes = []
    for condition in cause.conditions:
        bracket = next(
            (candidate for candidate in judgement.brackets if candidate.factor == condition.factor), None
        )
        if bracket is None or bracket.fails is None or bracket.works is None:
            continue
        other_levels = {
            other.factor: space.levels_of(other) for other in cause.conditions if other != condition
        }
        marks = _marks(investigation, judgement, other_levels, bracket)
        axes.append(
            Axis(
                factor=names.factor(condition.factor),
                says=_between(investigation, condition.factor, bracket.fails, bracket.works, names),
                marks=marks,
            )
        )
    return tuple(axes)


def _between(investigation: Investigation, factor: str, fails: str, works: str, names: Names) -> str:
    label = names.factor(factor)
    ordered_factor = next(candidate for candidate in investigation.factors if candidate.name == factor)
    low, high = sorted((ordered_factor.position(fails), ordered_factor.position(works)))
    skipped = [clean(level, 60) for level in ordered_factor.levels[low + 1 : high]]
    text = f"With {label} {clean(fails, 60)} it was seen to fail, with {clean(works, 60)} to work."
    if skipped:
        return f"{text} Between them, {listed(skipped)} could be tried and was not."
    return f"{text} Nothing between the two was on offer, so the change lies somewhere after " + (
        f"{clean(fails, 60)} and no later than {clean(works, 60)}."
        if _older(fails, works)
        else f"{clean(works, 60)} and no later than {clean(fails, 60)}."
    )


def _older(first: str, second: str) -> bool:
    first_version, second_version = Version.parse(first), Version.parse(second)
    return first_version is not None and second_version is not None and first_version < second_version


def _marks(
    investigation: Investigation,
    judgement: Judgement,
    other_levels: Mapping[str, tuple[str, ...]],
    bracket: Bracket,
) -> tuple[Mark, ...]:
    """The levels seen where the cause's other conditions hold; the best kind of source for each."""
    best: dict[str, tuple[Source, Verdict]] = {}
    for observation in investigation.observations:
        level = observation.level(bracket.factor)
        verdict = observation.outcomes.get(judgement.outcome, Verdict.UNKNOWN)
        if level is None or verdict is Verdict.UNKNOWN or observation.id in judgement.set_aside:
            continue
        if all(observation.level(name) in allowed for name, allowed in other_levels.items()) and (
            level not in best or observation.source > best[level][0]
        ):
            best[level] = (observation.source, verdict)
    factor = next(
        candidate_factor
        for candidate_factor in investigation.factors
        if candidate_factor.name == bracket.factor
    )
    ordered = [level for level in factor.levels if level in best]
    marks = []
    for index, level in enumerate(ordered):
        source, verdict = best[level]
        at_boundary = index > 0 and {ordered[index - 1], level} == {bracket.fails, bracket.works}
        marks.append(
            Mark(clean(level, 60), str(verdict), source.word, "the change is in here" if at_boundary else "")
        )
    return tuple(marks)
