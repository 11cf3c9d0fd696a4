"""A file for a board that has none, written from its devicetree."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from attrs import frozen

from bootwright.api._common import reporter
from bootwright.api.boards.known import board_of, devicetree_named

if TYPE_CHECKING:
    from bootwright.boards.model import Board
    from bootwright.foundation.progress import Progress


@frozen
class AddedBoard:
    """A file that was written."""

    board: Board
    path: Path


def add_board(
    devicetree: str | Path,
    *,
    name: str | None = None,
    kernel: str | Path | None = None,
    output: str | Path | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> AddedBoard:
    """Write the file of a board that has none, from its devicetree, for a person to edit.

    `devicetree` is a file, or the compatible of a board that `kernel` has a devicetree for. `name` is the
    board's (its compatible without the comma); `output` is the file (in the user's knowledge, where every
    command finds it). With `force` a file that is there is replaced.

    Returns an `AddedBoard`. Raises as `show_board`, and `Refused` for a board that has a file already.

        add_board("rk3588s-nanopi-r6c.dtb", output="nanopi-r6c.toml").board.name
    """
    import re

    from attrs import evolve

    from bootwright.boards.model import BOARDS
    from bootwright.boards.written import board_file
    from bootwright.foundation.atomic import check_new, write_text
    from bootwright.foundation.errors import Refused

    reports = reporter(progress)
    tree, dtb = devicetree_named(str(devicetree), kernel, reports)
    board, origin = board_of(tree, dtb, kernel, reports, own=force)
    if origin != "devicetree":
        raise Refused(
            f"{dtb} is for {board.name}, which has a file: {board.id}",
            hint=f"bootwright boards show {board.id}; --force writes another one",
        )
    identity = name or board.id
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]*", identity):
        raise Refused(
            f"{identity!r} is no name for a board",
            hint="small letters, digits, '.', '_' and '-', as in rock-5b",
        )
    path = Path(output) if output is not None else BOARDS.of_user(identity)
    check_new(path, force=force)
    made = evolve(board, id=identity)
    text = board_file(made, tree, dtb)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, text)
    return AddedBoard(made, path)
