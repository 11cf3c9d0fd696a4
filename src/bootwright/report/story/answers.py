"""The answers: each goal, the working cells, in words."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from bootwright.foundation.verdict import Verdict
from bootwright.investigate.analysis.observations import Observation, Source
from bootwright.investigate.decision.decide import Decision, GoalResult
from bootwright.investigate.decision.given import goal_at
from bootwright.investigate.decision.single_changes import SingleChange
from bootwright.investigate.running.investigation import Investigation
from bootwright.kernels.changes import Change
from bootwright.report.story.names import Names, value
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
    configurations = [configuration for answer in decision.answers for configuration in answer.works]
    return bool(configurations) and all(
        any("predicted" in basis for basis in configuration.basis.values())
        for configuration in configurations
    )


def changes(investigation: Investigation, decision: Decision, names: Names) -> tuple[str, ...]:
    """A sentence for each setting that made the difference all by itself."""
    return tuple(
        f"“{names.outcome(change.outcome)}”: {describe_change(investigation, change, names)}"
        for change in decision.single_changes
    )


def describe_change(investigation: Investigation, change: SingleChange, names: Names) -> str:
    """`changing kernel version alone, from a to b, makes it work (cell-9, predicted, against cell-4, …).`

    A given factor cannot be changed: of it only the difference is told.
    """
    by_id = {observation.id: observation.source.word for observation in investigation.observations}
    factor, bad, good = names.factor(change.factor), clean(change.from_level, 80), clean(change.to_level, 80)
    cells = (
        f"({clean(change.fails, 60)}, {by_id.get(change.fails, '')}, against {clean(change.works, 60)}, "
        f"{by_id.get(change.works, '')})"
    )
    if change.factor in investigation.given[0]:
        return f"it fails with {factor} {bad} and works with {good} {cells}; nothing else differs."
    return f"changing {factor} alone, from {bad} to {good}, makes it work {cells}."


def goals(investigation: Investigation, decision: Decision, names: Names) -> tuple[Goal, ...]:
    """Every goal, in the plan's order."""
    return tuple(_goal(investigation, goal, names) for goal in decision.goals)


def _goal(investigation: Investigation, goal: GoalResult, names: Names) -> Goal:
    judgement = investigation.judgements[goal.outcome]
    cause = judgement.cause
    missing = basis = ""
    if goal.verdict is Verdict.WORKS and goal.needs:
        answer = f"Works with {names.conditions(goal.needs)}."
    elif goal.verdict is Verdict.WORKS and not judgement.fails:
        answer = f"Works: {count(judgement.works, 'cell')} seen, none of them failed."
    elif goal.verdict is Verdict.WORKS:
        answer = _where_it_works(investigation, goal.outcome)
        basis = "predicted" if answer.startswith("Predicted") else ""
        missing = _missing(investigation, goal.outcome, names)
    elif any(investigation.given):
        missing = _missing(investigation, goal.outcome, names)
        answer = _by_given(investigation, goal.outcome, names) or f"Not known. {missing}"
    elif goal.verdict is Verdict.FAILS:
        answer = "Fails in what is wanted, and the cause cannot be avoided without giving that up."
    else:
        missing = _missing(investigation, goal.outcome, names)
        answer = f"Not known. {missing}"
    instead = ""
    if goal.instead:
        alternatives = listed([f"“{names.outcome(name)}”" for name in goal.instead], "or")
        instead = f"Where it fails, another way was seen to work: {alternatives}."
    return Goal(
        name=names.outcome(goal.outcome),
        verdict=str(goal.verdict),
        basis=basis,
        answer=answer,
        cause=f"It fails where {names.cause(cause, judgement)}."
        if cause
        else f"What makes it fail elsewhere is not settled. {missing}"
        if missing and goal.verdict is Verdict.WORKS
        else "",
        instead=instead,
        corroboration=tuple(_corroboration(change) for change in goal.corroboration),
        missing=missing,
    )


def _by_given(investigation: Investigation, outcome: str, names: Names) -> str:
    """A goal that does not work with every given value: what is known of which; empty where nothing is."""
    values: dict[Verdict, list[str]] = {}
    for given in investigation.given:
        values.setdefault(goal_at(investigation, outcome, given), []).append(value(given, names))
    says = [_where_it_works(investigation, outcome)] if Verdict.WORKS in values else []
    if Verdict.FAILS in values:
        says.append(f"Fails with {listed(values[Verdict.FAILS])}, whatever is chosen beside.")
    if Verdict.UNKNOWN in values and len(values) > 1:
        says.append(f"Not known with {listed(values[Verdict.UNKNOWN])}.")
    return " ".join(says)


def _where_it_works(investigation: Investigation, outcome: str) -> str:
    """By the best kind of source, in the wanted cells where it works."""
    wanted = investigation.plan.wanted if investigation.plan else {}
    works = [
        observation
        for observation in investigation.counting(outcome)
        if observation.outcomes.get(outcome) is Verdict.WORKS
        and all(observation.level(factor) == level for factor, level in wanted.items())
    ]
    works = [observation for observation in works if not _is_of_others(investigation, observation)] or works
    best = max((observation.source for observation in works), default=Source.REPORTED)
    cells = listed([clean(observation.id, 60) for observation in works if observation.source is best])
    word = {Source.PREDICTED: "Predicted", Source.REPORTED: "Reported"}.get(best, "Seen")
    return f"{word} to work in {cells}{', not run on a board' if best is Source.PREDICTED else ''}."


def _is_of_others(investigation: Investigation, observation: Observation) -> bool:
    """Whether a cell has what was not asked about, such as another board; a stand-in stands for all."""
    plan = investigation.plan
    return plan is not None and any(
        level in plan.factor[name].given and level not in {given.get(name) for given in investigation.given}
        for name in investigation.given[0]
        for level in [observation.level(name)]
    )


def _missing(investigation: Investigation, outcome: str, names: Names) -> str:
    judgement = investigation.judgements[outcome]
    if not judgement.works and not judgement.fails:
        return "No result for it yet."
    if judgement.either and all(part.causes for part in judgement.either):
        simplest = listed([names.cause(part.causes[0], judgement) for part in judgement.either], "or")
        return f"No one cause explains every failure. The simplest that together do: {simplest}."
    if judgement.causes:
        factors = list(dict.fromkeys(name for cause in judgement.causes for name in cause.factors))
        ordered = [factor.name for factor in investigation.factors if factor.name in factors]
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
        commits=tuple((clean(commit.id, 40), clean(commit.title, 200)) for commit in change.commit),
        sources=tuple(_link(reference.title, reference.url) for reference in change.source),
    )


def _link(title: str, url: str) -> Link:
    return Link(clean(title, 200), web_address(url))


def web_address(url: str) -> str:
    """`url` where it is one of the web, else empty: no other scheme becomes a link."""
    bare = clean(url, 500)
    return bare if bare.startswith(("https://", "http://")) and " " not in bare else ""
