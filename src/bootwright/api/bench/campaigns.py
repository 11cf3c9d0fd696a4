"""The cells of a campaign that wait for a board, tried on those that are here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Self

from attrs import define, field

from bootwright.api.bench.many import LEASE, Boards, name_in_queue
from bootwright.api.bench.running import boot_cell, boots_of
from bootwright.foundation.verdict import Verdict
from bootwright.investigate.campaign.told import read_told
from bootwright.investigate.campaign.walk import CARDS
from bootwright.lab.workers.dispatch import Dispatcher
from bootwright.lab.workers.queue import Queue

if TYPE_CHECKING:
    from bootwright.bench.session import Bench
    from bootwright.foundation.progress import Progress
    from bootwright.investigate.campaign.model import Campaign
    from bootwright.lab.workers.engine import Answer
    from bootwright.lab.workers.queue import QueuedCell

_OPEN = {Verdict.UNKNOWN}
_MOST_BOOTS = 2
"""A cell whose boots tell nothing is left to a person after so many."""


@define
class CellsOnBoard:
    """Boots one waiting cell at a time; see `Walker.on_board`."""

    bench: Bench
    folder: Path
    progress: Progress
    _named: set[str] = field(factory=set)
    """Cells that were passed over, and said so."""

    def __call__(self, campaign: Campaign) -> bool:
        """Whether there was one. Raises what `bench_run` raises.

        The best are tried first; then, where boots of these told nothing, every other one with an image.
        """
        for name, (factors, image, lacks) in waiting(campaign, self.folder).items():
            reason = self._reason(name, factors, image, lacks)
            if not reason:
                booted = boot_cell(self.bench, name, self.folder)
                reason = booted.not_told or booted.record.reason
                why = f": {reason}" if reason else ""
                self.progress.note(f"{name}: {booted.verdict}{why}")
                return True
            if name not in self._named:
                self._named.add(name)
                self.progress.note(f"{name} is not booted on {self.bench.board.name}: {reason}")
        return False

    def _reason(self, name: str, factors: Mapping[str, str], image: str, lacks: str) -> str:
        """Why a cell is not booted here; empty where it can be."""
        for factor, level in self.bench.settings.levels.items():
            if factors.get(factor, level) != level:
                return f"it is for {factor} {factors[factor]}"
        return why_not_booted(self.folder, name, image, lacks)


@define
class CellsOnBoards:
    """Boots waiting cells on whatever free boards fit, side by side; see `Walker.on_board`."""

    boards: Boards
    folder: Path
    progress: Progress
    patience: float
    """Seconds that cells wait for a board while nothing is being booted."""
    _queue: Queue = field(init=False)
    _dispatcher: Dispatcher = field(init=False)
    _named: set[str] = field(factory=set, init=False)

    def __attrs_post_init__(self) -> None:
        """Opens the run's queue."""
        self._queue = Queue(self.folder)
        self._dispatcher = Dispatcher(
            self._queue,
            self.boards.engine,
            self._keep,
            lease_seconds=LEASE,
            patience=self.patience,
            progress=self.progress,
        )

    def __call__(self, campaign: Campaign) -> bool:
        """Until one of the boots that run has ended and told something; False where none can.

        The boots of others go on while the campaign is weighed again. Raises `Missing` where no board comes.
        """
        self.boards.engine.take(())  # so that it is known which boards there are
        names = []
        for name, (factors, image, lacks) in waiting(campaign, self.folder).items():
            reason = why_not_booted(self.folder, name, image, lacks)
            queued = name_in_queue(name, boots_of(self.folder, name) + 1)
            if not reason:
                work = self.boards.work(name, factors, self.folder)
                self._queue.add(queued, work, self.boards.wants(factors))
                cell = self._queue.get(queued)
                reason = self.boards.engine.lacking(cell) if cell is not None else ""
            if not reason:
                names.append(queued)
            elif name not in self._named:
                self._named.add(name)
                self.progress.note(f"{name} is not booted: {reason}")
        return self._dispatcher.run_until_answer(names)

    def close(self) -> None:
        """End what runs."""
        self._dispatcher.stop()
        self.boards.engine.close()
        self._queue.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _keep(self, cell: QueuedCell, answer: Answer) -> None:
        document = answer.facts
        reason = document["not_told"] or document["reason"]
        why = f": {reason}" if reason else ""
        self.progress.note(f"{cell.work['cell']} on {document['board']}: {document['verdict']}{why}")


def waiting(campaign: Campaign, folder: Path) -> dict[str, tuple[Mapping[str, str], str, str]]:
    """Cell → (its factors, its image, why it has none), best first; then every other one with an image.

    Those others are of use where boots of the best told nothing; what is known is not among them.
    """
    best = {cell.name: (cell.factors, cell.image, cell.lacks) for cell in campaign.cells}
    known = {answer.cell for answer in read_told(folder) if set(answer.outcomes.values()) - _OPEN}
    others = {
        name: (factors, "", "")
        for name, factors in campaign.names.items()
        if name not in best and name not in known and _card(folder, name).is_file()
    }
    return {**best, **others}


def why_not_booted(folder: Path, name: str, image: str, lacks: str) -> str:
    """Why a cell is not booted on any board; empty where it can be."""
    if not image and not _card(folder, name).is_file():
        return lacks or "no image was made for it (--cards makes more)"
    boots = boots_of(folder, name)
    return f"it was booted {boots} times" if boots >= _MOST_BOOTS else ""


def _card(folder: Path, name: str) -> Path:
    return folder / CARDS / f"{name}.raw"
