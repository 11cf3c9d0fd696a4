"""The build id of a kernel image: the note NT_GNU_BUILD_ID that the linker wrote for the kernel itself.

An Image is no ELF file, and holds programs that have notes of their own: the vDSO, 64 and 32 bits
(arch/arm64/kernel/vdso-wrap.S, Linux 6.12), which come first.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

_NOTE = b"\x04\0\0\0\x14\0\0\0\x03\0\0\0GNU\0"
"""The note's header: name of 4 bytes, 20 of SHA-1, type NT_GNU_BUILD_ID (include/linux/buildid.h, 6.12)."""
_SIZE = 20
_PROGRAM = re.compile(rb"\x7fELF[\x01\x02]\x01\x01")
"""ELF of 32 or 64 bits, little-endian, version 1 (System V ABI, chapter 4)."""
_HEADERS = {1: ("<I", 32, 46), 2: ("<Q", 40, 58)}
"""By class: form and place of e_shoff, and the place of e_shentsize and e_shnum."""
_MOST_PROGRAMS = 1000


def image_build_id(image: bytes) -> str | None:
    """The kernel's own build id in hexadecimal, or None where the image holds none."""
    programs = tuple(_programs(image))
    at = image.find(_NOTE)
    while at >= 0:
        identifier = image[at + len(_NOTE) : at + len(_NOTE) + _SIZE]
        if len(identifier) == _SIZE and not any(start <= at < end for start, end in programs):
            return identifier.hex()
        at = image.find(_NOTE, at + 1)
    return None


def _programs(image: bytes) -> Iterator[tuple[int, int]]:
    """Where programs in the image begin and end: their section headers are their last part."""
    for _, match in zip(range(_MOST_PROGRAMS), _PROGRAM.finditer(image), strict=False):
        start = match.start()
        form, offset_at, count_at = _HEADERS[image[start + 4]]
        header = image[start : start + 64]
        if len(header) == 64:
            (offset,) = struct.unpack_from(form, header, offset_at)
            size, count = struct.unpack_from("<HH", header, count_at)
            yield start, start + offset + size * count
