"""What must hold between a log and a changed copy of it: the changes, and what each may alter.

No label is needed: the outcome of the untouched log is compared with the outcome of its copies. What a copy
may alter is part of the relation: a log that is cut after its proof still shows the failure; a cut healthy
boot never shows one.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from functools import cache

from attrs import evolve, field, frozen

from bootwright.diagnose.closer.kept import MOST as LOOKED_AT
from bootwright.diagnose.engine import diagnose_bytes
from bootwright.diagnose.judging.shapes import looks_wrong
from bootwright.diagnose.messages.speaker import speaker
from bootwright.diagnose.model import RANKS, Diagnosis, Finding, Outcome, Severity
from bootwright.diagnose.signatures.banners import banner_of
from bootwright.diagnose.signatures.knowledge import load
from bootwright.diagnose.signatures.model import Knowledge, Rule
from bootwright.formats.messages.model import ERROR, INFO
from captured import SECOND_CONSOLE, Wrapper
from other_clocks import BOOTED, CLOCK, lines_of, with_other_clocks

NOISE = 200
"""Harmless lines that are mixed in."""
CUTS = 40
"""Places at which a healthy log is cut, where it has more lines."""

_STAMP = re.compile(rb"^\[ *\d+\.\d{6}\](?:\[ *[TC]\d+\])? ?")
_ANY_STAMP = re.compile(
    rb"^(?:<\d+>)?(?:\[ *\d+\.\d{3,9}\](?:\[ *[TC]\d+\])? ?"
    rb"|[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d (?=\S+ )"
    rb"|\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)? "
    rb"|\[?\d\d:\d\d:\d\d(?:\.\d+)?\]? )"
)
_OF_SYSLOG = re.compile(rb"^((?:[\w.-]+ )?(?:[a-z0-9]+\.[a-z]+ )?kernel: )\[ *\d+\.\d{6}\] ")
"""The kernel's own clock, behind host and facility, which stay: they are no times."""
_TALOS = re.compile(rb"^(?:\d+\.){3}\d+: ")


@frozen
class Case:
    """A log to change."""

    name: str
    data: bytes = field(repr=False)
    healthy: bool
    """Whether its label says boot-ok."""
    proof: bytes
    """Text of a line that proves the failure, by its label; empty where there is none."""
    before: Diagnosis = field(repr=False)
    """Of the untouched log."""


@frozen
class Copy:
    """A changed log."""

    data: bytes = field(repr=False)
    change: str
    """What was done, where a relation makes several copies."""


@frozen
class Relation:
    """One change and what it may alter."""

    name: str
    title: str
    copies: Callable[[Case, Sequence[bytes], random.Random], Iterator[Copy]]
    allows: Callable[[Outcome, Outcome], bool]
    """Whether the outcome of the copy (second) agrees with that of the untouched log (first)."""
    keeps_cause: bool = True
    """Whether the root cause should stay too: not where lines that may tell it are cut off."""
    must_hold: bool = True
    """Whether it is expected of every log; else it is only counted."""


def same(before: Outcome, after: Outcome) -> bool:
    """The outcome stays."""
    return before is after


def still_shown(before: Outcome, after: Outcome) -> bool:
    """A failure stays one; a flaw stays one, or looks fatal now that what survived it is cut off."""
    if before is Outcome.DEGRADED:
        return after in {Outcome.DEGRADED, Outcome.FAILED}
    return before is after


def never_failed(_before: Outcome, after: Outcome) -> bool:
    """A boot that came up says nowhere on its way that it failed."""
    return after is not Outcome.FAILED


def without_stamps(case: Case, _noise: Sequence[bytes], _chance: random.Random) -> Iterator[Copy]:
    """Not where the clock decides: of such a log nobody can know without it."""
    if not (rests_on_its_clock(case) or rests_on_its_stamps(case)):
        yield from _bare(case)


def without_the_clock(case: Case, _noise: Sequence[bytes], _chance: random.Random) -> Iterator[Copy]:
    """Where it decides: how often the rest of the log tells all the same."""
    if rests_on_its_clock(case) or rests_on_its_stamps(case):
        yield from _bare(case)


