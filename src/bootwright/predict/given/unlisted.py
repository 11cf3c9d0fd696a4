"""Devicetrees among the artifacts that are for no known board, and what such a board gets of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from attrs import evolve

from bootwright.boards.model import Board, boards_of
from bootwright.formats.devicetree.fdt import Tree, read_fdt_file
from bootwright.foundation.versions import Version
from bootwright.predict.given.blobs import Blob, Origin, root_compatible
from bootwright.predict.given.gathered import Gathered, Resolved


def unlisted(gathered: Gathered, asked: Sequence[str] = (), *, folders: bool = True) -> tuple[Blob, ...]:
    """The devicetrees that are for no known board, and whatever is `asked` for by its file name.

    Those that the user named; else the one that an image hands over, or with `folders` those of the folders
    and images.
    The kernel's own are for boards of all kinds: of them, and of the others, only those count that `asked`
    names by file name or by their own (first) compatible, where it names any. Raises `Malformed` for a
    damaged one.
    """
    if asked:
        return tuple(blob for blob in gathered.blobs if is_asked(blob, asked))
    named = [blob for blob in gathered.blobs if blob.origin is Origin.GIVEN]
    handed = [*gathered.devicetree_choices]
    handed += [gathered.devicetree] if gathered.devicetree is not None else []
    others = [blob for blob in gathered.blobs if blob.origin in {Origin.FOLDER, Origin.IMAGE}]
    wanted = named or handed or (others if folders else [])
    return tuple(blob for blob in wanted if not boards_of(root_compatible(blob.path)))


def is_asked(blob: Blob, asked: Sequence[str]) -> bool:
    """Whether a devicetree is named by its file name or its own (first) compatible."""
    if blob.name in asked:
        return True
    compatibles = [name for name in asked if "," in name]
    if not compatibles:
        return False
    data = blob.path.read_bytes()  # most of a kernel's 1,700 are not asked for, and need not be parsed
    return any(name.encode() in data and name in root_compatible(blob.path)[:1] for name in compatibles)


def resolve_unlisted(
    gathered: Gathered,
    blob: Blob,
    made: Callable[[Tree], Board],
    *,
    overlays: Sequence[Path] = (),
    os: Mapping[str, Version] | None = None,
) -> Resolved:
    """What a board without a file gets of what was gathered: that devicetree, with `overlays`.

    `made` makes the board of the devicetree that Linux gets. Raises as it, and `Malformed` for a damaged
    devicetree or overlay.
    """
    tree = read_fdt_file(blob.path)
    if overlays:
        from bootwright.predict.board_tree import with_overlays

        tree = with_overlays(tree, [read_fdt_file(path) for path in overlays])
    board = made(tree)
    unapplied: tuple[str, ...] = ()
    if gathered.config_txt is not None:
        unapplied = (f"config.txt: which of its filters hold for {board.name} is not known",)
    return Resolved(
        board=board,
        stepping=board.steppings[0].name,
        dtb=blob.path,
        tree=tree,
        given=evolve(gathered.given, unapplied=unapplied),
        os=dict(os) if os is not None else gathered.os,
        arguments=gathered.arguments,
        misfit=None,
        origin=blob.origin,
    )
