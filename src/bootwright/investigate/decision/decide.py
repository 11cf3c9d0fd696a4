"""The decision: what works, what was wrong with the beliefs, what is not known, what to do next.

It is a pure function of an investigation: everything in it can be traced to observations by their ids.
"""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen

from bootwright.foundation.verdict import Verdict
from bootwright.investigate.analysis.causes import Bracket, Condition
from bootwright.investigate.analysis.choose import Choice
from bootwright.investigate.analysis.judge import Judgement
from bootwright.investigate.analysis.observations import Source
from bootwright.investigate.decision.beliefs import BeliefResult, weigh_beliefs
from bootwright.investigate.decision.reports import ReportAnswer, explain_reports
from bootwright.investigate.decision.single_changes import SingleChange, seen_working, single_changes
from bootwright.investigate.plans.changes import Change, corroborating
from bootwright.investigate.running.investigation import Investigation


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
class NextStep:
    """The experiment that would tell most, where a person has to do it."""

    id: str
    factors: Mapping[str, str]
    outcomes: tuple[str, ...]
    bits: float
    hours: float
    how: str
    because: tuple[str, ...] = ()
    """Why it takes longer than the experiment's least."""


@frozen
class Configuration:
    """A whole cell in which every goal works, as far as is known."""

    factors: Mapping[str, str]
    basis: Mapping[str, str]
    """Goal → `cell-7 (predicted)` where it was seen there, or the rule that says it works there."""


@frozen
class Decision:
    """The answer."""

    verdict: Verdict
    configuration: Mapping[str, str]
    """Factor → level or bound, as far as it is known to be needed."""
    goals: tuple[GoalResult, ...]
    beliefs: tuple[BeliefResult, ...] = ()
    unknown: tuple[str, ...] = ()
    works: tuple[Configuration, ...] = ()
    """Whole cells in which every goal works, best known first."""
    single_changes: tuple[SingleChange, ...] = ()
    reports: tuple[ReportAnswer, ...] = ()
    """What made each failing report fail, as far as it is known."""
    confirm: NextStep | None = None
    """The cheapest experiment on a board in which everything known says that every goal works."""
    next: NextStep | None = None
    next_after: tuple[NextStep, ...] = field(default=())


def decide(investigation: Investigation) -> Decision:
    """Draw the decision from an investigation."""
    goals = tuple(_goal(investigation, name) for name in investigation.goals)
    verdicts = [goal.verdict for goal in goals]
    worst = next((v for v in (Verdict.FAILS, Verdict.UNKNOWN) if v in verdicts), Verdict.WORKS)
    configuration = dict(investigation.plan.wanted) if investigation.plan else {}
    for goal in goals:
        configuration |= goal.needs
    steps = tuple(_next_step(investigation, choice) for choice in investigation.bench[:4])
    return Decision(
        verdict=worst,
        configuration=configuration,
        goals=goals,
        beliefs=weigh_beliefs(investigation),
        reports=explain_reports(investigation),
        works=_configurations(investigation),
        single_changes=single_changes(investigation),
        confirm=_confirm(investigation),
        unknown=tuple(f"{goal.outcome}: {goal.why}" for goal in goals if goal.verdict is Verdict.UNKNOWN),
        next=steps[0] if steps else None,
        next_after=steps[1:],
    )


def _goal(investigation: Investigation, name: str) -> GoalResult:
    judgement = investigation.judgements[name]
    cause = judgement.cause
    if not judgement.fails and judgement.works:
        return GoalResult(name, Verdict.WORKS, "it never failed in what was seen", {})
    if cause is None:
        observations = seen_working(investigation, name)
        if observations:
            sources = " and ".join(sorted({observation.source.word for observation in observations}))
            cells = ", ".join(observation.id for observation in observations)
            why = f"{sources} to work in {cells}; {_missing(judgement)}"
            return GoalResult(name, Verdict.WORKS, why, {})
        return GoalResult(name, Verdict.UNKNOWN, _missing(judgement), {})
    wanted = investigation.plan.wanted if investigation.plan else {}
    avoidable = [condition for condition in cause.conditions if condition.factor not in wanted]
    spans = {bracket.factor: bracket for bracket in judgement.spans(cause, investigation.space)}
    cause_text = judgement.cause_text(cause, investigation.space)
    conditions = [
        condition
        for condition in avoidable
        if condition.relation == "is" or spans[condition.factor].works is not None
    ]
    needs = {
        condition.factor: _avoided(condition, spans.get(condition.factor)) for condition in conditions[:1]
    }
    changes = tuple(corroborating(judgement, investigation.observations))
    instead = _instead(investigation, name)
    if not needs and avoidable:
        return GoalResult(name, Verdict.UNKNOWN, f"it fails where {cause_text}", {}, instead)
    if not needs:
        return GoalResult(
            name, Verdict.FAILS, f"it fails where {cause_text}, and that is what is wanted", {}, instead
        )
    return GoalResult(name, Verdict.WORKS, f"it fails only where {cause_text}", needs, instead, changes)


