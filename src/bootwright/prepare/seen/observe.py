"""What was seen on a board after the boot: what it shows of the goals, what it means, and the next step."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from attrs import field, frozen

from bootwright.boards.model import Board
from bootwright.diagnose.model import RANKS, SERIOUS, STAGES, Boot, Diagnosis, Finding, Line, Severity, Stance
from bootwright.evidence.board import stepping_of
from bootwright.foundation import atomic
from bootwright.foundation.verdict import Verdict
from bootwright.prepare.knowledge import Preparation, proofs
from bootwright.prepare.looking import ADDRESS, Came, came
from bootwright.prepare.seen.record import Record, SeenOutcome, folder_of_logs, read_record, write_record

_MOST_LINES = 4
_OF_IMAGES = frozenset({"devices", "kernel", "network", "root", "storage", "talos"})
"""Areas of findings that another kernel, devicetree or argument may mend."""
Differs = Callable[[Boot], Iterable[str]]
"""What in a boot shows that it is not the one that is asked about, in words."""


@frozen
class Given:
    """What a person has to tell."""

    answers: Mapping[str, str] = field(factory=dict)
    """`led`, `lights`, `address`, `service` → the answer, as `looking.came` takes it."""
    address: str = ""
    """The address itself, where there is one."""
    outcomes: Mapping[str, Verdict] = field(factory=dict)
    """Goal → what the person says of it."""
    revision: str = ""
    """The board's revision code, where it was told."""
    logs: tuple[bytes, ...] = ()
    """Logs as they were given, and text from photos as a log."""
    note: str = ""
    watched: bool = False
    """Whether somebody waited and nothing more came than the logs show."""


@frozen
class Observed:
    """What it comes to."""

    seen: SeenOutcome
    came: Came
    cause: Finding | None
    """The root cause by the log; None where none was given, or it shows none."""
    lines: tuple[Line, ...]
    """The lines of the log that prove it."""
    against: tuple[str, ...]
    """Goals that were predicted otherwise, in words."""
    record: Record | None
    """With this observation; None where there was no record."""
    silent_after: str = ""
    """The stage before the kernel after which nothing more came; empty where that was not seen."""

    @property
    def stopped_by(self) -> str:
        """What ended the boot, in a few words: a code of the firmware, or what is fatal in a log."""
        blink = self.came.blink
        if blink is not None and blink.fails and self.came.missed is not None:
            return blink.means
        if self.cause is not None and self.cause.severity is Severity.FATAL and self.seen.counts:
            return self.cause.title
        if self.silent_after and self.seen.counts:
            return f"nothing more came after {self.silent_after}"
        return ""

    @property
    def verdict(self) -> Verdict:
        """`fails` where a goal or the boot was seen to fail, `works` where all that was seen works, else
        `unknown`."""
        verdicts = [verdict for verdict in self.seen.outcomes.values() if verdict is not Verdict.UNKNOWN]
        if Verdict.FAILS in verdicts or self.stopped_by:
            return Verdict.FAILS
        if self.cause is not None or self.came.missed is not None or not verdicts:
            return Verdict.UNKNOWN
        return Verdict.WORKS


