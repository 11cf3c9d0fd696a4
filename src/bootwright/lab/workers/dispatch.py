"""Leasing a run's queue to an engine until every cell is done or given up."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from contextlib import suppress

from attrs import define, field

from bootwright.foundation.errors import Missing
from bootwright.foundation.progress import Progress, Silent
from bootwright.lab.workers.engine import Answer, Ended, Engine
from bootwright.lab.workers.queue import CellState, Queue, QueuedCell

LEASE = 1800.0
"""Seconds of a lease: a boot is ended by its own limits (120 s of guest time) long before, on any machine."""
PATIENCE = 60.0
"""Seconds that cells wait for a worker or place to come (back), while nothing else is being done."""
_LOOK = 0.5

Keep = Callable[[QueuedCell, Answer], None]
"""Keeps an answer for good."""


@define
class Dispatcher:
    """Leases the cells of one queue."""

    queue: Queue
    engine: Engine
    keep: Keep
    lease_seconds: float = LEASE
    patience: float = PATIENCE
    progress: Progress = field(factory=Silent)
    _leases: dict[str, float] = field(factory=dict, init=False)
    """Cell → when its lease ends, on the monotonic clock."""
    _idle_since: float = field(default=0.0, init=False)
    """Since when nothing is being done, on the same clock."""

    def run(self, names: Collection[str] | None = None) -> list[QueuedCell]:
        """Until none of the named cells [all] is queued or leased; returns those that are quarantined.

        Raises what a cell's work raised where it would come out the same again, and `Missing` where no worker
        comes. However it ends, what is leased is put back and the engine's work ended.
        """
        wanted = frozenset(names) if names is not None else None
        self.queue.reclaim(wanted)
        self._idle_since = time.monotonic()
        try:
            while (queued := self._queued(wanted)) or self._leases:
                self._turn(queued, wanted)
        finally:
            self.stop()
        return [
            cell for cell in self.queue.cells(CellState.QUARANTINED) if wanted is None or cell.name in wanted
        ]

    def run_until_answer(self, names: Collection[str]) -> bool:
        """Until an answer is kept, of a named cell or one that is still leased; False where none can come.

        What else is leased goes on meanwhile and afterwards: call it again, or `stop`. Raises as `run`.
        """
        wanted = frozenset(names)
        self._idle_since = time.monotonic()
        while (queued := self._queued(wanted)) or self._leases:
            if self._turn(queued, wanted):
                return True
        return False

    def stop(self) -> None:
        """End what is leased, and put it back."""
        for name in self._leases:
            with suppress(Missing):
                self.engine.stop(name)
        self.queue.reclaim(self._leases)
        self._leases.clear()

    def _turn(self, queued: list[QueuedCell], wanted: frozenset[str] | None) -> int:
        """Begin what can be, and take in what has ended; how many answers were kept."""
        self._start(queued)
        if self._leases:
            self._idle_since = time.monotonic()
        answers = sum(self._take_in(lease) for lease in self.engine.wait(_LOOK))
        self._expire()
        if not self._leases and not answers and time.monotonic() - self._idle_since > self.patience:
            self._nobody(self._queued(wanted))
        return answers

    def _queued(self, wanted: frozenset[str] | None) -> list[QueuedCell]:
        cells = self.queue.cells(CellState.QUEUED)
        return [cell for cell in cells if wanted is None or cell.name in wanted]

    def _start(self, cells: list[QueuedCell]) -> None:
        for cell, worker in self.engine.take(cells):
            if self.queue.lease(cell.name, worker, self.lease_seconds):
                self._leases[cell.name] = time.monotonic() + self.lease_seconds
                self.engine.start(cell)

    def _take_in(self, ended: Ended) -> bool:
        """Whether its answer was kept."""
        if self._leases.pop(ended.cell, None) is None:
            return False  # given up before: another worker has it
        cell = self.queue.get(ended.cell)
        if ended.error is not None:
            self.queue.reclaim([ended.cell])
            raise ended.error
        if ended.answer is None or cell is None:
            self._give_back(ended.cell, f"{ended.worker}: {ended.lost}" if ended.worker else ended.lost)
            return False
        for note in ended.answer.notes:
            self.progress.note(note)
        self.keep(cell, ended.answer)
        self.queue.finish(ended.cell)
        return True

    def _expire(self) -> None:
        now = time.monotonic()
        for name in [name for name, end in self._leases.items() if now > end]:
            self.engine.stop(name)
            del self._leases[name]
            cell = self.queue.get(name)
            self._give_back(name, f"{cell.worker if cell else '?'}: no answer in {self.lease_seconds:g} s")

    def _give_back(self, name: str, reason: str) -> None:
        state = self.queue.give_back(name, reason)
        becomes = "given up" if state is CellState.QUARANTINED else "queued again"
        self.progress.note(f"{name}: {becomes}: {reason}")

    def _nobody(self, cells: list[QueuedCell]) -> None:
        """Nobody takes what waits: quarantine what nothing can take, or raise who is missing."""
        for cell in cells:
            reason = self.engine.lacking(cell)
            if not reason:
                raise Missing(
                    f"{len(cells)} cells wait and no worker came in {self.patience:g} s",
                    hint="start workers; what was done is kept, and the same command goes on",
                )
            self.queue.quarantine(cell.name, reason)
            self.progress.note(f"{cell.name}: given up: {reason}")
