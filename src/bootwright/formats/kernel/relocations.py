"""Pointers of a relocatable arm64 Image that its linker left out, put where they belong.

A relocatable kernel (CONFIG_RELOCATABLE) sets its own pointers at boot (relocate_kernel in arch/arm64). Where
the linker packs them as RELR, the file holds the addresses already. Where it does not (binutils before 2.43,
with which Debian 11 and 12 build), arm64's Makefile passes `--no-apply-dynamic-relocs`: every pointer in the
file is 0, and its value stands in a RELA table inside the Image, 24 bytes an entry: address, type, addend
(ELF for the Arm 64-bit Architecture, section 5.7.17, R_AARCH64_RELATIVE).
"""

from __future__ import annotations

import struct
import sys
from array import array

from attrs import frozen

_RELATIVE = 1027
_ENTRY = 24
_TYPE = struct.pack("<Q", _RELATIVE)
_LEAST = 64
"""Entries in a row that make a table; Debian's 5.10 has 140,000."""
_MAX_PLACES = 1000
_ALIGNMENT = 128 << 20
"""Bytes. The image begins where the modules' region ends, at a multiple of this (KIMAGE_VADDR,
arch/arm64/include/asm/memory.h, Linux 5.10 to 7.3)."""


@frozen
class Relocated:
    """An Image as it is in memory at its link address."""

    image: bytes
    base: int | None
    """The link address of the Image's first byte, where the relocations tell it."""


def relocated(image: bytes) -> Relocated:
    """The Image with the pointers of its RELA table in place; itself where it has no such table."""
    table = _table(image)
    if table is None:
        return Relocated(image, None)
    start, end = table
    words = array("Q", image[start:end])
    if sys.byteorder == "big":
        words.byteswap()
    places = words[0::3]
    base = min(places) & -_ALIGNMENT
    changed = bytearray(image)
    limit = len(image) - 8
    pack = struct.Struct("<Q").pack_into
    for place, value in zip(places, words[2::3], strict=True):
        at = place - base
        if 0 <= at <= limit:
            pack(changed, at, value)
    return Relocated(bytes(changed), base)


def _table(image: bytes) -> tuple[int, int] | None:
    """(start, end) of the longest row of relative relocations, or None."""
    at = -1
    best = (0, 0)
    for _ in range(_MAX_PLACES):
        at = image.find(_TYPE, at + 1)
        if at < 0:
            break
        if at % 8:
            continue
        start = at - 8
        end = start
        while image[end + 8 : end + 16] == _TYPE and _is_address(image, end):
            end += _ENTRY
        if start >= 0 and end - start > best[1] - best[0]:
            best = start, end
        at = max(at, end - 1)
    return best if best[1] - best[0] >= _LEAST * _ENTRY else None


def _is_address(image: bytes, at: int) -> bool:
    """Kernel addresses have their 17 highest bits set, whatever VA_BITS is."""
    return image[at + 6 : at + 8] == b"\xff\xff" and image[at + 5] >= 0x80
