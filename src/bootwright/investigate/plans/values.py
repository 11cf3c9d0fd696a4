"""Values that a plan, or a table given with it, takes from elsewhere: each must exist."""

from __future__ import annotations

from collections.abc import Iterable

from bootwright.boards.model import board
from bootwright.devicetrees.source import SOURCES
from bootwright.foundation.choices import hint_for, one_of
from bootwright.foundation.errors import Refused
from bootwright.foundation.places import DATA
from bootwright.foundation.versions import Version
from bootwright.investigate.analysis.observations import Observation
from bootwright.investigate.plans.plan import Experiment, Plan
from bootwright.kernels.source import load_sources
from bootwright.lab.machines.machine import MACHINES
from bootwright.lab.probes.boot import probe_names


def is_level(plan: Plan, factor: str, level: str) -> bool:
    """Whether a factor of the plan has a level: a declared one, one of an experiment, or any version.

    Only a factor that is a kernel's version takes versions that the plan does not list.
    """
    declared = plan.factor[factor]
    if level in declared.levels or any(
        level in experiment.levels.get(factor, ()) for experiment in plan.experiment
    ):
        return True
    return declared.fact == "version" and Version.parse(level) is not None


def check_observations(plan: Plan, observations: Iterable[Observation], where: str) -> None:
    """Raise `Refused` for a factor, level or outcome of a user's table that the plan does not have."""
    for seen in observations:
        for name, levels in seen.values.items():
            if name not in plan.factor:
                raise Refused(
                    f"{where}: {seen.id} names factor {name}, which the plan does not declare",
                    hint=hint_for(name, plan.factor, kind="its factors"),
                )
            for level in levels:
                if not is_level(plan, name, level):
                    known = [
                        *plan.factor[name].levels,
                        *(
                            level
                            for experiment in plan.experiment
                            for level in experiment.levels.get(name, ())
                        ),
                    ]
                    raise Refused(
                        f"{where}: {seen.id}: factor {name} of the plan has no level {level!r}",
                        hint=hint_for(level, known, kind="its levels"),
                    )
        for outcome in seen.outcomes:
            if outcome not in plan.outcome:
                raise Refused(
                    f"{where}: {seen.id} names outcome {outcome}, which the plan does not declare",
                    hint=hint_for(outcome, plan.outcome, kind="its outcomes"),
                )


def check_experiment(experiment: Experiment) -> None:
    """Raise `Refused` for a machine, probe, kernel source, board, stepping, goal or file that is none."""
    if experiment.source == "emulated":
        one_of(experiment.machine, MACHINES.names(), what="machine", kind="machines")
        probe_names(experiment.probe)
    if experiment.kernels:
        sources = [source.name for source in load_sources(None)]
        one_of(experiment.kernels, sources, what="source of kernels", kind="sources")
    for tree in experiment.devicetree:
        which = board(tree.board)
        which.stepping(tree.stepping)
        for goal in experiment.goals.values():
            which.goal(goal)
        if tree.source:
            one_of(tree.source, SOURCES.names(), what="devicetree source", kind="devicetrees")
        if tree.file:
            files = sorted(path.name for path in (DATA / "devicetrees").glob("*.dts"))
            one_of(tree.file, files, what="devicetree", kind="devicetrees")
