"""One boot of one image on one board, from bringing the image there to switching the board off."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from attrs import define, field, frozen

from bootwright.bench.board import Board
from bootwright.bench.console import ConsoleRecorder, arrivals, line_ends
from bootwright.bench.powered import Claim
from bootwright.bench.record import BenchRecord, LineEvent, Milestone, Step, write_record
from bootwright.bench.recorder import CONSOLE
from bootwright.bench.until import Watch
from bootwright.diagnose.engine import Diagnoser
from bootwright.diagnose.model import Diagnosis, Outcome
from bootwright.foundation.errors import BootwrightError, Refused
from bootwright.foundation.progress import Progress
from bootwright.foundation.verdict import Verdict
from bootwright.image_boot.boot import SILENCE_AFTER_PANIC

TIMEOUT = 600.0
"""Seconds for one boot."""
SILENCE = 120.0
"""Seconds without console output; real memory training, network boot and disks take their time."""
PATIENCE = 30.0
"""Seconds that a boot gets after a fatal failure, to recover from it."""
_OPEN_SECONDS = 15.0
_TICK = 0.05
_CHECK = 2.0
"""Seconds between two looks at where the console is, which an exporter may change."""
_OFF_ATTEMPTS = 3
_OFF_PAUSE = 1.0
_MOST_CONSOLE = 255 << 20
"""As much as is kept of a log that a person gives."""
_PIECE = 1 << 20


@frozen
class Limits:
    """When a boot is given up, in seconds."""

    timeout: float = TIMEOUT
    silence: float = SILENCE
    patience: float = PATIENCE
    off: float = 2.0
    """How long the board stays without power before it is switched on."""


@define
class _Run:
    board: Board
    claim: Claim | None
    watch: Watch
    folder: Path
    limits: Limits
    progress: Progress
    steps: list[Step] = field(factory=list)
    recorder: ConsoleRecorder | None = None
    switched_on: float = 0.0
    """On the clock of `time.monotonic`."""
    last_byte: float = 0.0
    received: int = 0
    fatal_since: float | None = None

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        """Announce and note what is done."""
        started = time.monotonic()
        with self.progress.step(what):
            yield
        self.steps.append(Step(what, round(time.monotonic() - started, 3)))

    def switch_on(self) -> None:
        """From a state that is known, with the console already being read."""
        with self.step("open the console"):
            self._open_console()
        self.switched_on = time.monotonic()
        with self.step("switch it on"):
            self.board.power_on()
        self.last_byte = self.now()

    def _open_console(self) -> None:
        address = self.board.console()
        if address is None:
            return
        self.recorder = ConsoleRecorder(address, self.folder)
        if left := self.recorder.set_aside():
            self.progress.note(f"{left} bytes of an earlier boot were still in the line")
        self.recorder.start()
        if not self.recorder.wait_open(_OPEN_SECONDS):
            reasons = [event.why for event in self.recorder.events() if event.why]
            raise Refused(
                f"the console at {address} cannot be opened: {(reasons or ['no reason was given'])[-1]}",
                hint="does another program hold it?",
            )

    def now(self) -> float:
        """Seconds since the board was switched on."""
        return time.monotonic() - self.switched_on

    def follow(self) -> str:
        """Read along until it is known how it ends."""
        checked = self.now()
        while True:
            came = self._take()
            now = self.now()
            for label in self.watch.look(now, time.monotonic, now=bool(came) and self.watch.is_reached):
                self.progress.note(f"{now:7.1f} s  {label}")
            if (ended := self._ended(now)) is not None:
                return ended
            if now - checked > _CHECK:
                checked = now
                self._check_console()
            self.progress.advance(now, self.limits.timeout, "s")
            if not came:
                time.sleep(_TICK)

    def _take(self) -> bool:
        if self.recorder is None:
            return False
        self.recorder.check()
        data = self.recorder.read_new(_PIECE)
        if not data:
            return False
        self.received += len(data)
        self.last_byte = self.now()
        self.watch.feed(data, round(self.last_byte, 3))
        return True

    def _check_console(self) -> None:
        if self.recorder is not None:
            address = self.board.console()
            if address is not None and address != self.recorder.address:
                self.recorder.move(address)

    def _ended(self, now: float) -> str | None:
        watch, limits = self.watch, self.limits
        if watch.is_reached and (not watch.wanted or watch.is_decided):
            return "reached"
        if watch.is_reached and now - max(watch.reached.values()) > limits.patience:
            return "reached"
        failing = Verdict.FAILS in watch.outcomes.values()
        if watch.is_decided and not failing and not watch.criteria:
            return "decided"
        if watch.is_fatal or (failing and not watch.has_restarted):
            self.fatal_since = now if self.fatal_since is None else self.fatal_since
            if now - self.fatal_since > limits.patience:
                return "decided" if watch.is_decided else "hopeless"
        else:
            self.fatal_since = None
        if watch.dead_end is not None:
            return "dead end"
        if self.received > _MOST_CONSOLE:
            return "flood"
        silence = min(limits.silence, SILENCE_AFTER_PANIC) if watch.is_panicked else limits.silence
        if now - self.last_byte > silence:
            return "silent"
        return "timeout" if now > limits.timeout else None

    def switch_off(self) -> str:
        """Also what may have been left half on; why that failed, empty where it is off.

        What was seen is worth keeping then too; whoever comes next switches the board off.
        """
        for attempt in range(_OFF_ATTEMPTS):
            if attempt:
                time.sleep(_OFF_PAUSE)
            started = time.monotonic()
            try:
                self.board.power_off()
            except BootwrightError as error:
                reason = error.message
                continue
            if self.claim is not None:
                self.claim.is_off()
            seconds = time.monotonic() - started
            self.steps.append(Step("switch it off", round(seconds, 3)))
            self._say(f"switch it off ({seconds:.1f} s)")
            return ""
        self._say(f"{self.board.name} is still on: {reason}")
        return reason

    def _say(self, text: str) -> None:
        """Also where nobody reads it any more (a pipe whose reader has gone): the board comes first."""
        with suppress(OSError):
            self.progress.note(text)

    def stop_recording(self) -> None:
        """What still came is read, and looked at."""
        if self.recorder is None:
            return
        self.recorder.stop()
        while data := self.recorder.read_new(_PIECE):
            self.received += len(data)
            self.watch.feed(data, round(self.now(), 3))


def run_on_board(
    board: Board,
    image: Path,
    image_sha256: str,
    watch: Watch,
    folder: Path,
    *,
    claim: Claim | None,
    limits: Limits,
    progress: Progress,
    cell: str = "",
    proves: Sequence[str] = (),
) -> BenchRecord:
    """Boot a raw image on a board, and record it in `folder`, as a boot of `cell` that `proves` outcomes.

    The board is off before the image comes to it and afterwards, also where something goes wrong. A boot
    that hangs or panics is a result like any other. Raises `ToolFailed`, `Missing` and `Refused` as the board
    does.
    """
    run = _Run(board, claim, watch, folder, limits, progress)
    folder.mkdir(parents=True, exist_ok=True)
    if claim is not None:
        claim.is_on()
    with run.step("switch it off, to begin with"):
        board.power_off()
    off = time.monotonic()
    with run.step("bring the image to it"):
        try:
            how = board.deploy(image)
        except BaseException:
            if claim is not None:
                claim.is_off()
            raise
    time.sleep(max(0.0, limits.off - (time.monotonic() - off)))
    started_at = datetime.now(UTC).isoformat(timespec="seconds")
    try:
        run.switch_on()
        ended = run.follow()
        seconds = run.now()
    finally:
        try:
            still_on = run.switch_off()
        finally:
            run.stop_recording()
    watch.look(run.switched_on, time.monotonic, now=True, over=True)
    diagnosis, digest = _diagnosed(folder)
    events = run.recorder.events() if run.recorder is not None else []
    switched_on = run.switched_on - run.recorder.started if run.recorder is not None else 0.0
    verdict, reason = judged(watch, diagnosis, ended, run.received, is_lost=_is_lost(events))
    record = BenchRecord(
        board=board.name,
        image=str(image),
        image_sha256=image_sha256,
        started_at=started_at,
        verdict=verdict,
        reason=reason,
        ended=ended,
        seconds=round(seconds, 3),
        criteria={item.text: watch.reached.get(item.text) for item in watch.criteria},
        outcomes=dict(watch.outcomes),
        switched_on=round(switched_on, 6),
        milestones=milestones(folder, diagnosis, switched_on),
        steps=run.steps,
        line=events,
        console_bytes=run.received,
        console_sha256=digest,
        cell=cell,
        proves=list(proves),
        still_on=still_on,
        facts={**board.facts(), "deployed": how},
    )
    write_record(folder, record)
    return record


def _is_lost(events: list[LineEvent]) -> bool:
    """Whether the line was gone at the end."""
    return bool(events) and events[-1].event != "open"


def judged(
    watch: Watch, diagnosis: Diagnosis, ended: str, received: int, *, is_lost: bool
) -> tuple[Verdict, str]:
    """What a boot comes to, and why it is not `works`."""
    if watch.criteria and watch.is_reached:
        return Verdict.WORKS, ""
    if not watch.criteria and watch.is_decided:
        failed = [goal for goal in watch.wanted if watch.outcomes[goal] is Verdict.FAILS]
        if not failed:
            return Verdict.WORKS, ""
        return Verdict.FAILS, _because(f"{', '.join(failed)} failed", diagnosis)
    failing = Verdict.FAILS in watch.outcomes.values()
    missed = [item.text for item in watch.criteria if item.text not in watch.reached]
    before = f" before {', '.join(missed)}" if missed else ""
    if not received:
        why = "nothing came over the serial line: it never started, or wiring, speed or console= is wrong"
        return Verdict.UNKNOWN, why
    if is_lost:
        return Verdict.UNKNOWN, f"the serial line was lost{before}"
    if not missed and not watch.wanted and ended in {"silent", "timeout"}:
        return _of_console(diagnosis)
    if not missed and watch.dead_end is None and not watch.is_fatal and not failing:
        open_goals = ", ".join(goal for goal in watch.wanted if goal not in watch.outcomes)
        return Verdict.UNKNOWN, _because(f"the console says nothing of {open_goals}", diagnosis)
    if ended == "timeout" and not watch.is_fatal:
        return Verdict.UNKNOWN, _because(f"time ran out while it was still running{before}", diagnosis)
    how = {
        "dead end": f"it stopped at {watch.dead_end}",
        "hopeless": "it did not recover from a failure",
        "decided": "it failed",
        "silent": "it fell silent",
        "timeout": "time ran out",
        "flood": "it printed without end",
    }.get(ended, ended)
    return Verdict.FAILS, _because(f"{how}{before}", diagnosis)


def _of_console(diagnosis: Diagnosis) -> tuple[Verdict, str]:
    verdict = {Outcome.BOOT_OK: Verdict.WORKS, Outcome.UNKNOWN: Verdict.UNKNOWN}.get(
        diagnosis.outcome, Verdict.FAILS
    )
    unknown = "nothing on the console could be recognised"
    return verdict, "" if verdict is Verdict.WORKS else _cause(diagnosis) or unknown


def _because(how: str, diagnosis: Diagnosis) -> str:
    cause = _cause(diagnosis)
    return f"{how}; {cause}" if cause else how


def _cause(diagnosis: Diagnosis) -> str:
    for boot in reversed(diagnosis.boots):
        if boot.findings and boot.findings[0].severity.rank <= 1:
            return boot.findings[0].title
    return ""


def _diagnosed(folder: Path) -> tuple[Diagnosis, str]:
    """What the whole console says, and its SHA-256."""
    diagnoser, digest = Diagnoser("console", watched=True), hashlib.sha256()
    path = folder / CONSOLE
    if not path.exists():
        return diagnoser.snapshot(), ""
    with path.open("rb") as file:
        while data := file.read(_PIECE):
            diagnoser.feed(data)
            digest.update(data)
    diagnoser.flush()
    return diagnoser.snapshot(), digest.hexdigest()


def milestones(folder: Path, diagnosis: Diagnosis, switched_on: float) -> list[Milestone]:
    """The stages that a recorded console went through, and when the line that says so had come.

    `switched_on` is when the board was switched on, on the recording's clock.
    """
    stages = sorted(
        (stage for boot in diagnosis.boots for stage in boot.stages), key=lambda stage: stage.line
    )
    if not stages:
        return []
    times = arrivals(folder, line_ends(folder, [stage.line for stage in stages]))
    return [
        Milestone(stage.label, round(when - switched_on, 3))
        for stage, when in zip(stages, times, strict=True)
    ]
