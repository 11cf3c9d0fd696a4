"""The answer for each given value: the best configuration known for it, how it is known, what it costs.

Only free factors are ever advised to be changed. That something else would have to be had is said only where
every cell that could be tried with what is given is known to fail.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from attrs import evolve, frozen

from bootwright.foundation.verdict import Verdict, worst
from bootwright.investigate.analysis.choose import Choice, Trial
from bootwright.investigate.analysis.known import Known, known_at, source_of
from bootwright.investigate.analysis.observations import Source, Values
from bootwright.investigate.decision.configurations import Configuration, History, Way, ways_to
from bootwright.investigate.decision.disputes import Disputed, disputed
from bootwright.investigate.decision.history import history_of
from bootwright.investigate.decision.next_steps import NextStep, next_step
from bootwright.investigate.decision.single_changes import Pair, SingleChange, pairs, seen_working
from bootwright.investigate.plans.given import Given, fits, text
from bootwright.investigate.plans.ways import hours_of
from bootwright.investigate.running.investigation import Investigation

_HOW_IT_FAILS = {
    Source.BENCH: "were seen to fail",
    Source.EMULATED: "were seen to fail",
    Source.PREDICTED: "are predicted to fail",
    Source.REPORTED: "are reported to fail",
}
_ONE = {
    "were seen to fail": "was seen to fail",
    "are predicted to fail": "is predicted to fail",
    "are reported to fail": "is reported to fail",
}
MOST = 12
"""Configurations that are listed of an answer."""


@frozen
class Answer:
    """What is known for one given value."""

    given: Mapping[str, str]
    """Empty where the plan has no given factors."""
    verdict: Verdict
    why: str
    """Why it fails, or what is missing; empty where it works."""
    works: tuple[Configuration, ...]
    """Whole cells in which all goals work, the best first: best known, then cheapest; at most `MOST`."""
    open_goals: tuple[str, ...]
    """The goals that are not known to work in any cell; empty where something works."""
    tried: tuple[str, ...]
    """Ids of the cells with this value that were seen by more than a report."""
    exhausted: bool = False
    """Every cell that can be tried with this value is known to fail."""
    instead: tuple[Mapping[str, str], ...] = ()
    """Given values for which something works; named only where everything free was exhausted."""
    changes: tuple[SingleChange, ...] = ()
    """Free factors that, changed alone, make a cell with this value work like the best configuration."""
    history: tuple[History, ...] = ()
    next: NextStep | None = None
    """What to do on a board with this value: to see it work, or to learn most."""
    ways: tuple[Way, ...] = ()
    """Commands that lead there, the first one for somebody who has nothing yet."""
    disputed: tuple[Disputed, ...] = ()
    """Cells with this value about which boards contradict each other."""

    @property
    def best(self) -> Configuration | None:
        """The configuration to use."""
        return self.works[0] if self.works else None


def answers(investigation: Investigation, goals: Mapping[str, Verdict]) -> tuple[Answer, ...]:
    """One answer a given value; `goals` are the goals' own verdicts, for a plan without given factors."""
    made = [_answer(investigation, given, goals) for given in investigation.given]
    working = tuple(answer.given for answer in made if answer.verdict is Verdict.WORKS)
    return tuple(evolve(answer, instead=working) if answer.exhausted else answer for answer in made)


def goal_at(investigation: Investigation, goal: str, given: Given) -> Verdict:
    """What is known of one goal with a given value, whatever the free factors: fails where all cells do."""
    verdicts = [known.verdict for known in _known(investigation, goal, given)]
    if Verdict.WORKS in verdicts:
        return Verdict.WORKS
    return Verdict.FAILS if verdicts and set(verdicts) == {Verdict.FAILS} else Verdict.UNKNOWN


