"""What the public history adds to an answer: changes that should mend it, and the releases that have them.

It decides nothing, and what was seen refutes it: a change with which a cell still fails is not named as what
mends it, and a release that failed is not proposed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bootwright.foundation.verdict import Verdict
from bootwright.foundation.versions import Version
from bootwright.investigate.analysis.observations import Observation, Source
from bootwright.investigate.decision.configurations import Configuration, History, is_doubtful
from bootwright.investigate.plans.changes import explaining
from bootwright.investigate.plans.given import Given, fits
from bootwright.investigate.plans.ways import hours_of
from bootwright.investigate.running.investigation import Investigation
from bootwright.kernels.changes import Change


def history_of(investigation: Investigation, given: Given, best: Configuration | None) -> tuple[History, ...]:
    """The changes that explain failures with this value, and that the best configuration's version has."""
    by_what = {change.what: change for change in _explaining(investigation, given)}
    return tuple(
        _released(investigation, change, best)
        for change in by_what.values()
        if best is None or _has(change, best.factors)
    )


def _explaining(investigation: Investigation, given: Given) -> Iterator[Change]:
    """The changes whose symptom was seen with this value, but for those with which it fails too."""
    wanted = investigation.plan.wanted if investigation.plan else {}
    for goal in investigation.goals:
        here = [seen for seen in investigation.counting(goal) if fits(seen.values, {**wanted, **given})]
        failing = [
            seen
            for seen in here
            if seen.source > Source.REPORTED and seen.outcomes.get(goal) is Verdict.FAILS
        ]
        for change in explaining(goal, here):
            having = [seen for seen in failing if _has(change, _levels(seen))]
            showing = [seen for seen in here if change in explaining(goal, [seen])]
            if not any(_alike(old, new, change.factor) for old in showing for new in having):
                yield change


def _levels(seen: Observation) -> dict[str, str]:
    """The levels that are known exactly."""
    return {name: levels[0] for name, levels in seen.values.items() if len(levels) == 1}


def _alike(first: Observation, second: Observation, but: str) -> bool:
    """Whether two cells have the same levels of all factors but one."""
    return {**first.values, but: ()} == {**second.values, but: ()}


def _has(change: Change, factors: Mapping[str, str]) -> bool:
    version = Version.parse(factors.get(change.factor, ""))
    return version is not None and change.is_in(version)


def _released(investigation: Investigation, change: Change, best: Configuration | None) -> History:
    """The first release with a change, else like the best configuration, that is not known to fail."""
    plan = investigation.plan
    for release in plan.release if plan is not None and best is not None else ():
        if best is None or not release.to_be_had or not _has(change, release.factors):
            continue
        factors = {**best.factors, change.factor: release.factors[change.factor]}
        values = {name: (level,) for name, level in factors.items()}
        if release.has(values) and not is_doubtful(investigation, values):
            hours, _ = hours_of(plan, values, investigation.kernels)
            return History(change, release.name, factors[change.factor], hours)
    return History(change, "", "", None)
