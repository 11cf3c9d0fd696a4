"""Reading a plan: strictly, so that a slip of the pen is an error that names its place.

An unknown key, a level that no factor has, a report in a cell that the plan itself calls impossible, a
factor with one level: each is refused with what to do about it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import evolve

from bootwright.foundation.choices import hint_for, not_there
from bootwright.foundation.errors import BootwrightError, Malformed, Refused
from bootwright.foundation.knowledge import Kind, parse_table, read_table
from bootwright.foundation.structure import structure
from bootwright.foundation.verdict import Verdict
from bootwright.investigate.plans.given import given_values
from bootwright.investigate.plans.plan import Plan
from bootwright.investigate.plans.table import check_agreement, row_values
from bootwright.investigate.plans.tasks import check_tasks
from bootwright.investigate.plans.values import check_experiment, is_level

SCHEMA = "bootwright/plan/1"
_NEEDED = {
    "emulated": ("kernels", "probe", "yields"),
    "predicted": ("kernels", "devicetree", "goals"),
    "bench": ("levels", "outcomes"),
}


PLANS = Kind("plans", "a plan", Plan)


def load_plan(name_or_path: str) -> Plan:
    """Read a plan by name or path; raises `Missing`, `Malformed` or `Refused` with the place."""
    known = PLANS.files()
    path = known.get(name_or_path) or Path(name_or_path)
    if not path.is_file():
        raise not_there(
            f"there is no plan {name_or_path!r}, and no such file", name_or_path, known, kind="plans"
        )
    return structure_plan(str(path), read_table(path))


def parse_plan(data: bytes, where: str) -> Plan:
    """Read a plan's bytes; raises `Malformed` or `Refused` with the place."""
    return structure_plan(where, parse_table(data, where))


def structure_plan(where: str, document: Mapping[str, Any]) -> Plan:
    """Make a plan of a TOML document; raises `Malformed` for its form and `Refused` for its sense."""
    plan = structure(document, Plan, where)
    if plan.released is not None:
        plan = evolve(plan, release=[*plan.release, *plan.released.releases()])
    if plan.schema != SCHEMA:
        raise Malformed(where, None, f"schema = {SCHEMA!r}", repr(plan.schema)[:80])
    _check(where, plan)
    return plan


def _check(where: str, plan: Plan) -> None:  # noqa: C901, PLR0912
    """Everything that must hold between the parts of a plan."""

    def refuse(message: str, hint: str) -> BootwrightError:
        return Refused(f"{where}: {message}", hint=hint)

    for name, factor in plan.factor.items():
        if len(set(factor.levels)) < 2 and not factor.fact:
            raise refuse(
                f"factor {name} has one level, so nothing can follow about it",
                "give it the other levels that could be run, or leave it out",
            )
    ids = [report.id for report in plan.report] + [belief.id for belief in plan.belief]
    ids += [release.name for release in plan.release]
    for doubled in {name for name in ids if ids.count(name) > 1}:
        raise refuse(f"two parts are called {doubled}", "give each its own id")
    for place, values in _level_uses(plan):
        for name, levels in values.items():
            if name not in plan.factor:
                raise refuse(
                    f"{place} names factor {name}, which the plan does not declare",
                    hint_for(name, plan.factor, kind="its factors"),
                )
            for level in levels:
                if not is_level(plan, name, level):
                    raise refuse(
                        f"{place}: factor {name} has no level {level!r}",
                        hint_for(level, plan.factor[name].levels, kind="its levels"),
                    )
    for place, outcome in _outcome_uses(plan):
        if outcome not in plan.outcome:
            raise refuse(
                f"{place} names outcome {outcome}, which the plan does not declare",
                hint_for(outcome, plan.outcome, kind="its outcomes"),
            )
    for report in plan.report:
        for name, word in report.outcomes.items():
            if word not in set(Verdict):
                raise refuse(f"report {report.id}: {name} = {word!r}", "write works, fails or unknown")
        reason = plan.why_impossible(row_values(report.id, report.factors))
        if reason:
            raise refuse(
                f"report {report.id} is in a cell that cannot exist: {reason}",
                "correct the report, or the [[impossible]] rule",
            )
    for experiment in plan.experiment:
        for key in _NEEDED[experiment.source]:
            if not getattr(experiment, key):
                raise refuse(
                    f"experiment {experiment.name} is {experiment.source} and has no {key}",
                    "see docs/plans.md",
                )
        try:
            check_experiment(experiment)
        except BootwrightError as error:
            raise refuse(f"experiment {experiment.name}: {error.message}", error.hint or "") from error
    try:
        given_values(plan)
        check_tasks(
            plan.task, plan.decision, list(plan.outcome), list(plan.factor), [b.id for b in plan.belief]
        )
    except BootwrightError as error:
        raise refuse(error.message, error.hint or "") from error
    if not plan.goals:
        raise refuse("no outcome is a goal", "set goal = true for what you want to work")
    check_agreement(where, plan.reports())