def _configurations(investigation: Investigation) -> tuple[Configuration, ...]:
    """The cells in which a goal without a settled cause works, and no settled cause of another holds."""
    space = investigation.space
    open_goals = [name for name in investigation.goals if investigation.judgements[name].cause is None]
    cells = {
        observation.cell: observation
        for name in open_goals or investigation.goals
        for observation in seen_working(investigation, name)
    }
    works = []
    for cell in cells.values():
        basis: dict[str, str] = {}
        for name in investigation.goals:
            at = [
                observation
                for observation in seen_working(investigation, name)
                if observation.cell == cell.cell
            ]
            cause = investigation.judgements[name].cause
            if at:
                best = max(at, key=lambda other_observation: other_observation.source)
                basis[name] = f"{best.id} ({best.source.word})"
            elif cause is not None and not space.failing(cell.values)[1] >> space.causes.index(cause) & 1:
                basis[name] = f"it fails only where {investigation.judgements[name].cause_text(cause, space)}"
        if len(basis) == len(investigation.goals):
            works.append(Configuration({name: levels[0] for name, levels in cell.values.items()}, basis))
    return tuple(works)


def _confirm(investigation: Investigation) -> NextStep | None:
    """What a person would try to see it work: no cause that is left may predict failure there.

    None where a goal was not seen to work by more than a report, or everything was seen on the bench.
    """
    if not all(seen_working(investigation, goal) for goal in investigation.goals):
        return None
    if all(
        any(observation.source is Source.BENCH for observation in seen_working(investigation, goal))
        for goal in investigation.goals
    ):
        return None
    space = investigation.space
    feared = 0
    for goal in investigation.goals:
        judgement = investigation.judgements[goal]
        for cause in (*judgement.causes, *(cause for part in judgement.either for cause in part.causes)):
            feared |= 1 << space.causes.index(cause)
    wanted = investigation.plan.wanted if investigation.plan else {}
    able = [
        trial
        for trial in investigation.bench_trials
        for values in [trial.views[0][1]]
        if not space.failing(values)[1] & feared
        and all(values.get(name) == (level,) for name, level in wanted.items())
    ]
    best = min(able, key=lambda trial: trial.cost, default=None)
    return None if best is None else _next_step(investigation, Choice(trial=best, bits=0.0, worth={}))


def _missing(judgement: Judgement) -> str:
    if judgement.either:
        return judgement.note
    if not judgement.fails and not judgement.works:
        return "nothing is known of it"
    if not judgement.causes:
        return judgement.note
    factors = sorted({name for cause in judgement.causes for name in cause.factors})
    return f"{len(judgement.causes)} causes still fit what was seen, on {', '.join(factors)}"


def _avoided(condition: Condition, span: Bracket | None) -> str:
    """What was seen to avoid a condition, as in result.json: `>=6.16.3` is from the level that worked on."""
    if span is None or span.works is None:
        return f"not {condition.level}"
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


def _next_step(investigation: Investigation, choice: Choice) -> NextStep:
    values = choice.trial.views[0][1]
    experiment = next(
        (
            candidate
            for candidate in (investigation.plan.experiment if investigation.plan else [])
            if choice.trial.id.startswith(f"{candidate.name}/")
        ),
        None,
    )
    dearer = [rule for rule in (experiment.dearer if experiment else []) if rule.covers(values)]
    return NextStep(
        id=choice.trial.id,
        factors={name: levels[0] for name, levels in values.items()},
        outcomes=tuple(sorted(choice.worth)),
        bits=round(choice.bits, 3),
        hours=choice.trial.cost / 3600,
        how=experiment.how if experiment else "",
        because=tuple(rule.because for rule in dearer),
    )
