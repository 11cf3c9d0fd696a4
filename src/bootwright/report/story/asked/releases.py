"""What a plan's decision says of one release that somebody asks about, in words."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import frozen

from bootwright.foundation.versions import Version
from bootwright.investigate.decision.at_release import at_release
from bootwright.investigate.decision.decide import Decision
from bootwright.investigate.decision.given import Answer
from bootwright.investigate.plans.plan import Plan, Release
from bootwright.investigate.running.investigation import Investigation
from bootwright.kernels.releases import RELEASES
from bootwright.report.story.names import Names, value
from bootwright.report.words import clean, listed


@frozen
class AskedRelease:
    """A release for one given value."""

    name: str
    """`Talos 1.12.6`."""
    given: str
    """The given value, as `WhatToDo.name`."""
    verdict: str
    says: tuple[str, ...]


def asked_release(
    investigation: Investigation, decision: Decision, system: str, version: Version
) -> tuple[tuple[AskedRelease, ...], str]:
    """What is known of a system's version for each answer; without any, why nothing is, in one sentence.

    Both are empty for a plan that has no releases of the system.
    """
    plan = investigation.plan
    if plan is None or plan.released is None or plan.released.system != system:
        return (), ""
    release = plan.released.of(version)
    if release is None:
        return (), _outside(plan, version)
    names = Names(investigation)
    return tuple(_asked(investigation, answer, release, names) for answer in decision.answers), ""


def _outside(plan: Plan, version: Version) -> str:
    """Which versions it is about, where it is not about this one."""
    if plan.released is None:
        return ""
    known = RELEASES.get(plan.released.system)
    about = [release.version for release in known.releases if plan.released.covers(release.version)]
    number = version.text.removeprefix("v")
    what = f"{about[0]} to {about[-1]}" if len(about) > 1 else listed([str(number) for number in about])
    return (
        f"These runs are about {known.title} {what}, and say nothing of {number}: what follows is for those."
    )


def _asked(investigation: Investigation, answer: Answer, release: Release, names: Names) -> AskedRelease:
    in_stead = investigation.plan.released.told if investigation.plan and investigation.plan.released else {}
    at = at_release(investigation, answer, release)

    def levels(factors: Iterable[str]) -> str:
        return ", ".join(f"{names.factor(name)}: {clean(at.factors[name], 80)}" for name in factors)

    counts_as = [name for name in release.factors if name not in in_stead]
    beside = [name for name in at.factors if name not in release.factors and name not in answer.given]
    by_verdict: dict[str, list[str]] = {}
    for goal, verdict in at.outcomes.items():
        by_verdict.setdefault(str(verdict), []).append(f"“{names.outcome(goal)}”")
    says = [f"It comes with {levels(name for name in release.factors if name in in_stead)}."]
    if counts_as:
        says.append(f"In these runs it counts as {levels(counts_as)}.")
    if beside:
        says.append(f"This holds with {levels(beside)}.")
    says.append(
        "; ".join(f"{verdict}: {listed(goals)}" for verdict, goals in sorted(by_verdict.items())) + "."
    )
    for known in answer.history:
        level = Version.parse(release.factors.get(known.change.factor, ""))
        if level is not None:
            has = "has" if known.change.is_in(level) else "lacks"
            what = clean(known.change.what, 300)
            says.append(f"It {has} the change that mends what was seen to fail there: {what}.")
    return AskedRelease(clean(release.name, 120), value(answer.given, names), str(at.verdict), tuple(says))
