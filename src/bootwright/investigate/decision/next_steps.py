"""What a person has to do on a board: the experiment, and what it costs."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen

from bootwright.investigate.analysis.choose import Choice
from bootwright.investigate.analysis.observations import Values
from bootwright.investigate.plans.plan import Experiment, Plan


@frozen
class NextStep:
    """An experiment that a person has to do."""

    id: str
    factors: Mapping[str, str]
    outcomes: tuple[str, ...]
    bits: float
    """What it is expected to tell; 0 where it is to see something work."""
    hours: float
    how: str
    because: tuple[str, ...] = ()
    """Why it takes longer than the experiment's least."""


def next_step(plan: Plan | None, choice: Choice) -> NextStep:
    """A bench trial as what a person has to do."""
    values = choice.trial.views[0][1]
    experiment = experiment_of(plan, values)
    _, because = hours_of(plan, values)
    return NextStep(
        id=choice.trial.id,
        factors={name: levels[0] for name, levels in values.items()},
        outcomes=tuple(sorted(choice.worth)),
        bits=round(choice.bits, 3),
        hours=choice.trial.cost / 3600,
        how=experiment.how if experiment else "",
        because=because,
    )


def hours_of(plan: Plan | None, values: Values) -> tuple[float | None, tuple[str, ...]]:
    """The hours that a cell takes on a board, and why it takes longer than the experiment's least.

    None where no experiment of the bench is about such cells. Any version of a kernel can be tried.
    """
    experiment = experiment_of(plan, values)
    if plan is None or experiment is None:
        return None, ()
    dearer = plan.dearer(experiment, values)
    return experiment.hours + sum(rule.hours for rule in dearer), tuple(rule.because for rule in dearer)


def experiment_of(plan: Plan | None, values: Values) -> Experiment | None:
    """The first experiment of the bench that a cell belongs to."""
    for experiment in plan.experiment if plan else ():
        if experiment.source == "bench" and plan is not None and _belongs(plan, experiment, values):
            return experiment
    return None


def _belongs(plan: Plan, experiment: Experiment, values: Values) -> bool:
    allowed = {**experiment.levels, **{name: [level] for name, level in experiment.set.items()}}
    return all(
        plan.factor[name].fact == "version" or (len(values.get(name, ())) == 1 and values[name][0] in levels)
        for name, levels in allowed.items()
        if name in plan.factor
    )
