"""The answers: each goal, the working cells, in words."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from bootwright.foundation.verdict import Verdict
from bootwright.investigate.analysis.observations import Source
from bootwright.investigate.decision.decide import Decision, GoalResult
from bootwright.investigate.decision.single_changes import SingleChange
from bootwright.investigate.plans.changes import Change
from bootwright.investigate.running.investigation import Investigation
from bootwright.report.story.names import Names
from bootwright.report.words import clean, count, listed, sentence


@frozen
class Link:
    """Where something can be read."""

    title: str
    url: str


@frozen
class Corroboration:
    """An upstream change that fits what the boots showed; it decided nothing."""

    what: str
    before: str
    first_in: str
    commits: tuple[tuple[str, str], ...]
    sources: tuple[Link, ...]


@frozen
class Goal:
    """A goal and its answer."""

    name: str
    verdict: str
    basis: str
    """`predicted` where nothing better than a prediction says that it works; else empty."""
    answer: str
    """One sentence or two."""
    cause: str
    """What was wrong, in one sentence; empty where it is not known."""
    instead: str
    corroboration: tuple[Corroboration, ...]
    missing: str
    """What is missing to decide it; empty where it is decided."""


@frozen
class Working:
    """A whole cell in which every goal works, as far as is known."""

    word: str
    """`Seen to work`, or `Predicted to work` where any part of it was not run."""
    cell: tuple[tuple[str, str], ...]
    why: str


def headline(decision: Decision, goals: Sequence[Goal]) -> str:
    """The whole answer in one line."""
    if not goals:
        return "Nothing was asked"
    fails = [goal.name for goal in goals if goal.verdict == "fails"]
    works = [goal.name for goal in goals if goal.verdict == "works"]
    if decision.verdict is Verdict.WORKS:
        return "Predicted to work, not yet run on a board" if _by_prediction(decision) else "This works"
    if fails:
        return f"This does not work: {listed(fails)}"
    if works:
        answered = "One question is" if len(works) == 1 else f"{len(works)} questions are"
        open_ones = len(goals) - len(works)
        return f"{answered} answered, {'one is' if open_ones == 1 else f'{open_ones} are'} still open"
    return "Not decided yet"


def _by_prediction(decision: Decision) -> bool:
    """Whether every whole configuration rests on a prediction in some part."""
    return bool(decision.works) and all(
        any("predicted" in basis for basis in one.basis.values()) for one in decision.works
    )


def working(found: Investigation, decision: Decision, names: Names) -> tuple[Working, ...]:
    """The whole configurations, best known first."""
    rows = []
    for one in decision.works:
        why = [
            f"“{names.outcome(goal)}”: "
            + (
                f"it fails only where {names.cause(cause, found.judgements[goal])}"
                if basis.startswith("it fails only") and cause
                else basis
            )
            for goal, basis in one.basis.items()
            for cause in [found.judgements[goal].cause]
        ]
        predicted = any("predicted" in basis for basis in one.basis.values())
        rows.append(
            Working(
                word="Predicted to work" if predicted else "Seen to work",
                cell=tuple(
                    (names.factor(factor.name), clean(one.factors[factor.name], 120))
                    for factor in found.factors
                    if factor.name in one.factors
                ),
                why=clean("; ".join(why), 600) + ".",
            )
        )
    return tuple(rows)


def changes(found: Investigation, decision: Decision, names: Names) -> tuple[str, ...]:
    """A sentence for each setting that made the difference all by itself."""
    return tuple(
        f"“{names.outcome(one.outcome)}”: {told_change(found, one, names)}" for one in decision.single_changes
    )


def told_change(found: Investigation, one: SingleChange, names: Names) -> str:
    """`changing board alone, from a to b, makes it work (cell-9, predicted, against cell-4, predicted).`"""
    by_id = {seen.id: seen.source.word for seen in found.observations}
    return (
        f"changing {names.factor(one.factor)} alone, from {clean(one.from_level, 80)} to "
        f"{clean(one.to_level, 80)}, makes it work ({clean(one.fails, 60)}, {by_id.get(one.fails, '')}, "
        f"against {clean(one.works, 60)}, {by_id.get(one.works, '')})."
    )


def goals(found: Investigation, decision: Decision, names: Names) -> tuple[Goal, ...]:
    """Every goal, in the plan's order."""
    return tuple(_goal(found, one, names) for one in decision.goals)


