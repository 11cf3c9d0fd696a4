"""The devicetree that Linux gets on a board: config.txt and overlays applied as the board's firmware does.

Boards whose firmware reads config.txt (`Board.firmware_models`) merge overlays by the rules of `firmware`;
on all others U-Boot or GRUB does, which are libfdt (`formats.devicetree.overlay`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from bootwright.boards.model import Board, boards_of
from bootwright.firmware.board import FirmwareBoard
from bootwright.firmware.config_txt import ConfigTxt
from bootwright.firmware.files import BootFiles, boot_files
from bootwright.firmware.filters import BoardFacts
from bootwright.firmware.given_tree import GivenTree, Overlays, given_tree
from bootwright.firmware.overlay_map import FILE as MAP
from bootwright.firmware.overlays import merge, resolve
from bootwright.formats.devicetree.fdt import Tree, read_fdt_file
from bootwright.formats.devicetree.overlay import apply_overlays
from bootwright.formats.devicetree.writer import DraftTree


def board_facts(board: Board, code: int | None = None) -> BoardFacts:
    """What the firmware's filters ask about, as far as it is known of the board.

    `code` is the revision code of the very board, where it is known.
    """
    kind = None
    if board.revision is not None:
        low, high = board.revision.board.get("type", (0, -1))
        kind = low if low == high else None
        bits = next((bits for bits in board.revision.bits if bits.name == "type"), None)
        kind = bits.of(code) if code is not None and bits is not None else kind
    return BoardFacts(models=board.firmware_models, board_type=kind)


def devicetree_of(
    base: Tree,
    config: ConfigTxt,
    overlays: Mapping[str, Path],
    board: Board,
    *,
    code: int | None = None,
    on_partition: Collection[str] = (),
    first: Sequence[str] = (),
) -> GivenTree:
    """`base` with what config.txt says for the board.

    `overlays` maps overlays to their files: by name (`rtc`), or by path on the firmware's partition
    (`/overlays/rtc.dtbo`). `on_partition` holds the paths of that partition's files, which decide whether a
    prefix counts; `first` names overlays that the firmware loads by itself. Raises `Malformed` for a damaged
    map.
    """
    facts = board_facts(board, code)
    files = _files(config, facts, (), on_partition)

    def load(name: str) -> Tree | None:
        path = overlays.get(files.overlay(name)) or overlays.get(name)
        return read_fdt_file(path) if path is not None else None

    path = overlays.get(files.overlay_map) or overlays.get(MAP)
    tables = read_fdt_file(path) if path is not None else None
    return given_tree(base, config, facts, Overlays(load, tables), first=first)


def firmware_overlays(
    board: Board, stepping: str | None, dtb: str, overlays: Collection[str]
) -> tuple[str, ...]:
    """What the firmware puts on the devicetree file `dtb`, which may be another stepping's.

    Only what is among `overlays`: the firmware goes on without.
    """
    chosen = next((candidate for candidate in board.steppings if candidate.name == stepping), None)
    names = {place.rpartition("/")[2].removesuffix(".dtbo") for place in overlays}
    other_dtbs = {other.dtb for other in board.steppings if other is not chosen}
    if chosen is None or chosen.firmware_overlay not in names or dtb not in other_dtbs:
        return ()
    return (chosen.firmware_overlay,)


def _files(
    config: ConfigTxt, facts: BoardFacts, dtbs: tuple[str, ...], on_partition: Collection[str]
) -> BootFiles:
    # Which kernels the firmware starts by itself is not asked here.
    return boot_files(config, FirmwareBoard(facts, (), arm_64bit=True, dtbs=dtbs), on_partition.__contains__)


def devicetree_place(
    config: ConfigTxt | None, board: Board, name: str, on_partition: Collection[str]
) -> str | None:
    """Where on its partition the devicetree is that the firmware loads: `name`, or the one config.txt names.

    None where it is not there, or the board has no such firmware.
    """
    if config is None or not board.firmware_models:
        return None
    # A stepping's own devicetree may be missing: another one's is taken then.
    names = dict.fromkeys((name, *(stepping.dtb for stepping in board.steppings)))
    return _files(config, board_facts(board), tuple(names), on_partition).devicetree


def devicetree_name(config: ConfigTxt | None, board: Board) -> str | None:
    """The file that `device_tree=` names for the board, or None where the firmware chooses."""
    if config is None or not board.firmware_models:
        return None
    named = config.last("device_tree", board_facts(board))
    return named.rpartition("/")[2] or None if named is not None else None


def settings_of(config: ConfigTxt, board: Board) -> dict[str, str]:
    """Key → the last value that holds for the board."""
    facts = board_facts(board)
    return {setting.key: setting.value for setting in config.settings if facts.applies(setting.filters)}


def with_overlays(tree: Tree, overlays: Sequence[Tree]) -> Tree:
    """A devicetree with overlays applied in order, by the rules of the boot loader its board has.

    Raises `Malformed` for what is no overlay or does not fit, `Missing` where fdtoverlay is needed and not
    installed.
    """
    if not overlays:
        return tree
    if not any(board.firmware_models for board in boards_of(tree.compatible)):
        return apply_overlays(tree, overlays)
    draft = DraftTree(tree)
    for overlay in overlays:
        draft = merge(draft, resolve(draft, overlay))
    names = " + ".join(Path(overlay.name).name for overlay in overlays)
    return draft.tree(f"{tree.name} + {names}")
