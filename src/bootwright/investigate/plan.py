"""Plans: the reports, the beliefs drawn from them, and what can be run to tell the causes apart.

A plan is one TOML file (`data/plans/`, or a path of the user's own); docs/plans.md describes every key.
Reading is strict: an unknown key, a level that no factor has, a cell that the plan itself calls
impossible, are errors that name their place.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import cattrs
from attrs import field, frozen
from cattrs.errors import ClassValidationError

from bootwright.foundation.errors import BootwrightError, Malformed, Missing, Refused
from bootwright.foundation.places import data_files
from bootwright.foundation.verdict import Verdict
from bootwright.foundation.versions import Version
from bootwright.investigate.observations import Observation, Source
from bootwright.investigate.table import check_agreement, row_values

SCHEMA = "bootwright/plan/1"
_MAX_BYTES = 1 << 20


@frozen
class PlanFactor:
    """A factor as the plan declares it. `fact` names what of a kernel that is booted gives its level:
    `version` or `page_size`."""

    label: str = ""
    levels: list[str] = field(factory=list)
    fact: Literal["", "version", "page_size"] = ""


@frozen
class PlanOutcome:
    """Something that works or fails. Only goals are pursued; the others are told along the way."""

    label: str = ""
    goal: bool = False
    note: str = ""


@frozen
class PlanReport:
    """What somebody saw."""

    id: str
    factors: dict[str, str | list[str]]
    outcomes: dict[str, str]
    found_at: str = ""
    note: str = ""


@frozen
class Proxy:
    """A belief's narrower claim on another outcome, which can be tested where the belief itself cannot."""

    outcome: str
    cause: dict[str, str]
    claim: str
    limit: str


@frozen
class Belief:
    """What somebody concluded: that `outcome` fails because of `cause`."""

    id: str
    says: str
    outcome: str = ""
    cause: dict[str, str] = field(factory=dict)
    proxy: list[Proxy] = field(factory=list)
    set_aside: str = ""
    """Why the report's author already gave it up."""


@frozen
class Yield:
    """An observation that one run makes: `outcome` works when all `tests` are ok."""

    outcome: str
    tests: list[str]
    set: dict[str, str] = field(factory=dict)


@frozen
class Experiment:
    """A kind of run. Emulated: every kernel of `kernels` that fits, on `machine`. Bench: every
    combination of `levels`, on a real board, by a person."""

    name: str
    source: Literal["emulated", "bench"]
    yields: list[Yield] = field(factory=list)
    set: dict[str, str] = field(factory=dict)
    machine: str = "virt"
    probe: list[str] = field(factory=list)
    kernels: str = ""
    """Kernel source (`debian`)."""
    only: list[str] = field(factory=list)
    """Catalogue names, short ones too, that the experiment is limited to; empty for all."""
    modules: bool = False
    seconds: float = 3.0
    hours: float = 1.0
    levels: dict[str, list[str]] = field(factory=dict)
    outcomes: list[str] = field(factory=list)
    how: str = ""
    limit: str = ""


@frozen
class Impossible:
    """Levels that cannot go together, and why."""

    factors: dict[str, str | list[str]]
    because: str


@frozen
class Plan:
    """A whole plan."""

    schema: str
    name: str
    title: str
    question: str
    factor: dict[str, PlanFactor]
    outcome: dict[str, PlanOutcome]
    report: list[PlanReport] = field(factory=list)
    belief: list[Belief] = field(factory=list)
    experiment: list[Experiment] = field(factory=list)
    impossible: list[Impossible] = field(factory=list)
    found_at: list[str] = field(factory=list)

    @property
    def goals(self) -> tuple[str, ...]:
        """The outcomes the plan is for."""
        return tuple(name for name, outcome in self.outcome.items() if outcome.goal)

    def reports(self) -> list[Observation]:
        """The reports as observations."""
        return [
            Observation(
                id=report.id,
                values=row_values(report.id, report.factors),
                outcomes={name: Verdict(word) for name, word in report.outcomes.items()},
                source=Source.REPORTED,
                evidence={
                    key: text for key, text in (("found-at", report.found_at), ("note", report.note)) if text
                },
            )
            for report in self.report
        ]

    def possible(self, values: Mapping[str, tuple[str, ...]]) -> bool:
        """Whether the plan knows of no reason why a cell cannot exist."""
        return not any(self._matches(rule, values) for rule in self.impossible)

    @staticmethod
    def _matches(rule: Impossible, values: Mapping[str, tuple[str, ...]]) -> bool:
        for name, wanted in rule.factors.items():
            allowed = (wanted,) if isinstance(wanted, str) else tuple(wanted)
            have = values.get(name, ())
            if len(have) != 1 or not any(_fits(have[0], bound) for bound in allowed):
                return False
        return True


def _fits(level: str, wanted: str) -> bool:
    """Whether a level is `wanted`, which may be a bound: `<6.17`, `>=6.19`."""
    for sign in ("<", ">="):
        if wanted.startswith(sign):
            have, bound = Version.parse(level), Version.parse(wanted.removeprefix(sign))
            return have is not None and bound is not None and ((have < bound) == (sign == "<"))
    return level == wanted


def plan_names() -> list[str]:
    """The plans that come with bootwright."""
    return [path.stem for path in data_files("plans")]