def _goal(found: Investigation, one: GoalResult, names: Names) -> Goal:
    judgement = found.judgements[one.outcome]
    cause = judgement.cause
    missing = basis = ""
    if one.verdict is Verdict.WORKS and one.needs:
        answer = f"Works with {names.conditions(one.needs)}."
    elif one.verdict is Verdict.WORKS and not judgement.fails:
        answer = f"Works: {count(judgement.works, 'cell')} seen, none of them failed."
    elif one.verdict is Verdict.WORKS:
        answer = _where_it_works(found, one.outcome)
        basis = "predicted" if answer.startswith("Predicted") else ""
        missing = _missing(found, one.outcome, names)
    elif one.verdict is Verdict.FAILS:
        answer = "Fails in what is wanted, and the cause cannot be avoided without giving that up."
    else:
        missing = _missing(found, one.outcome, names)
        answer = f"Not known. {missing}"
    instead = ""
    if one.instead:
        ways = listed([f"“{names.outcome(name)}”" for name in one.instead], "or")
        instead = f"Where it fails, another way was seen to work: {ways}."
    return Goal(
        name=names.outcome(one.outcome),
        verdict=str(one.verdict),
        basis=basis,
        answer=answer,
        cause=f"It fails where {names.cause(cause, judgement)}."
        if cause
        else f"What makes it fail elsewhere is not settled. {missing}"
        if missing and one.verdict is Verdict.WORKS
        else "",
        instead=instead,
        corroboration=tuple(_corroboration(change) for change in one.corroboration),
        missing=missing,
    )


def _where_it_works(found: Investigation, outcome: str) -> str:
    """By the best kind of source, in the wanted cells where it works."""
    wanted = found.plan.wanted if found.plan else {}
    works = [
        seen
        for seen in found.counting(outcome)
        if seen.outcomes.get(outcome) is Verdict.WORKS
        and all(seen.level(factor) == level for factor, level in wanted.items())
    ]
    best = max((seen.source for seen in works), default=Source.REPORTED)
    cells = listed([clean(seen.id, 60) for seen in works if seen.source is best])
    word = {Source.PREDICTED: "Predicted", Source.REPORTED: "Reported"}.get(best, "Seen")
    return f"{word} to work in {cells}{', not run on a board' if best is Source.PREDICTED else ''}."


def _missing(found: Investigation, outcome: str, names: Names) -> str:
    judgement = found.judgements[outcome]
    if not judgement.works and not judgement.fails:
        return "Nothing was seen of it."
    if judgement.either and all(part.causes for part in judgement.either):
        each = listed([names.cause(part.causes[0], judgement) for part in judgement.either], "or")
        return f"No one cause explains every failure. The simplest that together do: {each}."
    if judgement.causes:
        factors = list(dict.fromkeys(name for cause in judgement.causes for name in cause.factors))
        ordered = [one.name for one in found.factors if one.name in factors]
        return (
            f"{count(len(judgement.causes), 'cause fits', 'causes still fit')} what was seen, "
            f"on {listed(names.factors(ordered))}."
        )
    return sentence(clean(judgement.note, 300))


def _corroboration(change: Change) -> Corroboration:
    return Corroboration(
        what=clean(change.what, 300),
        before=clean(change.before, 300),
        first_in=clean(change.first_in, 40),
        commits=tuple((clean(one.id, 40), clean(one.title, 200)) for one in change.commit),
        sources=tuple(_link(one.title, one.url) for one in change.source),
    )


def _link(title: str, url: str) -> Link:
    return Link(clean(title, 200), web_address(url))


def web_address(url: str) -> str:
    """`url` where it is one of the web, else empty: no other scheme becomes a link."""
    bare = clean(url, 500)
    return bare if bare.startswith(("https://", "http://")) and " " not in bare else ""
