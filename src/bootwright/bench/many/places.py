"""The engine for many boards: places of a labgrid coordinator, reserved by their tags, a worker for each."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Sequence

from bootwright.bench.many.coordinator import Coordinator, CoordinatorLost, Place
from bootwright.bench.many.rests import Rests
from bootwright.lab.workers.engine import Ended, Perform
from bootwright.lab.workers.processes import Processes
from bootwright.lab.workers.queue import QueuedCell

_POLL = 0.1
"""Seconds between two looks at reservations that wait."""
_LOOK_AGAIN = 1.0
"""Seconds between two looks at which places there are, and between two tries to reach the coordinator."""


class Places:
    """Work on boards. The work is done by a process for each place, which is told the place's name."""

    def __init__(
        self, perform: Perform, address: str, *, on_lost: Callable[[], object] | None = None
    ) -> None:
        """`perform` is given the cell's work, with `place`; `on_lost` is called after a worker was lost.

        A lost worker may have left its board on and its place acquired: `on_lost` has to see to both. Raises
        `Missing` without labgrid.
        """
        self._address = address
        self._pool = Processes(perform, 0)
        self._on_lost = on_lost or (lambda: None)
        self._coordinator: Coordinator | None = None
        self._places: list[Place] = []
        self._looked = float("-inf")
        self._tokens: dict[str, str] = {}
        """Cell → its reservation."""
        self._taken: dict[str, str] = {}
        """Cell → its place, from when it is taken until it has ended."""
        self._rests = Rests()

    def take(self, cells: Sequence[QueuedCell]) -> Sequence[tuple[QueuedCell, str]]:
        """Reserve for as many cells as there are fitting places; those whose place is there can start."""
        try:
            return self._take(cells)
        except CoordinatorLost:
            self._leave()
            return []

    def start(self, cell: QueuedCell) -> None:
        """Hand it to the worker of its place."""
        place = self._taken[cell.name]
        self._pool.start_on(place, cell.name, {**cell.work, "place": place})

    def stop(self, cell: str) -> None:
        """End the worker, and with it what it holds of the board."""
        self._pool.stop(cell)
        self._on_lost()
        self._rests.lost(self._taken[cell])
        self._give_back(cell)

    def wait(self, seconds: float) -> list[Ended]:
        """What has ended."""
        waiting = len(self._tokens) > len(self._taken)
        ended = self._pool.wait(min(seconds, _POLL) if waiting else seconds)
        if any(lease.lost for lease in ended):
            self._on_lost()
        for lease in ended:
            if lease.lost:
                self._rests.lost(self._taken[lease.cell])
            else:
                self._rests.did(self._taken[lease.cell])
            self._give_back(lease.cell)
        return ended

    def lacking(self, cell: QueuedCell) -> str:
        """A place with its tags, where the coordinator has none."""
        if not self._places or self._fitting(cell):
            return ""
        tags = ", ".join(f"{name}={tag}" for name, tag in cell.wants.items())
        return f"no place of {self._address} has the tags {tags}"

    def close(self) -> None:
        """End all workers, and give every reservation back."""
        self._pool.close()
        if self._taken:
            self._on_lost()
        for cell in list(self._tokens):
            self._give_back(cell)
        self._leave()

    def _take(self, cells: Sequence[QueuedCell]) -> list[tuple[QueuedCell, str]]:
        if self._coordinator is None:
            if time.monotonic() - self._looked < _LOOK_AGAIN:
                return []
            self._looked = time.monotonic()
            self._coordinator = Coordinator(self._address)
            self._places = self._coordinator.places()
        elif time.monotonic() - self._looked > _LOOK_AGAIN:
            self._looked = time.monotonic()
            self._places = self._coordinator.places()
        self._reserve(cells, self._coordinator)
        pairs: list[tuple[QueuedCell, str]] = []
        for cell in cells:
            token = self._tokens.get(cell.name)
            if token is None or cell.name in self._taken:
                continue
            try:
                place = self._coordinator.allocated(token)
            except KeyError:  # it expired while we were away: reserve anew
                del self._tokens[cell.name]
                continue
            if place is not None and place not in self._taken.values() and not self._rests.is_resting(place):
                self._taken[cell.name] = place
                pairs.append((cell, place))
        return pairs

    def _reserve(self, cells: Sequence[QueuedCell], coordinator: Coordinator) -> None:
        reserved = Counter(
            frozenset(cell.wants.items())
            for cell in cells
            if cell.name in self._tokens and cell.name not in self._taken
        )
        for cell in cells:
            tags = frozenset(cell.wants.items())
            if cell.name not in self._tokens and reserved[tags] < len(self._fitting(cell)):
                self._tokens[cell.name] = coordinator.reserve(cell.wants)
                reserved[tags] += 1

    def _fitting(self, cell: QueuedCell) -> list[Place]:
        wanted = cell.wants.items()
        return [place for place in self._places if wanted <= place.tags.items()]

    def _give_back(self, cell: str) -> None:
        self._taken.pop(cell, None)
        token = self._tokens.pop(cell, None)
        if token and self._coordinator is not None:
            with contextlib.suppress(CoordinatorLost):
                self._coordinator.cancel(token)

    def _leave(self) -> None:
        """Cells that run go on: their workers have connections of their own."""
        if self._coordinator is not None:
            self._coordinator.close()
        self._coordinator = None
        self._places = []
        self._tokens = dict.fromkeys(self._taken, "")
