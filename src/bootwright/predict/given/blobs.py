"""Devicetrees among the artifacts: where each is from, whose it is, and which of them are a board's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from functools import lru_cache
from pathlib import Path

from attrs import frozen

from bootwright.boards.fit import Fit, fit, not_the_boards
from bootwright.boards.model import Board, Stepping
from bootwright.formats.devicetree.fdt import Tree, read_fdt_file
from bootwright.foundation.errors import Missing


class Origin(Enum):
    """Where a devicetree among the artifacts is from."""

    GIVEN = "given"
    """A file that the user named: it is the one Linux gets."""
    FOLDER = "folder"
    """A folder that the user named: the firmware picks one of it by its name."""
    IMAGE = "image"
    """An image: the same, and what it holds is the image's fault."""
    KERNEL = "kernel"
    """The kernel's own package."""


@frozen
class Blob:
    """A devicetree among the artifacts."""

    name: str
    """File name, which is what firmware picks it by."""
    path: Path
    origin: Origin


def not_a_file(path: Path) -> Missing:
    """The error for a devicetree or overlay given as a file that is not there: it may be a kernel's own."""
    own = f"; a kernel's own is named so: --board {path.name}" if path.suffix == ".dtb" else ""
    return Missing(f"cannot read {path}: there is no such file", hint=f"check the name{own}")


def root_compatible(path: Path) -> tuple[str, ...]:
    """The root compatible of a devicetree file, which every board asks for."""
    status = path.stat()
    return _compatible_of(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=64)
def _compatible_of(path: Path, size: int, changed: int) -> tuple[str, ...]:  # noqa: ARG001 - the file's state
    return read_fdt_file(path).compatible


def of_the_board(board: Board, wanted: str, named: Sequence[Blob]) -> Blob:
    """Of the files that the user named, the board's: by file name, or the only one that is for it."""
    trees = {blob: root_compatible(blob.path) for blob in named}
    fitting = [blob for blob in named if fit(board, trees[blob]) is not Fit.OTHER]
    if not fitting:
        first = next((blob for blob in named if blob.name == wanted), named[0])
        raise not_the_boards(board, str(first.path), trees[first])
    for blob in fitting:
        if blob.name == wanted:
            return blob
    own = [blob for blob in fitting if fit(board, trees[blob]) is Fit.OWN] or fitting
    if len(own) > 1:
        names = {stepping.dtb for stepping in board.steppings}
        unnamed = [blob for blob in own if blob.name not in names]
        if len(unnamed) == 1:
            return unnamed[0]
        raise Missing(
            f"{len(own)} devicetrees are for {board.name}, and none is called {wanted}",
            hint="give the one that Linux gets",
        )
    return own[0]


def base_of(stepping: Stepping, blobs: Iterable[Blob]) -> tuple[Blob, Path] | None:
    """(base, overlay beside it) that make a stepping's devicetree; None where they are not there."""
    for blob in blobs if stepping.overlay else ():
        overlay = blob.path.parent / stepping.overlay
        if blob.name == stepping.base and overlay.is_file():
            return blob, overlay
    return None


def tree_of(stepping: Stepping, files: Mapping[str, Path]) -> Tree | None:
    """A stepping's devicetree out of a folder's (file name → path), its own or made of base and overlay.

    None where it has neither. Raises `Malformed`, and `Missing` without the tool that applies overlays.
    """
    own = files.get(stepping.dtb)
    if own is not None:
        return read_fdt_file(own)
    joined = base_of(stepping, (Blob(name, path, Origin.FOLDER) for name, path in files.items()))
    if joined is None:
        return None
    from bootwright.predict.board_tree import with_overlays

    base, overlay = joined
    return with_overlays(read_fdt_file(base.path), [read_fdt_file(overlay)])
