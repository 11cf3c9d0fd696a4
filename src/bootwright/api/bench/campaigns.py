"""The cells of a campaign that wait for a board, tried on one that is here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from attrs import define, field

from bootwright.api.bench.running import boot_cell, boots_of

if TYPE_CHECKING:
    from bootwright.bench.session import Bench
    from bootwright.foundation.progress import Progress
    from bootwright.investigate.campaign.model import Campaign, CellRow

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
        """Whether there was one. Raises what `bench_run` raises."""
        for cell in campaign.cells:
            reason = self._reason(cell)
            if not reason:
                booted = boot_cell(self.bench, cell.name, self.folder)
                why = f": {booted.record.reason}" if booted.record.reason else ""
                self.progress.note(f"{cell.name}: {booted.verdict}{why}")
                return True
            if cell.name not in self._named:
                self._named.add(cell.name)
                self.progress.note(f"{cell.name} is not booted on {self.bench.board.name}: {reason}")
        return False

    def _reason(self, cell: CellRow) -> str:
        """Why a cell is not booted here; empty where it can be."""
        for factor, level in self.bench.settings.levels.items():
            if cell.factors.get(factor, level) != level:
                return f"it is for {factor} {cell.factors[factor]}"
        if not cell.image:
            return cell.lacks or "no image was made for it (--cards makes more)"
        boots = boots_of(self.folder, cell.name)
        return f"it was booted {boots} times" if boots >= _MOST_BOOTS else ""