def observe(
    given: Given,
    diagnosis: Diagnosis | None,
    preparation: Preparation,
    board: Board | None,
    record: Record | None,
    *,
    differs: Differs = lambda _: (),
) -> Observed:
    """Tell what was seen, without storing it.

    `diagnosis` is of the logs in `given`, held against the board and the image where these are known. A log
    of something else than the prepared image, or than `differs` lets pass, does not count for it, and says
    so.
    """
    boot = _telling(diagnosis, record, differs) if diagnosis is not None else None
    steps = came(preparation, board, given.answers, given.address or ADDRESS)
    refuted = [*_of_something_else(boot, record), *differs(boot)] if boot is not None else []
    # What another machine, or another image, shows is of neither.
    of_log = dict(proved_by_log(boot, preparation)) if boot is not None and not refuted else {}
    outcomes: dict[str, Verdict] = dict(steps.outcomes)
    says: list[str] = []
    for goal, verdict in of_log.items():
        earlier = outcomes.get(goal)
        if earlier not in {None, Verdict.UNKNOWN, verdict}:
            says.append(f"{goal}: by the answers it {earlier}, by the log it {verdict}: the log counts")
        outcomes[goal] = verdict
    for goal, verdict in given.outcomes.items():
        earlier = outcomes.get(goal)
        if earlier not in {None, Verdict.UNKNOWN, verdict}:
            says.append(f"{goal} is told as {verdict}, and what was seen says {earlier}: both are kept")
        outcomes[goal] = verdict
    cause = _cause(boot) if boot is not None else None
    if cause is not None:
        says.append(cause.cause)
        next_step = cause.remedy
    elif steps.missed is not None and (steps.missed.asks == "service" or not _works(outcomes)):
        says.append(steps.missed.means)
        next_step = steps.missed.next
    else:
        next_step = ""
    silent_after = _silent_after(boot, cause, given)
    says += steps.notes
    if boot is not None and cause is None:
        known = boot.stage in RANKS
        says.append(
            f"the log shows no failure; it got as far as {boot.stage}" if known else "the log shows no boot"
        )
    if boot is not None and diagnosis is not None and boot is not diagnosis.boots[-1]:
        says.append(_which(boot, diagnosis))
    stepping = _stepping(board, boot, diagnosis, given)
    says += _of_another_stepping(stepping, board, given, record)
    says += refuted
    against = tuple(_against(outcomes, record)) if not refuted else ()
    if refuted:
        what = "flash the prepared image, boot it" if record is not None else "boot the board that is meant"
        next_step = f"{what}, and give that boot's log"
    elif not next_step:
        next_step = _next(preparation, given, steps, outcomes, boot)
    is_amiss = steps.missed is not None or Verdict.FAILS in outcomes.values()
    amiss = bool(silent_after) or (bool(outcomes) and is_amiss)
    if cause is not None:  # what an image, or a change of one, can be to blame for
        amiss = cause.area in _OF_IMAGES and not refuted
    if record is None and board is not None and amiss:
        checking = _checking(board, given)
        next_step = (
            f"{next_step.rstrip('.')}; or have a change looked for that mends it: {checking}"
            if cause is not None
            else f"{next_step}; or hold the image against the board: {checking} --check-only"
        )
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    digests = tuple(hashlib.sha256(log).hexdigest() for log in given.logs)
    seen = SeenOutcome(
        id=_identity(given, digests, now),
        taken_at=now,
        outcomes=outcomes,
        answers=_kept(given),
        logs=digests,
        says=tuple(dict.fromkeys(says)),
        next=next_step,
        note=given.note,
        counts=not refuted,
        stepping=stepping,
    )
    lines = cause.lines[:_MOST_LINES] if cause is not None else ()
    return Observed(
        seen,
        steps,
        cause,
        lines,
        against,
        record.with_observation(seen) if record is not None else None,
        silent_after,
    )


def store(observed: Observed, path: Path, logs: Sequence[bytes]) -> Record:
    """Add it to the record in `path`, with the logs beside it; returns the record as it is then.

    Two at a time do not lose one another's. A log is on the disk before the record that names it.
    """
    folder = folder_of_logs(path)
    for log, digest in zip(logs, observed.seen.logs, strict=True):
        target = folder / f"{digest}.log"
        if not target.exists():
            atomic.write_bytes(target, log)
    handle = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        record = read_record(path).with_observation(observed.seen)
        write_record(path, record)
    finally:
        os.close(handle)
    return record


def proved_by_log(boot: Boot, preparation: Preparation) -> Iterator[tuple[str, Verdict]]:
    """What a boot in a log proves of the goals; what failed outweighs what worked before."""
    signatures = {finding.signature for finding in boot.findings}
    serious = {finding.signature for finding in boot.findings if finding.severity in SERIOUS}
    labels = {stage.label for stage in boot.stages}
    by_goal: dict[str, Verdict] = {}
    for proof in proofs(preparation):
        if serious & set(proof.fails):
            by_goal[proof.goal] = Verdict.FAILS
        elif signatures & set(proof.works) or labels & set(proof.reached):
            by_goal.setdefault(proof.goal, Verdict.WORKS)
    yield from by_goal.items()


def _telling(diagnosis: Diagnosis, record: Record | None, differs: Differs) -> Boot | None:
    """The boot of a log that its outcome rests on: one of the prepared image, where there is any of that."""
    its = [
        boot
        for boot in diagnosis.boots
        if boot.reached("kernel") and not any(_of_something_else(boot, record)) and not any(differs(boot))
    ]
    return diagnosis.telling(its or None)


def _which(boot: Boot, diagnosis: Diagnosis) -> str:
    """Which boot of a log it is, where others come after it."""
    number = next(index for index, other in enumerate(diagnosis.boots, 1) if other is boot)
    after = diagnosis.boots[-1]
    return (
        f"that is boot {number} of {len(diagnosis.boots)} in the log (from line {boot.first_line}); the last "
        f"one got as far as {after.stage}"
    )


def _cause(boot: Boot) -> Finding | None:
    """The first serious finding that no other one explains."""
    return next(
        (finding for finding in boot.findings if finding.severity in SERIOUS and finding.caused_by is None),
        None,
    )


