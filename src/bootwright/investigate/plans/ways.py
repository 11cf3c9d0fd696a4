"""How a cell comes onto a board: the release that has it or the command that makes it, and its cost."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from attrs import frozen

from bootwright.investigate.analysis.observations import Values
from bootwright.investigate.plans.given import Given, silicon
from bootwright.investigate.plans.plan import Dearer, Experiment, Making, Plan, covers


@frozen
class AtHand:
    """A kernel that can be put into an image."""

    name: str
    """Of the catalogue: `debian-7.3.4-4k`."""
    levels: Mapping[str, str]
    """Factor that a kernel decides → its level."""


@frozen
class Made:
    """A command that makes an image for a cell, and the kernel that it puts there."""

    making: Making
    kernel: str


def experiment_of(plan: Plan | None, values: Values) -> Experiment | None:
    """The first experiment of the bench that a cell belongs to."""
    for experiment in plan.experiment if plan else ():
        if experiment.source == "bench" and plan is not None and _belongs(plan, experiment, values):
            return experiment
    return None


def still_to_tell(plan: Plan | None, values: Values, outcomes: Sequence[str]) -> list[str]:
    """How to see outcomes on a board: `Ethernet comes up: are the lights on?`, those that it can show."""
    experiment = experiment_of(plan, values)
    if plan is None or experiment is None:
        return []
    return [
        ": ".join(filter(None, (plan.outcome[name].label or name, experiment.tell.get(name, ""))))
        + f" (or --outcome {name}=works)"
        for name in outcomes
        if name in experiment.outcomes
    ]


def hours_of(
    plan: Plan | None, values: Values, kernels: Sequence[AtHand] = ()
) -> tuple[float | None, tuple[str, ...]]:
    """The hours that a cell takes on a board, and why it takes longer than the experiment's least.

    None where no experiment of the bench is about such cells. Any version of a kernel can be tried.
    """
    experiment = experiment_of(plan, values)
    if plan is None or experiment is None:
        return None, ()
    rules = dearer(plan, experiment, values, kernels)
    return experiment.hours + sum(rule.hours for rule in rules), tuple(rule.because for rule in rules)


def dearer(
    plan: Plan, experiment: Experiment, values: Values, kernels: Sequence[AtHand] = ()
) -> list[Dearer]:
    """The rules by which trying a cell takes longer than the experiment's `hours`."""
    ready = plan.release_of(values) is not None or _made(experiment, values, kernels) is not None
    return [
        rule for rule in experiment.dearer if covers(rule.factors, values) and not (rule.unreleased and ready)
    ]


def made(plan: Plan, values: Values, kernels: Sequence[AtHand]) -> Made | None:
    """What makes an image for a cell out of another; None where the plan or the catalogue has nothing."""
    experiment = experiment_of(plan, values)
    return _made(experiment, values, kernels) if experiment is not None else None


def filled(plan: Plan, step: str, given: Given, standing: Mapping[str, str]) -> list[str]:
    """The words of a command, with the board of a given value and what else stands for its placeholders.

    Nothing where it names the board and the plan does not say which that is: nobody could give it.
    """
    part = silicon(plan, given)
    board = {"BOARD": part.board.id, "STEPPING": part.stepping.name} if part is not None else {}
    words = [{**board, **standing}.get(word, word) for word in shlex.split(step)]
    return [] if {"BOARD", "STEPPING"} & set(words) else words


def _made(experiment: Experiment, values: Values, kernels: Sequence[AtHand]) -> Made | None:
    for making in experiment.making:
        if not covers(making.factors, values):
            continue
        for kernel in kernels:
            if kernel.levels and all(values.get(name) == (text,) for name, text in kernel.levels.items()):
                return Made(making, kernel.name)
    return None


def _belongs(plan: Plan, experiment: Experiment, values: Values) -> bool:
    allowed = {**experiment.levels, **{name: [level] for name, level in experiment.set.items()}}
    return all(
        plan.factor[name].fact == "version" or (len(values.get(name, ())) == 1 and values[name][0] in levels)
        for name, levels in allowed.items()
        if name in plan.factor
    )
