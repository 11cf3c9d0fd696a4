"""A copy-on-write overlay of an image, as large as a card has to be.

The qcow2 form, version 2 (QEMU docs/interop/qcow2.txt): a header that names the image as backing file, a
reference count table with one block, an L1 table without entries. Everything the guest writes lands in it.
QEMU's SD cards have to have a power of two bytes (hw/sd/sd.c, since 5.1); what the image lacks reads as
zeros.
"""

from __future__ import annotations

import struct
from pathlib import Path

from bootwright.foundation.atomic import write_bytes
from bootwright.foundation.errors import Refused

_MAGIC = 0x514649FB
_CLUSTER_BITS = 16
_CLUSTER = 1 << _CLUSTER_BITS
_PER_L1_ENTRY = _CLUSTER * (_CLUSTER // 8)
_MOST_L1 = _CLUSTER // 8
_BACKING_FORMAT = 0xE2792ACA
_LONGEST_NAME = 1023
_HEADER = struct.Struct(">IIQIIQIIQQIIQ")


def card_size(size: int) -> int:
    """The next power of two, in bytes."""
    return 1 << max(0, size - 1).bit_length()


def write_overlay(image: Path, overlay: Path, size: int) -> None:
    """Write an overlay of the raw `image` with `size` bytes; raises `Refused` where that cannot be said.

    The backing format is named, so that an image whose bytes look like another format stays raw.
    """
    name = str(image.resolve()).encode()
    entries = -(-size // _PER_L1_ENTRY)
    if len(name) > _LONGEST_NAME or entries > _MOST_L1:
        raise Refused(
            f"{image} cannot be opened by QEMU under this name and size",
            hint="use a shorter path, or a smaller image",
        )
    extensions = struct.pack(">II", _BACKING_FORMAT, 3) + b"raw".ljust(8, b"\0") + bytes(8)
    header = _HEADER.pack(
        _MAGIC, 2, _HEADER.size + len(extensions), len(name), _CLUSTER_BITS, size, 0, entries,
        3 * _CLUSTER, 1 * _CLUSTER, 1, 0, 0,
    )  # fmt: skip
    first = (header + extensions + name).ljust(_CLUSTER, b"\0")
    table = struct.pack(">Q", 2 * _CLUSTER).ljust(_CLUSTER, b"\0")
    counts = struct.pack(">4H", 1, 1, 1, 1).ljust(_CLUSTER, b"\0")
    write_bytes(overlay, first + table + counts + bytes(_CLUSTER))
