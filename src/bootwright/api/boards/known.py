"""Which boards are known, and what is known of one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import frozen

from bootwright.api._common import reporter

if TYPE_CHECKING:
    from bootwright.boards.model import Board
    from bootwright.evidence.board import ConsoleFacts
    from bootwright.formats.devicetree.fdt import Tree
    from bootwright.foundation.progress import Progress
    from bootwright.kernels.model import Kernel

SCHEMA = "bootwright/boards/1"


@frozen
class KnownBoard:
    """A board with where it is known from, or a devicetree of a kernel."""

    id: str
    """The name for --board: a file's, or the compatible of a board without a file."""
    name: str
    compatible: tuple[str, ...]
    dtbs: tuple[str, ...]
    """File names of its devicetrees."""
    origin: str
    """`bootwright`, `user` or `current folder`; `devicetree` of a board without a file."""

    def as_json(self) -> dict[str, Any]:
        """The board of docs/schemas/boards.schema.json."""
        return {
            "id": self.id,
            "name": self.name,
            "compatible": list(self.compatible),
            "dtbs": list(self.dtbs),
            "origin": self.origin,
        }


@frozen
class ShownBoard:
    """What is known of one board."""

    board: Board
    origin: str
    """`bootwright`, `user`, `current folder`, a file's path, or `devicetree` where no file is for it."""
    console: ConsoleFacts | None
    """How to see more of it, where a file tells."""
    tree: Tree | None
    """The devicetree that its goals were looked up in; None where none was given."""

    def nodes(self) -> Iterator[tuple[str, str | None]]:
        """(goal, path of its node), None for a node that the devicetree does not have."""
        from bootwright.boards.locate import locate

        for goal in self.board.goals if self.tree is not None else ():
            node = locate(self.tree, goal.find) if self.tree is not None else None
            yield goal.name, node.path if node is not None else None

    def as_json(self) -> dict[str, Any]:
        """The board of docs/schemas/boards.schema.json, with its goals."""
        nodes = dict(self.nodes())
        return {
            "schema": SCHEMA,
            "id": self.board.id,
            "name": self.board.name,
            "compatible": list(self.board.compatible),
            "dtbs": list(dict.fromkeys(stepping.dtb for stepping in self.board.steppings)),
            "origin": self.origin,
            "source": self.board.source,
            "steppings": [
                {"name": stepping.name, "dtb": stepping.dtb, "note": stepping.note}
                for stepping in self.board.steppings
            ],
            "goals": {
                goal.name: {
                    "role": goal.kind,
                    "note": goal.note,
                    "boots_from": goal.boots_from,
                    "node": nodes.get(goal.name),
                }
                for goal in self.board.goals
            },
            "not_checked": list(self.board.not_checked),
            "console": self.console.console if self.console is not None else None,
            "earlycon": self.console.earlycon if self.console is not None else None,
        }


def list_boards(
    *, kernel: str | Path | None = None, progress: Progress | None = None
) -> tuple[KnownBoard, ...]:
    """The boards that have a file; with `kernel` all that it has a devicetree for, with a file or without.

    Raises as `check` for a kernel that is not there, and `Malformed` for a board's file that is not right.

        [board.id for board in list_boards() if "brcm,bcm2712" in board.compatible]
    """
    from bootwright.boards.model import BOARDS

    known = [
        KnownBoard(
            id=name,
            name=board.name,
            compatible=board.compatible,
            dtbs=tuple(dict.fromkeys(stepping.dtb for stepping in board.steppings)),
            origin=BOARDS.origin(BOARDS.files()[name]),
        )
        for name, board in BOARDS.all().items()
    ]
    if kernel is None:
        return tuple(known)
    blobs = _blobs(kernel, reporter(progress))
    names = {name for name, _ in blobs}
    return (*(board for board in known if names.intersection(board.dtbs)), *_others(blobs))


def _blobs(kernel: str | Path, progress: Progress) -> list[tuple[str, Path]]:
    """(file name, path) of the devicetrees of a kernel; raises `Missing` where it has none."""
    from bootwright.foundation.errors import Missing
    from bootwright.predict.given.gather import blobs_in
    from bootwright.predict.given.inputs import kernel_at

    chosen = kernel_at(str(kernel), progress)
    if chosen.dtbs is None:
        raise Missing(f"{chosen.name} comes without devicetrees", hint="give a kernel that has some")
    return list(blobs_in(chosen.dtbs))


def _others(blobs: Sequence[tuple[str, Path]]) -> Iterator[KnownBoard]:
    """The boards without a file that devicetrees are for."""
    from bootwright.boards.model import boards_of
    from bootwright.formats.devicetree.fdt import read_fdt_file
    from bootwright.foundation.errors import Malformed

    for name, path in blobs:
        try:
            tree = read_fdt_file(path)
        except Malformed:
            continue  # check --all-devicetrees says which cannot be read
        if tree.compatible and not boards_of(tree.compatible):
            yield KnownBoard(tree.compatible[0], tree.model or "", tree.compatible, (name,), "devicetree")


