"""A board in use: opened, claimed, booted as often as wanted, and let go of."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from attrs import frozen

from bootwright.bench.board import Board
from bootwright.bench.labgrid_board import LabgridBoard
from bootwright.bench.powered import PLACE, Claim, LeftOn, claimed, meaning_place, switch_off_left_on
from bootwright.bench.record import BenchRecord
from bootwright.bench.run import SILENCE, TIMEOUT, Limits, run_on_board
from bootwright.bench.settings import BoardSettings, chosen_target, read_settings
from bootwright.bench.until import Watch
from bootwright.foundation.processes.signals import ending_in_order
from bootwright.foundation.progress import Progress
from bootwright.image_boot.boot import on_disk


@frozen
class Bench:
    """One board, and how it is used."""

    board: Board
    settings: BoardSettings
    claim: Claim | None
    """None where a person switches it."""
    left_on: tuple[str, ...]
    """Boards that a killed run had left powered on, and that were switched off first."""
    progress: Progress

    def limits(self, timeout: float | None = None, silence: float | None = None) -> Limits:
        """Those that are given, else the board's own, else the usual ones; in seconds."""
        chosen_timeout = timeout if timeout is not None else self.settings.timeout
        chosen_silence = silence if silence is not None else self.settings.silence
        return Limits(
            timeout=TIMEOUT if chosen_timeout is None else chosen_timeout,
            silence=SILENCE if chosen_silence is None else chosen_silence,
            off=self.settings.seconds_off if self.claim is not None else 0.0,
        )

    def boot(
        self,
        image: Path,
        watch: Watch,
        folder: Path,
        limits: Limits,
        *,
        cell: str = "",
        proves: Sequence[str] = (),
    ) -> BenchRecord:
        """Boot an image, raw or compressed, recorded in `folder`; raises as `run_on_board`."""
        raw, digest = on_disk(image, self.progress)
        return run_on_board(
            self.board,
            raw,
            digest,
            watch,
            folder,
            claim=self.claim,
            limits=limits,
            progress=self.progress,
            cell=cell,
            proves=proves,
        )


@contextlib.contextmanager
def open_bench(environment: Path, target: str | None, progress: Progress) -> Iterator[Bench]:
    """A board of a labgrid environment file, for this process alone.

    What a killed run left powered on is switched off first; this one is switched off also where SIGTERM or
    SIGHUP ends the process. Raises `Refused` where another process has the
    board, and what `read_settings` and `LabgridBoard` raise.
    """
    known, targets = read_settings(environment)
    name = chosen_target(targets, target, str(environment))
    settings = known.get(name, BoardSettings())
    left_on = switch_off_left_on(reach_left_on, progress)
    with ending_in_order(), contextlib.closing(LabgridBoard(environment, name, settings)) as board:
        board.check()
        now = datetime.now(UTC).isoformat(timespec="seconds")
        place = os.environ.get(PLACE, "")
        path = str(environment.resolve())
        noted = LeftOn(board.name, path, name, now, acquired=board.is_acquired, place=place)
        with claimed(board.key, noted) as claim:
            yield Bench(board, settings, claim, tuple(left_on), progress)


def reach_left_on(left_on: LeftOn) -> Board:
    """A board that a killed run left on; raises as `LabgridBoard`."""
    path = Path(left_on.environment)
    known, _ = read_settings(path)
    settings = known.get(left_on.target, BoardSettings())
    with meaning_place(left_on.place):
        return LabgridBoard(path, left_on.target, settings, release=left_on.acquired)
