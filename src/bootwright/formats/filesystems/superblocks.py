"""Superblocks that are named but not read further: what matters of them is a size the kernel must match.

swap: mm/swapfile.c and include/linux/swap.h; btrfs: include/uapi/linux/btrfs_tree.h; ISO 9660: ECMA-119
section 8. Linux 6.12.
"""

from __future__ import annotations

import struct
import uuid

from attrs import frozen

from bootwright.formats.sources.bytesource import ByteSource

_PAGE_SIZES = (4096, 16384, 65536)
_BTRFS_AT = 0x10000


@frozen
class Named:
    """A file system or swap area known by its superblock alone. Sizes are in bytes."""

    type: str
    label: str | None
    uuid: str | None
    sizes: tuple[tuple[str, int], ...]
    """Such as `page_size` of a swap area, `sector_size` of btrfs."""
    offset: int


def read_named(source: ByteSource) -> Named | None:
    """The superblock, or None for anything else."""
    for page in _PAGE_SIZES:
        if source.size >= page and source.read(page - 10, 10) == b"SWAPSPACE2":
            raw = source.read(1024, 44)
            return Named(
                "swap", _text(raw[28:44]), str(uuid.UUID(bytes=raw[12:28])), (("page_size", page),), 1024
            )
    if source.size >= _BTRFS_AT + 4096 and source.read(_BTRFS_AT + 64, 8) == b"_BHRfS_M":
        raw = source.read(_BTRFS_AT, 1024)
        sector, node = struct.unpack_from("<II", raw, 144)
        return Named(
            "btrfs",
            _text(raw[0x12B:0x22B]),
            str(uuid.UUID(bytes=raw[32:48])),
            (("sector_size", sector), ("node_size", node)),
            _BTRFS_AT,
        )
    if source.size >= 0x8000 + 2048 and source.read(0x8001, 5) == b"CD001":
        raw = source.read(0x8000, 2048)
        return Named("iso9660", _text(raw[40:72]), None, (("block_size", 2048),), 0x8000)
    return None


def _text(raw: bytes) -> str | None:
    return raw.split(b"\0", 1)[0].decode("utf-8", "replace").strip() or None