def show_board(
    board: str | Path, *, kernel: str | Path | None = None, progress: Progress | None = None
) -> ShownBoard:
    """What is known of a board: a name or file of one, a devicetree, or a compatible of one of a kernel's.

    For a devicetree that no board's file is for, the goals are made of what its nodes are for, with the match
    tables of `kernel` (the newest on this machine that has its modules, where none is given).

    Raises `Refused` for a name that does not exist, and for a devicetree of another architecture or without
    anything that could be a goal; `Missing` for a file or kernel that is not there; `Malformed` for a file
    that is damaged.

        show_board("raspberrypi-5").board.goal("ethernet").note
    """
    from bootwright.api.asked import is_unlisted
    from bootwright.boards.model import BOARDS
    from bootwright.boards.model import board as board_named

    reports = reporter(progress)
    name = str(board)
    if not is_unlisted(name) and not _is_devicetree(Path(name)):
        known = board_named(name)
        files = BOARDS.files()
        is_file = "/" in name or name.endswith(".toml")
        origin = name if is_file else BOARDS.origin(files[known.id])
        return ShownBoard(known, origin, _console(known), _own_tree(known, kernel, reports))
    tree, dtb = devicetree_named(name, kernel, reports)
    made, origin = board_of(tree, dtb, kernel, reports)
    return ShownBoard(made, origin, _console(made), tree)


def _is_devicetree(path: Path) -> bool:
    from bootwright.formats.devicetree.fdt import MAGIC

    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(4) == MAGIC.to_bytes(4, "big")


def devicetree_named(name: str, kernel: str | Path | None, progress: Progress) -> tuple[Tree, str]:
    """(the devicetree, its file name): of a file, or of a kernel's by file name or compatible."""
    from bootwright.boards.architecture import require_arm64
    from bootwright.boards.model import boards
    from bootwright.formats.devicetree.fdt import read_fdt_file
    from bootwright.foundation.choices import no_such
    from bootwright.foundation.errors import Refused

    path = Path(name)
    if not path.exists() and "/" not in name:
        chosen = _kernel(kernel, progress)
        in_kernel = _in_kernel(chosen.dtbs, name)
        if in_kernel is None:
            known = [board.id for board in _others(_blobs(chosen.name, progress))]
            known += [board.compatible[0] for board in boards()]
            raise no_such(f"{chosen.name} has no devicetree for {name}", name, known, kind="boards")
        path = in_kernel
    tree = read_fdt_file(path)
    if tree.is_overlay:
        raise Refused(f"{path} is an overlay", hint="give the devicetree that it is applied to")
    require_arm64(tree)
    return tree, path.name


def _in_kernel(folder: Path | None, name: str) -> Path | None:
    from bootwright.predict.given.blobs import Blob, Origin
    from bootwright.predict.given.gather import blobs_in
    from bootwright.predict.given.unlisted import is_asked

    blobs = blobs_in(folder) if folder is not None else ()
    return next((path for file, path in blobs if is_asked(Blob(file, path, Origin.KERNEL), (name,))), None)


def _kernel(kernel: str | Path | None, progress: Progress) -> Kernel:
    """That kernel, or the newest on this machine that has its modules and devicetrees."""
    from bootwright.api.checking import kernels_here
    from bootwright.foundation.versions import Version
    from bootwright.kernels.catalogue import open_library
    from bootwright.predict.given.inputs import kernel_at

    if kernel is None:
        here, store = kernels_here(), open_library(offline=True).store
        versions = {name: Version.parse(held.version) for name in here if (held := store.manifest(name))}
        newest = max((version for version in versions.values() if version is not None), default=None)
        kernel = next((name for name in here if versions.get(name) == newest), here[0])
    return kernel_at(str(kernel), progress)


def board_of(
    tree: Tree, dtb: str, kernel: str | Path | None, progress: Progress, *, own: bool = False
) -> tuple[Board, str]:
    """(the board of a devicetree, where that is known from); with `own`, as if no file were for it."""
    from bootwright.boards.model import BOARDS, boards_of
    from bootwright.predict.api import facts_of, predict
    from bootwright.predict.roles.board import made_board

    known = boards_of(tree.compatible)
    if known and not own:
        return known[0], BOARDS.origin(BOARDS.files()[known[0].id])
    return made_board(predict(facts_of(_kernel(kernel, progress)), tree), dtb), "devicetree"


def _own_tree(board: Board, kernel: str | Path | None, progress: Progress) -> Tree | None:
    """The devicetree of a board that has a file, where a kernel was given that has it."""
    from bootwright.predict.api import dtb_for
    from bootwright.predict.given.blobs import tree_of
    from bootwright.predict.given.gather import blobs_in

    if kernel is None:
        return None
    chosen = _kernel(kernel, progress)
    files = dict(blobs_in(chosen.dtbs)) if chosen.dtbs is not None else {}
    tree = next(
        (tree for stepping in board.steppings if (tree := tree_of(stepping, files)) is not None), None
    )
    if tree is None:
        dtb_for(chosen, board)  # which says what is missing
    return tree


def _console(board: Board) -> ConsoleFacts | None:
    from bootwright.evidence.board import CONSOLES

    return CONSOLES.all().get(board.id)
