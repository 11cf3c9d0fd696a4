"""Whether a devicetree is a board's: by its root node's compatible.

The root's compatible names the board first and its SoC after it (Devicetree Specification 0.4, 2.3.1 and
3.2); a board's file names the same two kinds in the same order.
"""

from __future__ import annotations

from enum import Enum

from bootwright.boards.model import Board, boards_of
from bootwright.foundation.errors import Refused


class Fit(Enum):
    """How a devicetree and a board go together."""

    OWN = "own"
    """The board's own compatible is there."""
    SOC = "soc"
    """Only the SoC's is, and no other known board's: it may be a board made like this one."""
    OTHER = "other"
    """It is for something else."""


def fit(board: Board, compatible: tuple[str, ...]) -> Fit:
    """How a devicetree with this root compatible goes with a board."""
    if board.compatible[0] in compatible:
        return Fit.OWN
    soc = any(name in compatible for name in board.compatible[1:])
    return Fit.SOC if soc and not boards_of(compatible) else Fit.OTHER


def described(compatible: tuple[str, ...]) -> str:
    """What a devicetree is for, in words: its compatible, and the known board of that."""
    if not compatible:
        return "no board at all (its root has no compatible)"
    known = boards_of(compatible)
    return ", ".join(compatible[:4]) + (f" ({known[0].name})" if known else "")


def not_the_boards(board: Board, name: str, compatible: tuple[str, ...]) -> Refused:
    """The error for a devicetree that the user gave for a board and that is for something else."""
    known = boards_of(compatible)
    wanted = " or ".join(dict.fromkeys(stepping.dtb for stepping in board.steppings))
    own = f"give a devicetree of {board.id} ({wanted})"
    hint = f"did you mean --board {known[0].id}? or {own}" if known else own
    return Refused(
        f"{name}: expected a devicetree for {board.compatible[0]} ({board.name}), "
        f"found one for {described(compatible)}",
        hint=hint if known else f"{own}; bootwright predict takes any devicetree",
    )


def require_fit(board: Board, name: str, compatible: tuple[str, ...]) -> None:
    """Raise `Refused` for a devicetree that is for something else than the board."""
    if fit(board, compatible) is Fit.OTHER:
        raise not_the_boards(board, name, compatible)
