"""The cells of a campaign that wait for a board, tried on one that is here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import define, field

from bootwright.api.bench.running import boot_cell, boots_of
from bootwright.foundation.verdict import Verdict
from bootwright.investigate.campaign.told import read_told
from bootwright.investigate.campaign.walk import CARDS

if TYPE_CHECKING:
    from bootwright.bench.session import Bench
    from bootwright.foundation.progress import Progress
    from bootwright.investigate.campaign.model import Campaign

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
        best = {cell.name: (cell.factors, cell.image, cell.lacks) for cell in campaign.cells}
        others = {name: (factors, "", "") for name, factors in campaign.names.items() if name not in best}
        known = {answer.cell for answer in read_told(self.folder) if set(answer.outcomes.values()) - _OPEN}
        for name, (factors, image, lacks) in {**best, **others}.items():
            if name in others and (name in known or not self._card(name).is_file()):
                continue
            reason = self._reason(name, factors, image, lacks)
            if not reason:
                booted = boot_cell(self.bench, name, self.folder)
                why = f": {booted.record.reason}" if booted.record.reason else ""
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
        if not image and not self._card(name).is_file():
            return lacks or "no image was made for it (--cards makes more)"
        boots = boots_of(self.folder, name)
        return f"it was booted {boots} times" if boots >= _MOST_BOOTS else ""

    def _card(self, name: str) -> Path:
        return self.folder / CARDS / f"{name}.raw"