def _answer(investigation: Investigation, given: Given, goals: Mapping[str, Verdict]) -> Answer:
    cells = list(_cells(investigation, given))
    works = tuple(_ranked(investigation, cells))
    tried = tuple(
        observation.id
        for observation in investigation.observations
        if observation.source > Source.REPORTED and _is_at(investigation, observation.values, given)
    )
    failing = [cell for cell in cells if _fails(investigation, cell)]
    exhausted = bool(given) and bool(cells) and len(failing) == len(cells)
    if not given:
        verdict = worst(goals.values())
    elif works:
        verdict = Verdict.WORKS
    else:
        verdict = Verdict.FAILS if exhausted else Verdict.UNKNOWN
    best = works[0] if works and verdict is Verdict.WORKS else None
    history = history_of(investigation, given, best)
    return Answer(
        given=given,
        verdict=verdict,
        why="" if verdict is Verdict.WORKS else _why(investigation, given, cells, failing),
        works=works,
        open_goals=() if verdict is Verdict.WORKS else _open_goals(investigation, given),
        tried=tried,
        exhausted=exhausted,
        changes=_changes(investigation, given, best),
        history=history,
        next=_next(investigation, given, best, exhausted=exhausted),
        ways=ways_to(investigation, given, best, history) if best is not None else (),
        disputed=disputed(investigation, given),
    )


def _is_at(investigation: Investigation, values: Values, given: Given) -> bool:
    """Whether a cell has a given value and the wanted levels."""
    wanted = investigation.plan.wanted if investigation.plan else {}
    return fits(values, {**wanted, **given})


def _cells(investigation: Investigation, given: Given) -> Iterator[Values]:
    """Every cell with a given value that was seen or can be tried, here or on a board; once each.

    A cell that is known by a failing report alone is none: it cannot be tried, and is no configuration.
    Where there is none, the cells of stand-ins: what does not depend on the given factors holds there too.
    """
    plan = investigation.plan
    possible = {
        observation.cell: observation.values
        for observation in investigation.observations
        if observation.source > Source.REPORTED or Verdict.FAILS not in observation.outcomes.values()
    }
    for trial in (*investigation.trials, *investigation.bench_trials):
        possible |= {tuple(sorted(values.items())): values for _, values in trial.views}
    names = {factor.name for factor in investigation.factors}
    whole = [
        values
        for values in possible.values()
        if set(values) == names and all(len(levels) == 1 for levels in values.values())
    ]
    at_hand = [values for values in whole if _is_at(investigation, values, given)]
    if not at_hand:
        stand_ins: dict[tuple[tuple[str, tuple[str, ...]], ...], Values] = {}
        for values in whole:
            moved = {**values, **{name: (level,) for name, level in given.items()}}
            if _is_at(investigation, moved, given) and (plan is None or plan.why_impossible(moved) is None):
                stand_ins.setdefault(tuple(sorted(moved.items())), moved)
        at_hand = list(stand_ins.values())
    yield from at_hand


def _known(investigation: Investigation, goal: str, given: Given) -> Iterator[Known]:
    for values in _cells(investigation, given):
        yield known_in(investigation, goal, values)


def known_in(investigation: Investigation, goal: str, values: Values) -> Known:
    """What is known of a goal in a cell; one that never failed works where no run could look at it."""
    judgement = investigation.judgements[goal]
    known = known_at(investigation.space, judgement, values)
    if known.verdict is not Verdict.UNKNOWN or judgement.fails or judgement.disputed:
        return known
    if not seen_working(investigation, goal):
        return known
    given = {name: levels[0] for name, levels in values.items() if name in investigation.given[0]}
    speaks = any(
        outcome == goal and fits(view, given)
        for trial in investigation.trials
        for outcome, view in trial.views
    )
    return known if speaks else Known(Verdict.WORKS)


def _fails(investigation: Investigation, values: Values) -> bool:
    """Whether a goal is known to fail in a cell."""
    return any(known_in(investigation, goal, values).verdict is Verdict.FAILS for goal in investigation.goals)


def _how_it_fails(investigation: Investigation, values: Values) -> str:
    """How it is known that a goal fails in just this cell; empty where only the causes left say it."""
    by = [
        observation.source
        for goal in investigation.goals
        for known in [known_in(investigation, goal, values)]
        for observation in [known.by or known.reported]
        if known.verdict is Verdict.FAILS and observation is not None
    ]
    return _HOW_IT_FAILS[max(by)] if by else ""


