"""A configuration that works, what the public history adds to it, and the commands that lead there."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping

from attrs import frozen

from bootwright.foundation.verdict import Verdict
from bootwright.investigate.analysis.known import known_at
from bootwright.investigate.analysis.observations import Source, Values
from bootwright.investigate.plans.given import Given, silicon
from bootwright.investigate.plans.ways import filled, hours_of, made
from bootwright.investigate.running.investigation import Investigation
from bootwright.kernels.changes import Change
from bootwright.kernels.releases import RELEASES
from bootwright.predict.by_release.known import Subject, advised, by_versions


@frozen
class Configuration:
    """A whole cell in which every goal works, as far as is known."""

    factors: Mapping[str, str]
    basis: Mapping[str, str]
    """Goal → `cell-7 (predicted)` where it was seen there, or the rule that says it works there."""
    source: str
    """How it is known: the weakest kind that any goal rests on."""
    hours: float | None
    """What trying it on a board takes; None where the plan does not say."""
    because: tuple[str, ...]
    """Why it takes longer than the experiment's least."""
    seen: bool
    """A goal was seen to work just there; else rules say all of it."""
    release: str
    """What comes with such a kernel ready made; empty where the plan knows of nothing."""


@frozen
class History:
    """An upstream change whose symptom was seen with a given value; it decided nothing."""

    change: Change
    release: str
    """The first release that has it and is else like the best configuration, or empty."""
    level: str
    """Of the change's factor, in that release."""
    hours: float | None
    """What trying that release on a board takes."""


@frozen
class Way:
    """A command that a person can give to have what the answer says."""

    command: str
    """IMAGE in it stands for an image that the user has."""
    release: str
    """What it fetches ready made; empty where it makes an image of another."""
    factors: Mapping[str, str]
    source: str
    """How it is known that this works: as `Configuration.source`, `history` for the public one alone, or
    `untried` for a release that is in no cell that was looked at, and that nothing known is against."""
    hours: float | None
    note: str = ""
    which: str = ""
    """Of a release that is untried: it and the others, such as `1.12.8 or newer, but not 1.13.0`."""
    known: tuple[str, ...] = ()
    """What is known of it on the board: reports."""


def ways_to(
    investigation: Investigation, given: Given, best: Configuration, history: tuple[History, ...]
) -> tuple[Way, ...]:
    """The release that has the best configuration; else one that by the history should, and what makes it.

    Nothing where the plan knows no command.
    """
    plan = investigation.plan
    if plan is None:
        return ()
    releases = {release.name: release for release in plan.release if release.get}
    ready = [(best.release, best.factors, best.source, best.hours)]
    ready += [
        (known.release, {**best.factors, known.change.factor: known.level}, "history", known.hours)
        for known in history
    ]
    ways = [
        Way(shlex.join(words), name, factors, source, hours)
        for name, factors, source, hours in ready
        if name in releases and (words := filled(plan, releases[name].get, given, {}))
    ]
    seen_there = any(basis.endswith(f"({Source.BENCH.word})") for basis in best.basis.values())
    if not ways and not seen_there:
        ways += _untried(investigation, given, best)
    values = {name: (level,) for name, level in best.factors.items()}
    making = made(plan, values, investigation.kernels)
    if making is not None and not best.release:
        new = "_".join(re.sub(r"[^A-Za-z0-9.+-]+", "-", level) for level in given.values()) or "new"
        standing = {"KERNEL": making.kernel, "CELL": f"{new}.raw"}
        words = filled(plan, making.making.step, given, standing)
        note = making.making.note
        ways += [Way(shlex.join(words), "", best.factors, best.source, best.hours, note)] if words else []
    return tuple(ways)


def _untried(investigation: Investigation, given: Given, best: Configuration) -> list[Way]:
    """The first of the plan's releases that nothing known speaks against on the board, and nothing seen."""
    plan = investigation.plan
    part = silicon(plan, given) if plan is not None else None
    if plan is None or plan.released is None or part is None:
        return []
    released = plan.released
    subject = Subject(
        title=RELEASES.get(released.system).title,
        board=part.board,
        stepping=part.stepping.name,
        image=released.overlay,
        overlays=(),
        known=RELEASES.get(released.system),
        at_hand=False,
    )
    advice = advised(subject)
    for row in advice.releases:
        release = released.of(row.version)
        if release is None or not release.to_be_had or not release.get:
            continue
        factors = {**best.factors, **release.factors}
        values = {name: (level,) for name, level in factors.items()}
        words = filled(plan, release.get, given, {})
        if not words or is_doubtful(investigation, values):
            continue
        hours, _ = hours_of(plan, values, investigation.kernels)
        known = tuple(
            f"{remark.text}; {remark.remedy}" if remark.remedy else remark.text
            for remark in by_versions(subject, row.version)
        )
        which = advice.words if row is advice.releases[0] else str(row.version)
        return [Way(shlex.join(words), release.name, factors, "untried", hours, which=which, known=known)]
    return []


def is_doubtful(investigation: Investigation, values: Values) -> bool:
    """Whether a goal is known to fail in a cell, or boards contradict each other about one."""
    return any(
        known_at(investigation.space, judgement, values).verdict is Verdict.FAILS
        or any(dispute.values == values for dispute in judgement.disputed)
        for judgement in (investigation.judgements[goal] for goal in investigation.goals)
    )
