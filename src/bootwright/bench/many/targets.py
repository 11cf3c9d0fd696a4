"""The engine for the boards of one environment file: its targets, each with a worker of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from bootwright.bench.many.rests import Rests
from bootwright.bench.settings import BoardSettings
from bootwright.lab.workers.engine import Ended, Perform
from bootwright.lab.workers.processes import Processes
from bootwright.lab.workers.queue import QueuedCell


class Targets:
    """Work on boards. The work is done by a process for each target, which is told the target's name."""

    def __init__(
        self,
        perform: Perform,
        targets: Mapping[str, BoardSettings],
        where: str,
        *,
        on_lost: Callable[[], object] | None = None,
    ) -> None:
        """`perform` is given the cell's work, which has its `factors`, with `target`; `where` names the file.

        `on_lost` is called after a worker was lost, which may have left its board on.
        """
        self._targets = dict(targets)
        self._where = where
        self._pool = Processes(perform, 0)
        self._on_lost = on_lost or (lambda: None)
        self._taken: dict[str, str] = {}
        """Cell → its target, from when it is taken until it has ended."""
        self._rests = Rests()

    def take(self, cells: Sequence[QueuedCell]) -> Sequence[tuple[QueuedCell, str]]:
        """Those for which a board that fits is free."""
        pairs: list[tuple[QueuedCell, str]] = []
        for cell in cells:
            for target in self._fitting(cell):
                if target not in self._taken.values() and not self._rests.is_resting(target):
                    self._taken[cell.name] = target
                    pairs.append((cell, target))
                    break
        return pairs

    def start(self, cell: QueuedCell) -> None:
        """Hand it to the worker of its target."""
        target = self._taken[cell.name]
        self._pool.start_on(target, cell.name, {**cell.work, "target": target})

    def stop(self, cell: str) -> None:
        """End the worker, and with it what it holds of the board."""
        self._pool.stop(cell)
        self._on_lost()
        self._rests.lost(self._taken.pop(cell))

    def wait(self, seconds: float) -> list[Ended]:
        """What has ended."""
        ended = self._pool.wait(seconds)
        if any(lease.lost for lease in ended):
            self._on_lost()
        for lease in ended:
            target = self._taken.pop(lease.cell)
            (self._rests.lost if lease.lost else self._rests.did)(target)
        return ended

    def lacking(self, cell: QueuedCell) -> str:
        """A board that the cell is for."""
        if self._fitting(cell):
            return ""
        tags = ", ".join(f"{name}={tag}" for name, tag in cell.wants.items())
        return f"no target of {self._where} has the levels {tags}"

    def close(self) -> None:
        """End all workers."""
        self._pool.close()
        if self._taken:
            self._on_lost()

    def _fitting(self, cell: QueuedCell) -> list[str]:
        """The targets of which no level is another than the cell's."""
        factors: Mapping[str, str] = cell.work["factors"]
        return [
            name
            for name, settings in self._targets.items()
            if all(factors.get(factor, level) == level for factor, level in settings.levels.items())
        ]
