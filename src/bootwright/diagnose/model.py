"""What a diagnosis says. Plain frozen facts; how they come about is in `judge`, how they look in `render`."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Final

from attrs import frozen


class Severity(StrEnum):
    """How much a finding matters, worst first."""

    FATAL = "fatal"
    DEGRADING = "degrading"
    INFO = "info"
    HARMLESS = "harmless"

    @property
    def rank(self) -> int:
        """0 is the worst."""
        return _SEVERITIES.index(self)


_SEVERITIES = [Severity.FATAL, Severity.DEGRADING, Severity.INFO, Severity.HARMLESS]
SERIOUS = frozenset({Severity.FATAL, Severity.DEGRADING})
"""Those with which a boot is not well."""


class Outcome(StrEnum):
    """Of one boot, or of a log as a whole."""

    BOOT_OK = "boot-ok"
    DEGRADED = "degraded"
    FAILED = "failed"
    UNKNOWN = "unknown"

    @property
    def exit_status(self) -> int:
        """0 boot-ok, 1 degraded or failed, 3 unknown."""
        return {Outcome.BOOT_OK: 0, Outcome.UNKNOWN: 3}.get(self, 1)


_SENTENCES: Final = {
    Outcome.FAILED: "the boot failed",
    Outcome.DEGRADED: "it boots, but something does not work",
    Outcome.BOOT_OK: "no failure found",
    Outcome.UNKNOWN: "the log does not show how the boot ends",
}

STAGES = ("firmware", "boot-loader", "kernel", "devices", "root", "init", "services", "ready")
"""In the order a boot goes through them."""
RANKS = {stage: rank for rank, stage in enumerate(STAGES)}
"""Stage → index into `STAGES`."""


@frozen
class Line:
    """A line of the log that proves something."""

    number: int
    """From 1, in the file it came from."""
    text: str
    """As printed, without control sequences, at most 400 characters."""


@frozen
class StageReached:
    """A milestone."""

    name: str
    """One of `STAGES`."""
    label: str
    line: int
    time: float | None
    """Seconds on the clock of the component that printed it; None where the log has no times."""


class Stance(StrEnum):
    """What a fact of an artifact means for a suspicion."""

    CONFIRMS = "confirms"
    REFUTES = "refutes"
    TELLS = "tells"
    """Neither, but good to know."""


@frozen
class Evidence:
    """What an artifact (`--with`) says about a finding, or about a boot."""

    stance: Stance
    says: str
    """One sentence."""
    where: str
    """The file inside the artifact, or the rule, that it was read from."""


@frozen
class Finding:
    """A diagnosis with its proof."""

    signature: str
    title: str
    severity: Severity
    area: str
    cause: str
    lines: tuple[Line, ...]
    count: int
    """How many lines say it; `lines` holds a few of them."""
    facts: tuple[tuple[str, str], ...]
    explains: tuple[str, ...]
    """Findings of the same boot that follow from this one."""
    caused_by: str | None
    breaks: str
    remedy: str
    kernel_arguments: str
    """What to add to the kernel command line to see more; empty where nothing would help."""
    sources: tuple[str, ...]
    limits: str
    evidence: tuple[Evidence, ...] = ()
    says_why: bool = True
    """Whether it tells more than that the boot ended."""


@frozen
class Gap:
    """Something the log cannot say, and how to make it say so."""

    missing: str
    get_it: str


@frozen
class Boot:
    """One boot within a file."""

    source: str
    first_line: int
    last_line: int
    outcome: Outcome
    stage: str
    """The furthest of `STAGES`, or `unknown`."""
    stages: tuple[StageReached, ...]
    findings: tuple[Finding, ...]
    gaps: tuple[Gap, ...]
    restarted: bool
    """Whether another boot follows that nothing in this one announced."""
    told: tuple[tuple[str, str], ...] = ()
    """What the log says of the machine: kernel release and build, model, command line, revision code …"""
    evidence: tuple[Evidence, ...] = ()

    def fact(self, name: str) -> str | None:
        """The value of a fact in `told`, or None where the log does not have it."""
        return next((value for key, value in self.told if key == name), None)

    def reached(self, stage: str) -> bool:
        """Whether it got as far as that one of `STAGES`."""
        return RANKS.get(self.stage, -1) >= RANKS[stage]


@frozen
class Blame:
    """The one finding that an outcome rests on."""

    boot: int
    """Index into `Diagnosis.boots`."""
    place: int
    """Index into that boot's findings."""
    finding: Finding


@frozen
class Diagnosis:
    """Everything a file (or several) tells."""

    outcome: Outcome
    boots: tuple[Boot, ...]
    lines: int
    boots_left_out: int
    """Boots between the first and the last ones kept, where a file holds very many."""
    if_silent: Finding | None = None
    """Where it is unknown how the last boot went on: what failed if nothing came after the log's end."""

    @property
    def sentence(self) -> str:
        """The outcome in words; that a machine boots is said only where programs are seen to run."""
        ran = any(boot.reached("init") for boot in self.boots)
        if self.outcome is Outcome.DEGRADED and not ran:
            return "something does not work; whether the machine boots is not in the log"
        return _SENTENCES[self.outcome]

    @property
    def blamed(self) -> Blame | None:
        """What the outcome rests on; None where nothing tells.

        That is the gravest finding, the root cause first, of the last boot that ended as the whole did and
        says why. Where nothing failed it is what is most worth knowing; what is harmless is never to blame.
        """
        grave = [
            (boot.outcome is self.outcome, -finding.severity.rank, finding.says_why, index, -place)
            for index, boot in enumerate(self.boots)
            for place, finding in enumerate(boot.findings)
            if finding.severity is not Severity.HARMLESS
        ]
        if not grave:
            return None
        *_, index, place = max(grave)
        return Blame(index, -place, self.boots[index].findings[-place])

    def telling(self, boots: Sequence[Boot] | None = None) -> Boot | None:
        """The boot that the outcome rests on, among some of them (all, where none are given); None of none.

        A board that restarts prints its firmware's lines again: the last boot of a log is often one of which
        nothing is known yet. So it is the one to blame where the whole failed, else the last one that ended
        as the whole did, or whose outcome is known, or that got to a kernel.
        """
        chosen = self.boots if boots is None else boots
        blamed = self.blamed
        if self.outcome is Outcome.FAILED and blamed is not None and self.boots[blamed.boot] in chosen:
            return self.boots[blamed.boot]
        by_weight = (
            [boot for boot in chosen if boot.outcome is self.outcome is not Outcome.UNKNOWN],
            [boot for boot in chosen if boot.outcome is not Outcome.UNKNOWN],
            [boot for boot in chosen if boot.reached("kernel")],
            chosen,
        )
        return next((weighty[-1] for weighty in by_weight if weighty), None)