def _bare(case: Case) -> Iterator[Copy]:
    lines = lines_of(case.data)
    bare = [_OF_SYSLOG.sub(rb"\1", _ANY_STAMP.sub(b"", line)) for line in lines]
    if bare != lines:
        yield Copy(b"\n".join(bare), "")


def rests_on_its_stamps(case: Case) -> bool:
    """Whether nothing but the stamps shows that a kernel ran, all that makes the log a healthy one."""
    return case.before.outcome is Outcome.BOOT_OK and not any(boot.stages for boot in case.before.boots)


def rests_on_its_clock(case: Case) -> bool:
    """Whether the outcome is another one with a clock of another pace, or one that starts with the log.

    A task that was begun a second or five minutes before the log ends, an oops at boot or hours later: the
    same lines, and the stamps alone tell which it is.
    """
    return any(
        diagnose_bytes(data, "log", load()).outcome is not case.before.outcome
        for data in with_other_clocks(case.data)
        if data != case.data
    )


def with_syslog(case: Case, _noise: Sequence[bytes], _chance: random.Random) -> Iterator[Copy]:
    """The kernel's lines as a system log has them; all others as a console server logs them."""
    out = []
    for number, line in enumerate(lines_of(case.data)):
        if line:
            speaker = b"host kernel: " if _STAMP.match(line) else b""
            clock = b"10:%02d:%02d" % (number // 60 % 60, number % 60)
            prefix = b"Nov 20 " + clock + b" " + speaker if speaker else b"[2026-11-20T" + clock + b"Z] "
            line = prefix + line
        out.append(line)
    yield Copy(b"\n".join(out), "")


def with_talos_prefix(case: Case, _noise: Sequence[bytes], _chance: random.Random) -> Iterator[Copy]:
    """As `talosctl dmesg` prints the kernel's ring: only where the log is one.

    It gives dates: where it matters how long before the log the machine was started, nobody can know it.
    """
    lines = [line for line in lines_of(case.data) if line.strip()]
    stamped = sum(_STAMP.match(line) is not None for line in lines)
    if not lines or stamped < len(lines) or any(_TALOS.match(line) for line in lines):
        return
    if rests_on_its_clock(case):
        return
    out = []
    for line in lines:
        text = _STAMP.sub(b"", line)
        facility = b"user: warning" if text.startswith(b"[talos]") else b"kern: " + _level_name(line)
        seconds = float(re.search(rb"\d+\.\d+", line)[0])  # type: ignore[index]
        when = f"{BOOTED + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%S.%fZ}".encode()
        out.append(b"192.0.2.9: " + facility + b": [" + when + b"]: " + text)
    yield Copy(b"\n".join(out) + b"\n", "")


def _level_name(line: bytes) -> bytes:
    """As the kernel that printed the line would have it: by its formats, else by the form of the line.

    One level for all lines would make errors of information, and the other way round. Where formats differ
    the line is made no graver than it may be.
    """
    text = _STAMP.sub(b"", line)
    said_by = speaker(text)
    if said_by is not None and said_by.levels:
        return _LEVELS[said_by.levels[-1]]
    return _LEVELS[ERROR if looks_wrong(text) else INFO]


_LEVELS = (b"emerg", b"alert", b"crit", b"err", b"warning", b"notice", b"info", b"debug")


def with_wrapper(case: Case, _noise: Sequence[bytes], chance: random.Random) -> Iterator[Copy]:
    """As a tool wrote it that nobody here knows. Not a log in which nothing tells that it is wrapped one."""
    lines = [line for line in lines_of(case.data) if line.strip()]
    clocks = sum(CLOCK.match(line) is not None for line in lines)
    if len(lines) < _WRAPPED or not (clocks >= _CLOCKS or _begins(lines)):
        return
    wrapper = Wrapper(chance)
    yield Copy(b"\n".join(map(wrapper, lines_of(case.data))), f"such as `{wrapper(b'').decode()}`")


def _begins(lines: Sequence[bytes]) -> bool:
    banner = banner_of(load())
    return any(banner(line.lstrip()) for line in lines[:_SEEN])


_WRAPPED, _CLOCKS, _SEEN = 8, 3, 200
"""Lines of a log, and of a kernel's clock, from which on a wrapper is told; lines looked at for a banner."""


def with_windows_ends(case: Case, _noise: Sequence[bytes], _chance: random.Random) -> Iterator[Copy]:
    yield Copy(b"\r\n".join(lines_of(case.data)), "")


def with_second_console(case: Case, _noise: Sequence[bytes], chance: random.Random) -> Iterator[Copy]:
    out = []
    lines = lines_of(case.data)
    for line in lines[:-1]:
        out.append(line)
        if chance.random() < 0.2:
            out.append(chance.choice(SECOND_CONSOLE))
    yield Copy(b"\n".join([*out, lines[-1]]), "")


def with_kernel_noise(case: Case, noise: Sequence[bytes], chance: random.Random) -> Iterator[Copy]:
    """Between two lines that carry the kernel's clock: elsewhere the kernel does not speak.

    Not in an excerpt whose answer rests on what it consists of (docs/diagnose.md): with 200 lines more it is
    no excerpt of those errors any more, but a log that holds a few. Not right before the kernel's version
    either: no driver speaks before it.
    """
    if rests_on_its_share(case):
        return
    lines = lines_of(case.data)
    stamps = [_STAMP.match(line) for line in lines]
    places = [
        place
        for place in range(1, len(lines))
        if stamps[place - 1] and stamps[place] and _VERSION.match(lines[place]) is None
    ]
    if not places or not noise:
        return
    added: dict[int, list[bytes]] = {}
    for text in chance.choices(noise, k=NOISE):
        added.setdefault(chance.choice(places), []).append(text)
    out = []
    for place, line in enumerate(lines):
        stamp = stamps[place - 1] if place else None
        out += [(stamp[0] if stamp else b"") + text for text in added.get(place, ())]
        out.append(line)
    yield Copy(b"\n".join(out), "")


_VERSION = re.compile(_STAMP.pattern + rb"Linux version \d")


def rests_on_its_share(case: Case) -> bool:
    """Whether the outcome is what it is because so many of the log's lines are errors."""
    if case.before.outcome not in _FAILING or case.before.lines > _LONGEST_EXCERPT:
        return False
    return diagnose_bytes(case.data, "log", _without_shares()).outcome is not case.before.outcome


_BY_SHARE = {"@log/errors", "@log/about", "@log/quoted", "@window/errors", "@window/about", "@window/stack"}


@cache
def _without_shares() -> Knowledge:
    """What is known, without the signatures that count errors."""
    known = load()
    signatures = tuple(
        evolve(entry, rule=Rule(seen=("@never",)), cases=())
        if _BY_SHARE & set(entry.rule.triggers)
        else entry
        for entry in known.signatures
    )
    return Knowledge(signatures, known.markers, known.facts, known.components, known.ends)


_FAILING = frozenset({Outcome.FAILED, Outcome.DEGRADED})
_LONGEST_EXCERPT = 1024
"""Lines; the longest piece of a log that is taken for an excerpt (`closer.excerpts.window`)."""


def cut_after_proof(case: Case, _noise: Sequence[bytes], _chance: random.Random) -> Iterator[Copy]:
    """After the last line that the diagnosis or the label gives as proof, where that line alone proves it.

    What is waited for in vain is proved by the time that passes after it. Where nothing was reported, nothing
    is proved.
    """
    if case.healthy or case.before.outcome not in _FAILING:
        return
    if any(finding.signature in _waits() for finding in serious(case.before)):
        return
    lines = lines_of(case.data)
    labelled = [number for number, line in enumerate(lines, 1) if case.proof and case.proof in line]
    shown = [line.number for finding in serious(case.before) for line in finding.lines]
    end = max([*labelled, *shown], default=len(lines))
    if end < len(lines):
        yield Copy(b"\n".join(lines[:end]) + b"\n", f"after line {end}")


@cache
def _waits() -> frozenset[str]:
    """Signatures of what lasts, or is serious once it has lasted: the log must go on to prove them."""
    return frozenset(
        signature.name
        for signature in load().signatures
        if signature.open_end
        or any(rule.lasts is not None for rule in (signature.rule, *(case.rule for case in signature.cases)))
    )


_STARTS = {"firmware", "boot-loader", "kernel"}
_AT_WORK = "programs at work"
"""What a kernel does for programs of a system alone: the label of that stage."""


def twice(case: Case, _noise: Sequence[bytes], _chance: random.Random) -> Iterator[Copy]:
    """Only a boot that has a start and an end.

    One that stops in its loader and starts again has restarted there, and so may one that stops as its first
    program starts, before that is seen to do anything: a loop, or captured twice. An excerpt without a start
    says its lines twice in one boot, and what is said often weighs more. What is looked at closely as one log
    is not as two that are longer than such a log may be.
    """
    if not any(stage.name in _STARTS for stage in case.before.boots[0].stages):
        return
    if len(case.data) <= LOOKED_AT < 2 * len(case.data):
        return
    last = case.before.boots[-1]
    worked = any(stage.name in {"services", "ready"} or stage.label == _AT_WORK for stage in last.stages)
    if not worked and case.before.outcome is not Outcome.FAILED:
        return
    end = b"" if case.data.endswith(b"\n") else b"\n"
    yield Copy(case.data + end + case.data, "")


def healthy_cut(case: Case, _noise: Sequence[bytes], chance: random.Random) -> Iterator[Copy]:
    """Not behind a flaw, nor from a restart without a word to where the machine got further.

    There what is left shows a failure, and what showed that it was got over is cut off.
    """
    if not case.healthy:
        return
    lines = lines_of(case.data)
    flaw = min(
        (line.number for finding in serious(case.before) for line in finding.lines), default=len(lines)
    )
    restarts = list(_restarts(case.before))
    places = [
        place
        for place in range(1, min(len(lines), flaw))
        if not any(restarted <= place < further for restarted, further in restarts)
    ]
    for place in sorted(chance.sample(places, min(CUTS, len(places)))):
        yield Copy(b"\n".join(lines[:place]) + b"\n", f"after line {place}")


def _restarts(diagnosis: Diagnosis) -> Iterator[tuple[int, int]]:
    """Where each boot ended that restarted, and the line with which a later one got further than it had."""
    for number, boot in enumerate(diagnosis.boots):
        if boot.restarted:
            reached = RANKS.get(boot.stage, -1)
            later = (stage for boot in diagnosis.boots[number + 1 :] for stage in boot.stages)
            further = (stage.line for stage in later if RANKS[stage.name] > reached)
            yield boot.last_line + 1, next(further, diagnosis.lines)


RELATIONS = (
    Relation("no-stamps", "time stamps removed", without_stamps, same),
    Relation(
        "no-clock", "the same where the stamps decide (no mark)", without_the_clock, same, must_hold=False
    ),
    Relation("syslog", "syslog's and a console server's prefixes", with_syslog, same),
    Relation("wrapper", "an unknown tool's prefixes", with_wrapper, same),
    Relation("talos", "talosctl's prefixes", with_talos_prefix, same),
    Relation("crlf", "Windows line ends", with_windows_ends, same),
    Relation("second-console", "lines of a second console", with_second_console, same),
    Relation("kernel-noise", f"{NOISE} harmless kernel lines", with_kernel_noise, same),
    Relation("cut", "cut after its proof", cut_after_proof, still_shown, keeps_cause=False),
    Relation("twice", "the same boot twice", twice, same),
    Relation("healthy-cut", "a healthy log cut anywhere", healthy_cut, never_failed, keeps_cause=False),
)


def serious(diagnosis: Diagnosis) -> list[Finding]:
    """The findings that make a boot failed or degraded, the root cause first."""
    return [
        finding
        for boot in diagnosis.boots
        for finding in boot.findings
        if finding.severity in {Severity.FATAL, Severity.DEGRADING}
    ]


def first_finding(diagnosis: Diagnosis) -> str:
    """The root cause and its first line of proof, for a reader of a table."""
    for finding in serious(diagnosis):
        text = finding.lines[0].text.strip() if finding.lines else ""
        return f"{finding.signature}: {text[:110]}"
    return "nothing reported"
