"""What a plan can run: its experiments crossed with the kernels there are, as trials to choose from."""

from __future__ import annotations

import fnmatch
import itertools
from collections.abc import Callable, Sequence

from attrs import frozen

from bootwright.foundation.errors import Refused
from bootwright.investigate.choose import Trial
from bootwright.investigate.observations import Values
from bootwright.investigate.plan import Experiment, Plan

MAX_BENCH_CELLS = 20_000


@frozen
class Candidate:
    """A kernel that an experiment may boot, as the catalogue lists it."""

    name: str
    source: str
    version: str
    page_size: int
    """Bytes."""
    download_bytes: int
    modules_bytes: int

    def fact(self, name: str) -> str:
        """The level this kernel gives a factor: its version, or its page size as `4K`."""
        return self.version if name == "version" else page_size_level(self.page_size)


@frozen
class Run:
    """One thing to run."""

    id: str
    experiment: Experiment
    kernel: Candidate | None
    values: Values
    """The cell, without what the experiment's yields set; for the bench the whole cell."""
    trial: Trial


def page_size_level(size: int) -> str:
    """`4K` of 4096 bytes."""
    return f"{size // 1024}K"


def emulated_runs(
    plan: Plan, candidates: Sequence[Candidate], resolve: Callable[[str], str], want: Callable[[str], bool]
) -> list[Run]:
    """Every boot the plan allows, in the catalogue's order.

    `resolve` makes a catalogue name of a short one; `want` tells whether an outcome is to be looked at.
    """
    runs = []
    for experiment in plan.experiment:
        if experiment.source != "emulated" or not any(want(part.outcome) for part in experiment.yields):
            continue
        limited = {resolve(name) for name in experiment.only}
        for kernel in candidates:
            if kernel.source != experiment.kernels or (limited and kernel.name not in limited):
                continue
            values = kernel_values(plan, experiment, kernel)
            views = tuple(
                (part.outcome, {**values, **{name: (level,) for name, level in part.set.items()}})
                for part in experiment.yields
            )
            views = tuple(view for view in views if plan.why_impossible(view[1]) is None)
            identity = f"{experiment.name}/{kernel.name}"
            runs.append(Run(identity, experiment, kernel, values, Trial(identity, views, experiment.seconds)))
    return runs


def kernel_values(plan: Plan, experiment: Experiment, kernel: Candidate) -> dict[str, tuple[str, ...]]:
    """The levels that a kernel and its experiment give the factors."""
    values: dict[str, tuple[str, ...]] = {name: (level,) for name, level in experiment.set.items()}
    for name, factor in plan.factor.items():
        if factor.fact:
            values[name] = (kernel.fact(factor.fact),)
    return values


def bench_runs(plan: Plan) -> list[Run]:
    """Every cell that a person could try on a board; raises `Refused` when they are too many."""
    runs = []
    for experiment in plan.experiment:
        if experiment.source != "bench":
            continue
        names = list(experiment.levels)
        size = 1
        for name in names:
            size *= len(experiment.levels[name])
        if size > MAX_BENCH_CELLS:
            raise Refused(
                f"experiment {experiment.name} has {size:,} cells, more than {MAX_BENCH_CELLS:,}",
                hint="give it fewer levels",
            )
        for levels in itertools.product(*(experiment.levels[name] for name in names)):
            values = {name: (level,) for name, level in zip(names, levels, strict=True)}
            values |= {name: (level,) for name, level in experiment.set.items()}
            if plan.why_impossible(values) is not None:
                continue
            identity = f"{experiment.name}/{'/'.join(levels)}"
            views = tuple((outcome, values) for outcome in experiment.outcomes)
            more = sum(rule.hours for rule in experiment.dearer if rule.covers(values))
            trial = Trial(identity, views, (experiment.hours + more) * 3600)
            runs.append(Run(identity, experiment, None, values, trial))
    return runs


def matching(pattern: str, names: Sequence[str]) -> list[str]:
    """The test names that a plan's pattern (`network/*`) means."""
    return [name for name in names if fnmatch.fnmatchcase(name, pattern)]