def load_plan(name_or_path: str) -> Plan:
    """Read a plan by name or path; raises `Missing`, `Malformed` or `Refused` with the place."""
    known = {path.stem: path for path in data_files("plans")}
    path = known.get(name_or_path) or Path(name_or_path)
    if not path.is_file():
        near = difflib.get_close_matches(name_or_path, known, n=1)
        hint = (
            f"did you mean {near[0]}?"
            if near
            else f"plans: {', '.join(known)}; or give the path of a plan file"
        )
        raise Missing(f"there is no plan {name_or_path!r}", hint=hint)
    try:
        data = path.read_bytes()
        if len(data) > _MAX_BYTES:
            raise Malformed(str(path), _MAX_BYTES, "a plan of at most 1 MiB", "more")
        document = tomllib.loads(data.decode())
    except OSError as error:
        raise Missing(f"cannot read {path}: {error.strerror}", hint="check its permissions") from error
    except UnicodeDecodeError as error:
        raise Malformed(str(path), error.start, "UTF-8 text", "something else") from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise Malformed(str(path), None, "TOML", str(error) or "nesting that is too deep") from error
    return structure_plan(str(path), document)


def structure_plan(where: str, document: Mapping[str, Any]) -> Plan:
    """Make a plan of a TOML document; raises `Malformed` for its form and `Refused` for its sense."""
    converter = cattrs.Converter(forbid_extra_keys=True, detailed_validation=True)
    converter.register_structure_hook(str, _text)
    converter.register_structure_hook(float, _number)
    converter.register_structure_hook(bool, _flag)
    converter.register_structure_hook_func(lambda kind: kind == str | list[str], _text_or_list)
    try:
        plan = converter.structure(document, Plan)
    except ClassValidationError as error:
        first = cattrs.transform_error(error, path="plan")[0]
        raise Malformed(
            where, None, "a plan as docs/plans.md says", first, hint="see docs/plans.md"
        ) from error
    except (TypeError, ValueError, AttributeError, KeyError) as error:
        raise Malformed(where, None, "a plan as docs/plans.md says", str(error)[:200]) from error
    if plan.schema != SCHEMA:
        raise Malformed(where, None, f"schema = {SCHEMA!r}", repr(plan.schema)[:80])
    _check(where, plan)
    return plan


def _text(value: object, _: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"text is needed, not {value!r}")
    return value


def _number(value: object, _: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"a number is needed, not {value!r}")
    return float(value)


def _flag(value: object, _: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"true or false is needed, not {value!r}")
    return value


def _text_or_list(value: object, _: object) -> str | list[str]:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return value
    raise TypeError(f"text or a list of texts is needed, not {value!r}")


def _check(where: str, plan: Plan) -> None:
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
    for doubled in {name for name in ids if ids.count(name) > 1}:
        raise refuse(f"two parts are called {doubled}", "give each its own id")
    for place, values in _level_uses(plan):
        for name, levels in values.items():
            if name not in plan.factor:
                raise refuse(
                    f"{place} names factor {name}, which the plan does not declare", _known(plan.factor)
                )
            factor = plan.factor[name]
            for level in levels:
                if level not in factor.levels and not (factor.fact and Version.parse(level)):
                    raise refuse(f"{place}: factor {name} has no level {level!r}", _known(factor.levels))
    for place, outcome in _outcome_uses(plan):
        if outcome not in plan.outcome:
            raise refuse(
                f"{place} names outcome {outcome}, which the plan does not declare", _known(plan.outcome)
            )
    for report in plan.report:
        for name, word in report.outcomes.items():
            if word not in set(Verdict):
                raise refuse(f"report {report.id}: {name} = {word!r}", "write works, fails or unknown")
        for rule in plan.impossible:
            if plan._matches(rule, row_values(report.id, report.factors)):
                raise refuse(
                    f"report {report.id} is in a cell that cannot exist: {rule.because}",
                    "correct the report, or the [[impossible]] rule",
                )
    for experiment in plan.experiment:
        emulated = experiment.source == "emulated"
        if emulated and not (experiment.kernels and experiment.probe and experiment.yields):
            raise refuse(f"experiment {experiment.name} is emulated", "it needs kernels, probe and yields")
        if not emulated and not (experiment.levels and experiment.outcomes):
            raise refuse(f"experiment {experiment.name} is for the bench", "it needs levels and outcomes")
    if not plan.goals:
        raise refuse("no outcome is a goal", "set goal = true for what you want to work")
    check_agreement(where, plan.reports())


def _known(names: Mapping[str, object] | list[str]) -> str:
    return f"known: {', '.join(names)}"


def _level_uses(plan: Plan) -> list[tuple[str, dict[str, tuple[str, ...]]]]:
    """(place, factor → levels) of everything that must name declared levels."""
    uses = [(f"report {r.id}", row_values(r.id, r.factors)) for r in plan.report]
    for experiment in plan.experiment:
        place = f"experiment {experiment.name}"
        uses.append((place, {name: (level,) for name, level in experiment.set.items()}))
        uses.append((place, {name: tuple(levels) for name, levels in experiment.levels.items()}))
        uses += [(place, {name: (level,) for name, level in y.set.items()}) for y in experiment.yields]
    for belief in plan.belief:
        causes = [belief.cause, *(proxy.cause for proxy in belief.proxy)]
        uses += [
            (f"belief {belief.id}", {n: (t.lstrip("<>="),) for n, t in cause.items()}) for cause in causes
        ]
    return uses


def _outcome_uses(plan: Plan) -> list[tuple[str, str]]:
    uses = [(f"report {report.id}", name) for report in plan.report for name in report.outcomes]
    for experiment in plan.experiment:
        uses += [(f"experiment {experiment.name}", part.outcome) for part in experiment.yields]
        uses += [(f"experiment {experiment.name}", name) for name in experiment.outcomes]
    for belief in plan.belief:
        uses += [(f"belief {belief.id}", name) for name in [belief.outcome] if name]
        uses += [(f"belief {belief.id}", proxy.outcome) for proxy in belief.proxy]
    return uses
