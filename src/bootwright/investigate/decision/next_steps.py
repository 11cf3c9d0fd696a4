"""What a person has to do on a board: the experiment, and what it costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from attrs import frozen

from bootwright.investigate.analysis.choose import Choice
from bootwright.investigate.plans.plan import Plan
from bootwright.investigate.plans.ways import AtHand, experiment_of, hours_of


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


def next_step(plan: Plan | None, choice: Choice, kernels: Sequence[AtHand]) -> NextStep:
    """A bench trial as what a person has to do."""
    values = choice.trial.views[0][1]
    experiment = experiment_of(plan, values)
    _, because = hours_of(plan, values, kernels)
    return NextStep(
        id=choice.trial.id,
        factors={name: levels[0] for name, levels in values.items()},
        outcomes=tuple(sorted(choice.worth)),
        bits=round(choice.bits, 3),
        hours=choice.trial.cost / 3600,
        how=experiment.how if experiment else "",
        because=because,
    )
