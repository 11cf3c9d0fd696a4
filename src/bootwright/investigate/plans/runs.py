"""What a plan can run: its experiments crossed with the kernels there are, as trials to choose from."""

from __future__ import annotations

import fnmatch
import itertools
from collections.abc import Callable, Sequence

from attrs import frozen

from bootwright.foundation.errors import Refused
from bootwright.investigate.analysis.choose import Trial
from bootwright.investigate.analysis.observations import Values
from bootwright.investigate.plans.plan import Devicetree, Experiment, Plan
from bootwright.investigate.plans.ways import AtHand, dearer

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
    """What was still to be fetched when the run began."""
    modules_bytes: int
    image_size: int = 0
    """What it takes where nothing is cached, without and with modules; 0 where there are none to be had."""
    whole_size: int = 0

    def weight(self, *, modules: bool) -> int:
        """Bytes that using it takes where nothing is cached."""
        return max(self.image_size, self.whole_size) if modules else self.image_size

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
    devicetree: Devicetree | None = None

    @property
    def weight(self) -> int:
        """Bytes of kernel that it takes where nothing is cached."""
        return self.kernel.weight(modules=self.experiment.modules) if self.kernel else 0


def page_size_level(size: int) -> str:
    """`4K` of 4096 bytes."""
    return f"{size // 1024}K"


def kernel_runs(
    plan: Plan, candidates: Sequence[Candidate], resolve: Callable[[str], str], want: Callable[[str], bool]
) -> list[Run]:
    """Every boot and every prediction the plan allows, in the catalogue's order.

    `resolve` makes a catalogue name of a short one; `want` tells whether an outcome is to be looked at.
    """
    runs = []
    for experiment in plan.experiment:
        wanted = any(
            want(name) for name in (*(part.outcome for part in experiment.yields), *experiment.goals)
        )
        if experiment.source == "bench" or not wanted:
            continue
        limited = {resolve(name) for name in experiment.only}
        for kernel in candidates:
            if kernel.source != experiment.kernels or (limited and kernel.name not in limited):
                continue
            if experiment.modules and kernel.image_size and not kernel.whole_size:
                continue  # its modules are not to be had
            if experiment.source == "predicted":
                runs += _predictions(plan, experiment, kernel)
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


def _predictions(plan: Plan, experiment: Experiment, kernel: Candidate) -> list[Run]:
    runs = []
    for tree in experiment.devicetree:
        values = kernel_values(plan, experiment, kernel) | {n: (level,) for n, level in tree.set.items()}
        if plan.why_impossible(values) is not None:
            continue
        identity = "/".join([experiment.name, kernel.name, *tree.set.values()])
        views = tuple((outcome, values) for outcome in experiment.goals)
        trial = Trial(identity, views, experiment.seconds)
        runs.append(Run(identity, experiment, kernel, values, trial, tree))
    return runs


def kernel_values(plan: Plan, experiment: Experiment, kernel: Candidate) -> dict[str, tuple[str, ...]]:
    """The levels that a kernel and its experiment give the factors."""
    values: dict[str, tuple[str, ...]] = {name: (level,) for name, level in experiment.set.items()}
    for name, factor in plan.factor.items():
        if factor.fact:
            values[name] = (kernel.fact(factor.fact),)
    return values


def at_hand(plan: Plan, kernels: Sequence[Candidate]) -> tuple[AtHand, ...]:
    """The kernels that can be put into an image: those whose modules can be had."""
    return tuple(
        AtHand(
            kernel.name,
            {name: kernel.fact(factor.fact) for name, factor in plan.factor.items() if factor.fact},
        )
        for kernel in kernels
        if kernel.whole_size or not kernel.image_size
    )


def bench_runs(plan: Plan, kernels: Sequence[AtHand] = ()) -> list[Run]:
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
            more = sum(rule.hours for rule in dearer(plan, experiment, values, kernels))
            trial = Trial(identity, views, (experiment.hours + more) * 3600)
            runs.append(Run(identity, experiment, None, values, trial))
    return runs


def emulated_cell(plan: Plan, name: str) -> tuple[Experiment, str] | None:
    """The experiment and the kernel's name of an emulated cell `EXPERIMENT/KERNEL`; None where it is none."""
    title, _, kernel = name.partition("#")[0].partition("/")
    for experiment in plan.experiment:
        if experiment.name == title and experiment.source == "emulated":
            limits = experiment.only or [f"{experiment.kernels}-*"]
            if any(_is_meant(limit, kernel) for limit in limits):
                return experiment, kernel
    return None


def _is_meant(limit: str, kernel: str) -> bool:
    """Whether a catalogue name is one that an experiment is limited to: `debian-6.18-4k` is any of 6.18."""
    head, _, pages = limit.rpartition("-")
    return fnmatch.fnmatchcase(kernel, limit) or fnmatch.fnmatchcase(kernel, f"{head}.*-{pages}")


def matching(pattern: str, names: Sequence[str]) -> list[str]:
    """The test names that a plan's pattern (`network/*`) means."""
    return [name for name in names if fnmatch.fnmatchcase(name, pattern)]