def _level_uses(plan: Plan) -> list[tuple[str, dict[str, tuple[str, ...]]]]:
    """(place, factor → levels) of everything that must name declared levels."""
    uses = [(f"report {r.id}", row_values(r.id, r.factors)) for r in plan.report]
    uses.append(("wanted", {name: (level,) for name, level in plan.wanted.items()}))
    uses.append(("given", {name: tuple(plan.factor[name].given) for name in plan.given}))
    for experiment in plan.experiment:
        place = f"experiment {experiment.name}"
        uses.append((place, {name: (level,) for name, level in experiment.set.items()}))
        uses.append((place, {name: tuple(levels) for name, levels in experiment.levels.items()}))
        uses += [(place, _exact(dearer.factors)) for dearer in experiment.dearer]
        sets = [part.set for part in experiment.yields] + [tree.set for tree in experiment.devicetree]
        uses += [(place, {name: (level,) for name, level in levels.items()}) for levels in sets]
    for belief in plan.belief:
        causes = [belief.cause, *(proxy.cause for proxy in belief.proxy)]
        uses += [
            (f"belief {belief.id}", {n: (t.lstrip("<>="),) for n, t in cause.items()}) for cause in causes
        ]
    uses += [
        (f"release {release.name}", {name: (level,) for name, level in release.factors.items()})
        for release in plan.release
    ]
    uses += [("an [[impossible]] rule", _exact(rule.factors)) for rule in plan.impossible]
    uses += [
        (f"task {task.id}", _exact(criterion.cells)) for task in plan.task for criterion in task.criterion
    ]
    return uses


def _exact(factors: Mapping[str, str | list[str]]) -> dict[str, tuple[str, ...]]:
    """Factor → the versions of bounds (`>=6.13`) and levels that a rule names."""
    return {
        name: tuple(text.lstrip("<>=") for text in ([given] if isinstance(given, str) else given))
        for name, given in factors.items()
    }


def _outcome_uses(plan: Plan) -> list[tuple[str, str]]:
    uses = [(f"report {report.id}", name) for report in plan.report for name in report.outcomes]
    for experiment in plan.experiment:
        uses += [(f"experiment {experiment.name}", part.outcome) for part in experiment.yields]
        uses += [
            (f"experiment {experiment.name}", name)
            for name in (*experiment.outcomes, *experiment.goals, *experiment.tell)
        ]
    uses += [
        (f"outcome {name}", plan_outcome.mends)
        for name, plan_outcome in plan.outcome.items()
        if plan_outcome.mends
    ]
    uses += [("touches", touches.outcome) for touches in plan.touches]
    for belief in plan.belief:
        uses += [(f"belief {belief.id}", name) for name in [belief.outcome] if name]
        uses += [(f"belief {belief.id}", proxy.outcome) for proxy in belief.proxy]
    return uses
