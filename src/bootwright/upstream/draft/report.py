"""A report's contents, whatever form it is written in."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import field, frozen

from bootwright.devicetrees.source import SOURCES
from bootwright.foundation.versions import Version
from bootwright.upstream.draft.maintainers import Recipient
from bootwright.upstream.draft.run_facts import Bracket, Cell, RunFacts
from bootwright.upstream.presets import Upstream
from bootwright.upstream.relevance.model import Judged
from bootwright.upstream.relevance.past import Past

MOST_SHOWN = 8
"""Commits of one thing that a report shows, the newest."""
_HASHES = ("kernel_sha256", "probe_sha256", "devicetree_sha256")


@frozen
class History:
    """Commits that touched what the question is about, between the two ends of a bracket."""

    span: str
    """`v6.12..v6.18`."""
    commits: tuple[Judged, ...]
    count: int
    """How many commits were looked at."""


def past_words(past: Past) -> tuple[str, list[str]]:
    """(what it is and how many commits changed it, a line for each that is shown)."""
    number = len(past.changes)
    commits = "1 commit" if number == 1 else f"{number} commits"
    where = f" ({', '.join(past.paths)})" if past.paths else ""
    more = "" if past.is_whole else ", at least"
    shown = [
        f"{change.commit.short}{f', {change.since}' if change.since else ''}: {change.what}"
        for change in past.changes[:MOST_SHOWN]
    ]
    left = number - len(shown)
    return f"{past.concern}{where}: {commits}{more}", shown + ([f"and {left} before"] if left else [])


@frozen
class Evidence:
    """One row: a cell and what it rests on."""

    id: str
    levels: tuple[str, ...]
    verdict: str
    source: str
    seen: str
    """What was seen there, in a few words."""
    hashes: Mapping[str, str]


@frozen
class Report:
    """Everything that is said."""

    upstream: Upstream
    subject: str
    expected: str
    seen: tuple[str, ...]
    environment: Mapping[str, str]
    compared: Cell | None
    """The working cell that differs least from the reported one."""
    differs_in: tuple[str, ...]
    columns: tuple[str, ...]
    evidence: tuple[Evidence, ...]
    brackets: tuple[Bracket, ...]
    labels: Mapping[str, str]
    ruled_out: tuple[str, ...]
    mends: tuple[str, ...]
    changes: tuple[Mapping[str, Any], ...]
    limits: tuple[str, ...]
    reproducer: str
    """How to see it, in commands."""
    program: str
    """The C program, where a step of a probe shows it."""
    program_name: str
    introduced: str
    """What regzbot is told, where it is a regression of the kernel: `v6.17.13..v6.18.15`."""
    recipients: tuple[Recipient, ...] = ()
    history: History | None = None
    pasts: tuple[Past, ...] = ()
    """What became of each thing that the failure hangs on, where a tree is given."""
    notes: tuple[str, ...] = field(default=())
    """For whoever sends it: what is missing yet."""


def compose(
    facts: RunFacts,
    upstream: Upstream,
    labels: Mapping[str, str],
    *,
    steps: Sequence[str],
    program_of: Mapping[str, str],
) -> Report | None:
    """A report of what a run has seen; None where nothing was seen to fail.

    `labels` are of outcomes. `steps` are the plan's tests of the outcome, `program_of` step → C program.
    """
    pair = facts.pair()
    if pair is None:
        return None
    bad, good = pair
    label = labels.get(facts.outcome) or facts.outcome
    step = next((name for name in _failed_steps(bad, steps) if name in program_of), "")
    introduced = _introduced(facts)
    columns = tuple(
        name for name in facts.labels if len({cell.factors.get(name, "") for cell in facts.cells}) > 1
    )
    return Report(
        upstream=upstream,
        subject=_subject(facts, bad, label),
        expected=f"{label}.",
        seen=tuple(_seen(facts, bad, steps)),
        environment=_environment(facts, bad),
        compared=good,
        differs_in=bad.differs_in(good) if good is not None else (),
        columns=columns,
        evidence=tuple(_evidence(facts, cell, columns) for cell in (*facts.failing(), *facts.working())),
        brackets=facts.brackets,
        labels=facts.labels,
        ruled_out=tuple(
            f"{facts.labels.get(refuted.what, refuted.what)}: {refuted.reason} ({', '.join(refuted.by)})"
            for refuted in facts.refuted
        ),
        mends=tuple(
            f"{labels.get(name) or name}: {'works' if works else 'does not always work'} where this fails"
            for name, works in facts.mends.items()
        ),
        changes=facts.changes,
        limits=tuple(
            dict.fromkeys(text for cell in facts.cells if (text := str(cell.evidence.get("limit", ""))))
        ),
        reproducer=_reproducer(bad, step),
        program=program_of.get(step, ""),
        program_name=f"{step}.c" if step else "",
        introduced=introduced,
        notes=tuple(_notes(facts, bad, good, upstream)),
    )


def _failed_steps(cell: Cell, steps: Sequence[str]) -> list[str]:
    failed = [str(test["name"]) for test in cell.failed_tests]
    return [name.partition("/")[2] for name in failed if name in steps]


def _subject(facts: RunFacts, bad: Cell, label: str) -> str:
    cause = next((f"{test['call']}: {test['errno']}" for test in bad.failed_tests if test.get("call")), "")
    goal = bad.goal(facts.outcome)
    if not cause and goal.get("first_broken"):
        cause = str(goal["first_broken"]["link"])
    hazards = [hazard for hazard in goal.get("hazards", ()) if hazard.get("effect") == "fails"]
    if not cause and hazards:
        cause = str(hazards[0]["title"])
    version = next((bad.factors[name] for name in facts.version_factors if name in bad.factors), "")
    where = f"Linux {version}" if version else ""
    return ", ".join(
        part for part in (f"{cause}: {label}: fails" if cause else f"{label}: fails", where) if part
    )


def _seen(facts: RunFacts, bad: Cell, steps: Sequence[str]) -> list[str]:
    lines = [
        ": ".join(
            str(part) for part in (test["name"], test.get("call") or "not ok", test.get("errno")) if part
        )
        for test in bad.failed_tests
        if test["name"] in steps
    ]
    goal = bad.goal(facts.outcome)
    if broken := goal.get("first_broken"):
        lines.append(f"{broken['node']}: {broken['link']}: {broken['reason']}")
    lines += [
        f"{hazard['title']}: {hazard['reason']}"
        for hazard in goal.get("hazards", ())
        if hazard.get("effect") == "fails"
    ]
    if cause := bad.evidence.get("cause"):
        lines.append(str(cause))
    return lines


def _environment(facts: RunFacts, bad: Cell) -> dict[str, str]:
    environment = {facts.labels.get(name) or name: level for name, level in sorted(bad.factors.items())}
    for key, title in (
        ("release", "uname -r"),
        ("kernel", "kernel package"),
        ("machine", "machine"),
        ("emulator", "emulator"),
        ("devicetree", "devicetree"),
        ("devicetree_from", "its origin"),
    ):
        if bad.evidence.get(key):
            environment[title] = str(bad.evidence[key])
    environment["how it is known"] = bad.source
    return environment


def _evidence(facts: RunFacts, cell: Cell, columns: Sequence[str]) -> Evidence:
    goal = cell.goal(facts.outcome)
    seen = next((f"{test['call']}: {test['errno']}" for test in cell.failed_tests if test.get("call")), "")
    if not seen and goal.get("first_broken"):
        seen = str(goal["first_broken"]["link"])
    if not seen:
        struck = [
            str(hazard["name"]) for hazard in goal.get("hazards", ()) if hazard.get("effect") == "fails"
        ]
        seen = struck[0] if struck else ""
    if cell.verdict.value == "works":
        seen = ""
    return Evidence(
        cell.id,
        tuple(cell.factors.get(name, "?") for name in columns),
        cell.verdict.value,
        cell.source,
        seen,
        {
            name.removesuffix("_sha256"): str(cell.evidence[name])
            for name in _HASHES
            if cell.evidence.get(name)
        },
    )


def _introduced(facts: RunFacts) -> str:
    for bracket in facts.brackets:
        if bracket.factor in facts.version_factors and bracket.is_regression:
            return f"v{bracket.works}..v{bracket.fails}"
    return ""


def _reproducer(bad: Cell, step: str) -> str:
    if step:
        return f"cc -o {step} {step}.c && ./{step}"
    kernel, board, stepping = (bad.evidence.get(key) for key in ("kernel", "board", "stepping"))
    source = bad.devicetree_source
    if not kernel or not board or (not source and bad.evidence.get("devicetree")):
        return ""  # whose devicetree it is nobody else can tell: the kernel's own would show something else
    words = ["bootwright", "check", str(kernel)]
    words += ["--devicetrees", str(source)] if source and not bad.is_own else []
    words += ["--board", str(board), *(["--stepping", str(stepping)] if stepping else [])]
    fetch = f"bootwright devicetrees fetch {source}\n" if source in SOURCES.names() else ""
    return fetch + shlex.join(words)


def _notes(facts: RunFacts, bad: Cell, good: Cell | None, upstream: Upstream) -> list[str]:
    notes = []
    if bad.source == "predicted":
        notes.append("it rests on a prediction, not on a boot: see it on the board before you send it")
    elif bad.source == "emulated":
        notes.append("it was seen under emulation: say whether real hardware shows it too")
    if not bad.is_own and upstream.releases == "kernel":
        whose = bad.evidence.get("devicetree_from") or bad.devicetree_source
        notes.append(
            f"the devicetree is not the kernel's own but {whose}: mainline answers for its own; say why this "
            "one should do"
        )
    newest = facts.newest()
    if newest and upstream.releases == "kernel":
        notes.append(
            f"the newest kernel that was tried is {newest}: try the newest mainline before you send it"
        )
    if good is not None and upstream.releases == "kernel" and _is_mended(facts, bad, good):
        version = ", ".join(good.factors[name] for name in facts.version_factors)
        notes.append(
            f"{version} works ({good.id}): mainline has no bug to report; a back-port can be asked for"
        )
    if not facts.settled:
        notes.append("no one cause explains everything that was seen: say so")
    return notes


def _is_mended(facts: RunFacts, bad: Cell, good: Cell) -> bool:
    """Whether a newer version alone makes it work."""
    if not set(bad.differs_in(good)) <= set(facts.version_factors):
        return False
    pairs = [
        (Version.parse(bad.factors[name]), Version.parse(good.factors[name])) for name in bad.differs_in(good)
    ]
    return all(older is not None and newer is not None and older < newer for older, newer in pairs)
