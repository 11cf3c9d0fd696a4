"""Trying mixtures on a real board: one board and one goal for all of them."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from pathlib import Path

from attrs import define

from bootwright.bench.console import read_times
from bootwright.bench.recorder import CONSOLE
from bootwright.bench.session import Bench
from bootwright.bench.until import Criterion, Watch
from bootwright.isolate.lab import Tried


@define
class BoardAttempt:
    """Boots mixtures on a board; see `StoredLab.attempt`."""

    bench: Bench
    goal: str
    folder: Path
    """Where recordings go, a folder each."""

    def __call__(self, image: Path, silence: float | None) -> Tried:
        """Boot a raw image."""
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        folder = self.folder / f"{stamp}-{image.stem}"
        watch = Watch((Criterion.parse(self.goal),))
        limits = self.bench.limits()
        if silence is not None:
            limits = self.bench.limits(silence=min(silence, limits.silence))
        record = self.bench.boot(image, watch, folder, limits)
        console = folder / CONSOLE
        times = [seconds for _, seconds in read_times(folder)]
        gaps = (later - sooner for sooner, later in itertools.pairwise([record.switched_on, *times]))
        facts = {
            "board": record.board,
            "recording": str(folder),
            "ended": record.ended,
            "wall_seconds": record.seconds,
            "longest_silence": max(gaps, default=0.0),
        }
        return Tried(record.verdict, record.reason, console.read_bytes() if console.exists() else b"", facts)
