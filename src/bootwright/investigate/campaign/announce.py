"""What a campaign is doing, left in its folder for `status`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from bootwright.foundation.progress import Progress

_DOING = "doing"
_MOST = 300


class Announced:
    """A progress that also leaves the innermost step's name in the run's folder."""

    def __init__(self, progress: Progress, folder: Path) -> None:
        self._progress = progress
        self._path = folder / _DOING

    @contextlib.contextmanager
    def step(self, text: str) -> Iterator[None]:
        """Announce a piece of work; leaving the block ends it."""
        # Best effort: what is being done is no part of what is recorded, and a full disk is told elsewhere.
        with contextlib.suppress(OSError):
            self._path.write_text(text[:_MOST], encoding="utf-8", errors="replace")
        try:
            with self._progress.step(text):
                yield
        finally:
            with contextlib.suppress(OSError):
                self._path.unlink()

    def advance(self, done: float, total: float | None, unit: str) -> None:
        """Tell how far the innermost step is."""
        self._progress.advance(done, total, unit)

    def note(self, text: str) -> None:
        """Print one line that stays."""
        self._progress.note(text)


def doing(folder: Path) -> str:
    """What the process that works in a folder is doing; empty where it does not say."""
    try:
        return (folder / _DOING).read_text(encoding="utf-8", errors="replace")[:_MOST]
    except OSError:
        return ""