def _ranked(investigation: Investigation, cells: list[Values]) -> list[Configuration]:
    """The cells in which every goal works: best known first, then cheapest.

    Of equals, those with the levels that the plan names first (of versions none comes before another).
    """
    plan = investigation.plan
    free = [f for f in investigation.factors if not f.ordered and plan is not None and f.name in plan.factor]
    configurations = []
    for values in cells:
        basis: dict[str, str] = {}
        sources: list[Source] = []
        seen_here = False
        for goal in investigation.goals:
            judgement = investigation.judgements[goal]
            known = known_in(investigation, goal, values)
            if known.verdict is not Verdict.WORKS:
                break
            source = source_of(known, judgement)
            sources.append(source)
            seen = known.by or known.reported
            if seen is not None:
                seen_here = True
                basis[goal] = f"{seen.id} ({source.word})"
            elif judgement.cause is not None:
                cause = judgement.cause_text(judgement.cause, investigation.space)
                basis[goal] = f"it fails only where {cause}"
            else:
                basis[goal] = "it never failed in what was seen"
        else:
            hours, because = hours_of(investigation.plan, values, investigation.kernels)
            factors = {name: levels[0] for name, levels in values.items()}
            release = investigation.plan.release_of(values) if investigation.plan else None
            configurations.append(
                Configuration(
                    factors=factors,
                    basis=basis,
                    source=min(sources).word,
                    hours=hours,
                    because=because,
                    seen=seen_here,
                    release=release.name if release else "",
                )
            )
    order = [source.word for source in Source]
    return sorted(
        configurations,
        key=lambda made: (
            -order.index(made.source),
            made.hours if made.hours is not None else float("inf"),
            not made.release,
            not made.seen,
            [factor.position(made.factors[factor.name]) for factor in free],
        ),
    )[:MOST]


def _changes(
    investigation: Investigation, given: Given, best: Configuration | None
) -> tuple[SingleChange, ...]:
    """For each goal and free factor, the pair that ends in the best configuration, of the best sources."""
    if best is None:
        return ()
    chosen: dict[tuple[str, str], Pair] = {}
    for goal in investigation.goals:
        for pair in pairs(investigation, goal):
            ends_here = {name: levels[0] for name, levels in pair.good.values.items()} == dict(best.factors)
            if not ends_here or pair.factor in given:
                continue
            held = chosen.get((goal, pair.factor))
            if held is None or pair.weight > held.weight:
                chosen[goal, pair.factor] = pair
    return tuple(pair.change for pair in chosen.values())


def _next(
    investigation: Investigation, given: Given, best: Configuration | None, *, exhausted: bool
) -> NextStep | None:
    """The best configuration on a board; where there is none, the experiment there that tells most."""
    plan = investigation.plan
    if exhausted or (best is not None and best.source == Source.BENCH.word):
        return None
    if best is not None:
        values = {name: (level,) for name, level in best.factors.items()}
        hours, _ = hours_of(plan, values, investigation.kernels)
        if hours is None:
            return None
        views = tuple((goal, values) for goal in investigation.goals)
        trial = Trial("", views, hours * 3600)
        return next_step(plan, Choice(trial, 0.0, {}), investigation.kernels)
    for choice in investigation.bench:
        if _is_at(investigation, choice.trial.views[0][1], given):
            return next_step(plan, choice, investigation.kernels)
    return None


def _why(investigation: Investigation, given: Given, cells: list[Values], failing: list[Values]) -> str:
    """What is missing, or that everything free was exhausted."""
    if given and cells and len(failing) == len(cells):
        ways = Counter(_how_it_fails(investigation, values) for values in cells)
        known = [
            f"{ways[how]} {how if ways[how] > 1 else _ONE.get(how, how)}"
            for how in dict.fromkeys(_HOW_IT_FAILS.values())
            if ways[how]
        ]
        if len(known) == 1 and not ways[""]:
            return f"all {len(cells)} configurations that can be tried {known[0].partition(' ')[2]}"
        if not known:
            return (
                f"in all {len(cells)} configurations that can be tried every cause that is left predicts it"
            )
        said = f"of the {len(cells)} configurations that can be tried {' and '.join(known)}"
        return f"{said}, and in the others every cause that is left predicts it" if ways[""] else said
    if waiting := investigation.waiting.get(text(given)):
        return waiting
    if given and not cells:
        return "nothing that can be run or tried speaks of it"
    left = len(cells) - len(failing)
    says = f"no configuration is known that works; {left} of {len(cells)} are not known to fail"
    more = [
        investigation.left_out[goal]
        for goal in _open_goals(investigation, given)
        if goal in investigation.left_out
    ]
    return "; ".join([says, *more[:1]])


def _open_goals(investigation: Investigation, given: Given) -> tuple[str, ...]:
    """The goals that are not known to work in any cell with a given value."""
    return tuple(
        goal
        for goal in investigation.goals
        if all(known.verdict is not Verdict.WORKS for known in _known(investigation, goal, given))
    )
