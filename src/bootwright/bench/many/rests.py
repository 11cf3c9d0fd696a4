"""Boards that rest after they lost a cell: one that cannot be used would lose every cell within moments."""

from __future__ import annotations

import time

from attrs import define, field

_REST = 3.0
_LONGEST_REST = 30.0
"""Seconds that a board rests after it lost a cell: twice as long each time, until it does one."""


@define
class Rests:
    """Which boards rest, and for how long."""

    _until: dict[str, tuple[float, float]] = field(factory=dict)
    """Board that lost its last cell → (until when it rests, for how long)."""

    def lost(self, board: str) -> None:
        """It lost a cell."""
        _, last = self._until.get(board, (0.0, _REST / 2))
        seconds = min(2 * last, _LONGEST_REST)
        self._until[board] = (time.monotonic() + seconds, seconds)

    def did(self, board: str) -> None:
        """It did one."""
        self._until.pop(board, None)

    def is_resting(self, board: str) -> bool:
        """Whether it takes nothing now."""
        return time.monotonic() < self._until.get(board, (0.0, 0.0))[0]
