"""The decision: what works, what was wrong with the beliefs, what is not known, what to do next.

It is a pure function of an investigation: everything in it can be traced to observations by their ids.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from attrs import evolve, field, frozen

from bootwright.foundation.verdict import Verdict, worst
from bootwright.investigate.analysis.causes import Bracket, Condition
from bootwright.investigate.analysis.judge import Judgement
from bootwright.investigate.analysis.observations import Source
from bootwright.investigate.decision.beliefs import BeliefResult, weigh_beliefs
from bootwright.investigate.decision.given import Answer, answers, goal_at
from bootwright.investigate.decision.next_steps import NextStep, next_step
from bootwright.investigate.decision.reports import ReportAnswer, explain_reports
from bootwright.investigate.decision.single_changes import SingleChange, seen_working, single_changes
from bootwright.investigate.plans.changes import corroborating
from bootwright.investigate.plans.given import fits, text
from bootwright.investigate.running.investigation import Investigation
from bootwright.kernels.changes import Change


@frozen
class GoalResult:
    """What is known of a goal, and what makes it work."""

    outcome: str
    verdict: Verdict
    """Whether a configuration with the wanted levels is known to work."""
    why: str
    needs: Mapping[str, str]
    """Factor → the levels that avoid the cause, as in result.json (`>=6.16.3`)."""
    instead: tuple[str, ...] = ()
    """Other outcomes that were seen to work where this one fails, and so would mend it."""
    corroboration: tuple[Change, ...] = ()


@frozen
class Decision:
    """The answer."""

    verdict: Verdict
    configuration: Mapping[str, str]
    """Factor → level or bound, as far as it is known to be needed."""
    goals: tuple[GoalResult, ...]
    beliefs: tuple[BeliefResult, ...] = ()
    unknown: tuple[str, ...] = ()
    answers: tuple[Answer, ...] = ()
    """One for each given value: a board, its revision, what is plugged in; one where nothing is given."""
    single_changes: tuple[SingleChange, ...] = ()
    reports: tuple[ReportAnswer, ...] = ()
    """What made each failing report fail, as far as it is known."""
    next: NextStep | None = None
    next_after: tuple[NextStep, ...] = field(default=())


def decide(investigation: Investigation) -> Decision:
    """Draw the decision from an investigation."""
    goals = tuple(_goal(investigation, name) for name in investigation.goals)
    made = answers(investigation, {goal.outcome: goal.verdict for goal in goals})
    configuration = dict(investigation.plan.wanted) if investigation.plan else {}
    for goal in goals:
        configuration |= goal.needs
    plan, kernels = investigation.plan, investigation.kernels
    # On a board that nobody who asks has, nothing can be tried.
    to_be_tried = [
        choice
        for choice in investigation.bench
        if any(fits(choice.trial.views[0][1], given) for given in investigation.given)
    ]
    steps = tuple(next_step(plan, choice, kernels) for choice in to_be_tried[:4])
    return Decision(
        verdict=worst(answer.verdict for answer in made),
        configuration=configuration,
        goals=goals,
        answers=made,
        beliefs=weigh_beliefs(investigation),
        reports=explain_reports(investigation),
        single_changes=single_changes(investigation),
        unknown=_unknown(goals, made),
        next=steps[0] if steps else None,
        next_after=steps[1:],
    )


def _unknown(goals: Sequence[GoalResult], made: Sequence[Answer]) -> tuple[str, ...]:
    """What is not known, and what is missing."""
    open_goals = [f"{goal.outcome}: {goal.why}" for goal in goals if goal.verdict is Verdict.UNKNOWN]
    open_answers = [
        f"{text(answer.given)}: {answer.why}"
        for answer in made
        if answer.given and answer.verdict is Verdict.UNKNOWN
    ]
    return (*open_goals, *open_answers)


def _goal(investigation: Investigation, name: str) -> GoalResult:
    """A goal; where there are given factors, its verdict is the worst that any given value has."""
    result = _by_causes(investigation, name)
    if not any(investigation.given):
        return result
    verdict = worst(goal_at(investigation, name, given) for given in investigation.given)
    return evolve(result, verdict=verdict)


def _by_causes(investigation: Investigation, name: str) -> GoalResult:
    judgement = investigation.judgements[name]
    cause = judgement.cause
    if not judgement.fails and judgement.works and not judgement.disputed:
        return GoalResult(name, Verdict.WORKS, "it never failed in what was seen", {})
    if cause is None:
        observations = seen_working(investigation, name)
        if observations:
            sources = " and ".join(sorted({observation.source.word for observation in observations}))
            cells = ", ".join(observation.id for observation in observations)
            why = f"{sources} to work in {cells}; {_missing(judgement)}"
            return GoalResult(name, Verdict.WORKS, why, {})
        return GoalResult(name, Verdict.UNKNOWN, _missing(judgement), {})
    # What is wanted is kept, and what is given cannot be changed: neither is a way to avoid the cause.
    kept = {*(investigation.plan.wanted if investigation.plan else ()), *investigation.given[0]}
    avoidable = [condition for condition in cause.conditions if condition.factor not in kept]
    spans = {bracket.factor: bracket for bracket in judgement.spans(cause, investigation.space)}
    cause_text = judgement.cause_text(cause, investigation.space)
    conditions = [
        condition
        for condition in avoidable
        if condition.relation == "is" or spans[condition.factor].works is not None
    ]
    needs = {
        condition.factor: _avoided(
            condition, spans.get(condition.factor), judgement.beside(cause, condition, investigation.space)
        )
        for condition in conditions[:1]
    }
    changes = tuple(corroborating(judgement, investigation.observations))
    instead = _instead(investigation, name)
    if not needs and avoidable:
        return GoalResult(name, Verdict.UNKNOWN, f"it fails where {cause_text}", {}, instead)
    if not needs:
        given = any(condition.factor in investigation.given[0] for condition in cause.conditions)
        why = f"it fails where {cause_text}, and that is {'given' if given else 'what is wanted'}"
        return GoalResult(name, Verdict.FAILS, why, {}, instead)
    return GoalResult(name, Verdict.WORKS, f"it fails only where {cause_text}", needs, instead, changes)


def _missing(judgement: Judgement) -> str:
    if judgement.either:
        return judgement.note
    if not judgement.fails and not judgement.works and not judgement.disputed:
        return "nothing is known of it"
    if not judgement.causes:
        return judgement.note
    factors = sorted({name for cause in judgement.causes for name in cause.factors})
    return f"{len(judgement.causes)} causes still fit what was seen, on {', '.join(factors)}"


def _avoided(
    condition: Condition, span: Bracket | None, beside: tuple[str | None, str | None] = (None, None)
) -> str:
    """What was seen to avoid a condition, as in result.json: `>=6.16.3` is from the level that worked on,
    `<=6.12.1 or >=7.3.4` on either side of a single version, the nearest that worked being `beside` it.
    """
    if span is None or span.works is None:
        below, above = beside
        sides = [f"<={below}" if below is not None else "", f">={above}" if above is not None else ""]
        return " or ".join(filter(None, sides)) or f"not {condition.level}"
    return {"below": ">=", "at-least": "<="}[condition.relation] + span.works


def _instead(investigation: Investigation, goal: str) -> tuple[str, ...]:
    """Outcomes that mend a goal by the plan's word, and worked in a cell where it failed."""
    if investigation.plan is None:
        return ()
    mending = [name for name, outcome in investigation.plan.outcome.items() if outcome.mends == goal]
    return tuple(
        name
        for name in mending
        if any(
            observation.outcomes.get(goal) is Verdict.FAILS
            and observation.outcomes.get(name) is Verdict.WORKS
            for observation in investigation.counting(name)
            if observation.source > Source.REPORTED
        )
    )