def _of_something_else(boot: Boot, record: Record | None) -> Iterator[str]:
    """What shows that the board booted another image than the one in the record."""
    refuting = [evidence.says for evidence in boot.evidence if evidence.stance is Stance.REFUTES]
    yield from refuting
    release = boot.fact("release")
    if record is not None and release is not None and release != record.kernel and not refuting:
        yield (
            f"This boot ran Linux {release}; the prepared image has {record.kernel}: the board booted "
            "something else."
        )


def _against(outcomes: Mapping[str, Verdict], record: Record | None) -> Iterator[str]:
    """Goals that were predicted otherwise than they were seen."""
    for stepping, verdicts in record.verdicts.items() if record is not None else ():
        for goal, seen in outcomes.items():
            predicted = verdicts.get(goal)
            if predicted is not None and Verdict.UNKNOWN not in {seen, predicted} and seen is not predicted:
                where = f" on {stepping}" if record is not None and len(record.verdicts) > 1 else ""
                yield f"{goal}{where}: predicted {predicted}, seen {seen}"


def _works(outcomes: Mapping[str, Verdict]) -> bool:
    """Whether everything that is known works."""
    return bool(outcomes) and all(verdict is Verdict.WORKS for verdict in outcomes.values())


def _next(
    preparation: Preparation,
    given: Given,
    steps: Came,
    outcomes: Mapping[str, Verdict],
    boot: Boot | None,
) -> str:
    """The next step where no failure was seen, or none that says why."""
    if Verdict.FAILS in outcomes.values() and boot is None:
        return "give a log (--log FILE) or the text of a photo of the screen (--text FILE): they say why"
    if outcomes and not {*outcomes.values()} - {Verdict.WORKS}:
        then = preparation.then.replace("{address}", given.address or ADDRESS)
        return then or "nothing for what was told: it works; for the other goals give a log: --log FILE"
    if boot is None and steps.ahead is not None:
        return f"look for this: {steps.ahead.see}; and tell it: --{steps.ahead.asks}"
    if boot is None:
        return "give a log (--log FILE) or the text of a photo of the screen (--text FILE)"
    if boot.stage == STAGES[-1]:
        return "tell what works and what does not, which the log does not show: --outcome ethernet=works"
    if not boot.reached("kernel") and boot.stage in RANKS:
        if given.watched:
            return (
                "no kernel was started: write the card again, or try another release's image or boot loader"
            )
        return (
            "wait two minutes: if nothing more comes after this, tell it (the same with --watched); else "
            "give what comes, as a log or a photo's text"
        )
    return (
        "capture from power-on until nothing more comes for two minutes, and give that log: what fails, if "
        "anything does, comes after the end of this one"
    )


def _silent_after(boot: Boot | None, cause: Finding | None, given: Given) -> str:
    """The stage before the kernel that a boot stands in, where nothing more came though somebody waited.

    A kernel may be silent by its arguments; that of one that hangs is the diagnosis's to tell.
    """
    if boot is None or cause is not None or not given.watched:
        return ""
    return boot.stage if boot.stage in RANKS and not boot.reached("kernel") else ""


def _checking(board: Board, given: Given) -> str:
    """The command that says what an image does on this board."""
    revision = f" --revision {given.revision}" if given.revision else ""
    return f"bootwright prepare IMAGE --board {board.id}{revision}"


def _stepping(board: Board | None, boot: Boot | None, diagnosis: Diagnosis | None, given: Given) -> str:
    """As the log tells it, in that boot or, by the firmware before or after it, in the others; else by the
    revision code that was told."""
    if board is None:
        return ""
    of_boot = stepping_of(board, boot) if boot is not None else None
    others = {stepping_of(board, other) for other in diagnosis.boots} if diagnosis is not None else set()
    names = {of_boot} if of_boot is not None else others - {None}
    if len(names) == 1:
        return names.pop() or ""
    return board.stepping_of(given.revision).name if given.revision else ""


def _of_another_stepping(
    stepping: str, board: Board | None, given: Given, record: Record | None
) -> Iterator[str]:
    """That a log is of another stepping than what was told, or prepared."""
    if given.revision and board is not None:
        wanted, whose = board.stepping_of(given.revision).name, f"the revision code {given.revision} is of"
    else:
        wanted, whose = record.stepping if record is not None else "", "the image was prepared for"
    if stepping and wanted and stepping != wanted:
        yield f"the log is of stepping {stepping}, and {whose} {wanted}: what it shows counts for {stepping}"


def _kept(given: Given) -> Mapping[str, str]:
    answers = dict(given.answers)
    if given.address:
        answers["address"] = given.address
    return answers


def _identity(given: Given, digests: Sequence[str], now: str) -> str:
    """The same log is one observation however often it is given; answers alone are as many as there were."""
    parts = (
        *digests,
        *(f"{name}={answer}" for name, answer in sorted(_kept(given).items())),
        *(f"{goal}={verdict}" for goal, verdict in sorted(given.outcomes.items())),
        "" if digests else now,
    )
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]
