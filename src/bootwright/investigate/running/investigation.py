"""An investigation as it stands: what was seen, what was run and why, what follows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from attrs import field, frozen

from bootwright.investigate.analysis.aliases import Aliasing, find_aliases
from bootwright.investigate.analysis.causes import CauseSpace
from bootwright.investigate.analysis.choose import Choice, Trial
from bootwright.investigate.analysis.factors import Factor, make_factor
from bootwright.investigate.analysis.judge import Judgement, judge
from bootwright.investigate.analysis.observations import Observation, outcome_names
from bootwright.investigate.plans.given import Given
from bootwright.investigate.plans.plan import Plan
from bootwright.investigate.plans.runs import Run
from bootwright.investigate.plans.ways import AtHand
from bootwright.investigate.running.execute import Done


@frozen
class Step:
    """Why a run was chosen, and what came of it."""

    choice: Choice
    run: Run
    purpose: str
    """`settle` (a goal's cause), `confirm` (the reports set aside), `side` (a side question), `answer
    board=…` (a given value that has no answer yet), or `belief B4` (a belief put to the test that the causes
    left contradict)."""
    left: dict[str, int]
    """Outcome → causes left before it."""
    done: tuple[Done, ...] = ()
    """One a repetition; empty in a dry run."""


@frozen
class Investigation:
    """Everything an answer is written from."""

    plan: Plan | None
    title: str
    space: CauseSpace = field(eq=False, repr=False)
    """Every cause over `factors`; built once, since it is the largest thing here."""
    factors: tuple[Factor, ...]
    outcomes: tuple[str, ...]
    goals: tuple[str, ...]
    observations: tuple[Observation, ...]
    aliases: Aliasing
    """Among the observations it began with."""
    aliases_left: Aliasing
    judgements: dict[str, Judgement]
    steps: tuple[Step, ...] = ()
    offered: tuple[Choice, ...] = ()
    """What could still be run here, best first (a dry run's list)."""
    bench: tuple[Choice, ...] = ()
    """What could be tried on a board, best first."""
    bench_trials: tuple[Trial, ...] = ()
    """Everything that could be tried on a board."""
    trials: tuple[Trial, ...] = ()
    """Everything that could be run here, whatever the budget."""
    given: tuple[Given, ...] = ({},)
    """The given values that are answered; one empty one where there are no given factors."""
    waiting: Mapping[str, str] = field(factory=dict)
    """Given value (`given.text`) → the run that might answer it, were more to be fetched."""
    left_out: Mapping[str, str] = field(factory=dict)
    """Goal → the run that would tell more of it, were more to be fetched."""
    notes: tuple[str, ...] = field(default=())
    kernels: tuple[AtHand, ...] = ()
    """Those that can be put into an image; of recorded cells, those that were looked at."""

    def counting(self, outcome: str) -> tuple[Observation, ...]:
        """The observations that count for an outcome: without those set aside, or of a flaky cell."""
        judgement = self.judgements[outcome]
        out = {*judgement.set_aside, *(identity for flaky in judgement.flaky for identity in flaky.ids)}
        failing = {
            observation.id for observation in judgement.kept
        }  # a flaky cell counts as failing, by its first failure
        return tuple(
            observation
            for observation in self.observations
            if observation.id not in out or observation.id in failing
        )


def study(observations: Sequence[Observation], title: str, outcomes: Sequence[str] = ()) -> Investigation:
    """Analyse observations alone, without a plan: their own factors, levels and outcomes."""
    levels: dict[str, list[str]] = {}
    for observation in observations:
        for name, possible in observation.values.items():
            levels.setdefault(name, []).extend(possible)
    factors = tuple(make_factor(name, factor_levels) for name, factor_levels in levels.items())
    space = CauseSpace(factors)
    names = tuple(outcomes) or outcome_names(observations)
    return look(space, observations, observations, title=title, outcomes=names, goals=names)


def look(
    space: CauseSpace,
    began: Sequence[Observation],
    observations: Sequence[Observation],
    *,
    title: str,
    outcomes: Sequence[str],
    goals: Sequence[str],
    plan: Plan | None = None,
) -> Investigation:
    """Judge every outcome; `began` are the observations there were before anything was run."""
    return Investigation(
        plan=plan,
        title=title,
        space=space,
        factors=space.factors,
        outcomes=tuple(outcomes),
        goals=tuple(goals),
        observations=tuple(observations),
        aliases=find_aliases(space.factors, began),
        aliases_left=find_aliases(space.factors, observations),
        judgements={name: judge(space, observations, name, plan.wanted if plan else {}) for name in outcomes},
        kernels=_looked_at(plan, observations) if plan else (),
    )


def _looked_at(plan: Plan, observations: Sequence[Observation]) -> tuple[AtHand, ...]:
    """The kernels of the catalogue that observations were made with."""
    facts = [name for name, factor in plan.factor.items() if factor.fact]
    levels: dict[str, dict[str, str]] = {}
    for observation in observations:
        name = observation.evidence.get("kernel")
        known = {fact: level for fact in facts if (level := observation.level(fact)) is not None}
        if isinstance(name, str) and len(known) == len(facts):
            levels.setdefault(name, known)
    return tuple(AtHand(name, known) for name, known in levels.items())
