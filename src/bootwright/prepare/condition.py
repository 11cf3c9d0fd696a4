"""What a card rests on that the image does not bring: the firmware and boot loader in the board itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bootwright.boards.model import Board
from bootwright.formats.disks.mbr import read_partition_table
from bootwright.formats.sources.bytesource import ByteSource, FileBytes
from bootwright.foundation.errors import BootwrightError
from bootwright.predict.given.gathered import Gathered
from bootwright.prepare.board_image import by_firmware

_MOST_BEFORE = 64 << 20
"""Bytes that are looked through in front of the first partition; boot loaders lie within the first 16 MiB."""
_PIECE = 1 << 20


def condition(gathered: Gathered, board: Board, image: Path | str) -> str:
    """What the board has to hold for the image to start at all, as sentences; empty where the image is not
    known to lack anything.

    A board whose firmware reads config.txt has that in its ROM or EEPROM; any other one starts what lies in
    front of the first partition, or what its own flash holds.
    """
    lacks = list(_lacks(gathered, board, image))
    if not lacks:
        return ""
    words = f"The image has {' and '.join(lacks)} for {board.name}"
    tree = next((blob.name for blob in gathered.blobs if by_firmware(gathered)), "")
    hands = f" and hands over {tree}" if tree else ""
    needs = f"it starts only where the board's own flash holds firmware (UEFI or U-Boot) that boots it{hands}"
    pi = not board.firmware_models and gathered.config_txt is not None
    made = ". Its config.txt is for a Raspberry Pi's firmware, which this board has not" if pi else ""
    return f"{words}: {needs}{made}"


def _lacks(gathered: Gathered, board: Board, image: Path | str) -> Iterator[str]:
    if not board.firmware_models and _nothing_in_front(Path(image)):
        yield "no boot loader"
    if by_firmware(gathered):
        yield "no devicetree"


def _nothing_in_front(image: Path) -> bool:
    """Whether a disk image has nothing between its table and its first partition, where boot loaders lie.

    False where that is not known, as of an image that is compressed or elsewhere.
    """
    if not image.is_file():
        return False
    try:
        return _is_empty(FileBytes(image))
    except BootwrightError:
        return False


def _is_empty(disk: ByteSource) -> bool:
    table = read_partition_table(disk, backup=False)
    first = min((partition.offset for partition in table.partitions), default=0)
    # A GPT's entries end with sector 33 (UEFI 2.10, 5.3: 128 entries of 128 bytes).
    start = table.sector_size * (1 if table.scheme == "mbr" else 34)
    if not start < first <= _MOST_BEFORE:
        return False
    ends = range(start, first, _PIECE)
    return not any(any(disk.read(at, min(_PIECE, first - at))) for at in ends)
