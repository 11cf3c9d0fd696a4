"""What a board on a bench has to do: take an image, be switched, and show a console."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from bootwright.bench.lines import Address


class Board(Protocol):
    """A board, by an engine or by a person. Every method may raise `ToolFailed`, `Missing` and `Refused`."""

    @property
    def name(self) -> str:
        """What it is called, for people."""
        ...

    def deploy(self, image: Path) -> str:
        """Bring a raw image to where the board boots it from; how, in words. The board is off meanwhile."""
        ...

    def power_on(self) -> None:
        """Switch it on."""
        ...

    def power_off(self) -> None:
        """Switch it off; a board that is off stays so."""
        ...

    def console(self) -> Address | None:
        """Where its console is now; None where nobody can read one."""
        ...

    def facts(self) -> dict[str, object]:
        """What it is, as it is kept with an observation."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...
