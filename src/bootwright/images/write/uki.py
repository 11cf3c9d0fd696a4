"""Unified kernel images: sections appended to systemd's stub, as `ukify` lays them.

UAPI group's UKI specification (UAPI.5); Microsoft PE format specification (2024), sections 3 and 4. Our own
writer because `ukify` is not packaged for every system this runs on, and objcopy needs explicit addresses.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from attrs import frozen

from bootwright.formats.programs.pe import read_pe
from bootwright.formats.sources.bytesource import Bytes
from bootwright.foundation.errors import Malformed, Refused

_PE32_PLUS = 0x20B
_SECTION = struct.Struct("<8sIIIIIIHHI")
_READ_DATA = 0x40000040
"""IMAGE_SCN_CNT_INITIALIZED_DATA | IMAGE_SCN_MEM_READ."""

_MOST = 1 << 31


@frozen
class NewSection:
    """A section to be added."""

    name: str
    data: bytes


@frozen
class _Headers:
    at: int
    """Of the optional header."""
    table: int
    """Of the section table."""
    count: int
    section_align: int
    file_align: int
    header_size: int


def add_sections(stub: bytes, sections: Sequence[NewSection], where: str) -> bytes:
    """The stub with `sections` behind its own; raises `Malformed` for a stub without space for their
    headers."""
    headers = _read(stub, where)
    used = read_pe(Bytes(stub, where))
    names = {section.name for section in used.sections}
    end = headers.table + _SECTION.size * (headers.count + len(sections))
    first_data = min(
        (section.offset for section in used.sections if section.size), default=headers.header_size
    )
    if end > min(headers.header_size, first_data):
        raise Malformed(
            where,
            headers.table,
            f"space for {len(sections)} more section headers",
            f"{headers.header_size} bytes of headers",
        )
    output = bytearray(stub)
    address = max(_ends(stub, headers), default=headers.section_align)
    added = 0
    for number, section in enumerate(sections):
        if section.name in names or len(section.name.encode()) > 8:
            raise Refused(f"{where}: a section {section.name!r} cannot be added", hint="it is there already")
        address = _aligned(address, headers.section_align)
        offset = _aligned(len(output), headers.file_align)
        stored = _aligned(len(section.data), headers.file_align)
        if offset + stored >= _MOST:
            raise Refused(f"{where}: the image would be larger than {_MOST} bytes")
        output += bytes(offset - len(output)) + section.data + bytes(stored - len(section.data))
        _SECTION.pack_into(
            output,
            headers.table + _SECTION.size * (headers.count + number),
            *(section.name.encode(), len(section.data), address, stored, offset, 0, 0, 0, 0, _READ_DATA),
        )
        address += len(section.data)
        added += stored
    struct.pack_into("<H", output, headers.at - 18, headers.count + len(sections))
    (data_size,) = struct.unpack_from("<I", output, headers.at + 8)
    struct.pack_into("<I", output, headers.at + 8, data_size + added)
    struct.pack_into("<I", output, headers.at + 56, _aligned(address, headers.section_align))
    struct.pack_into("<I", output, headers.at + 64, 0)  # checksum: firmware does not look at it
    return bytes(output)


def replace_sections(image: bytes, changes: dict[str, bytes], where: str) -> bytes:
    """A UKI with the data of some sections replaced or added, the others kept; raises as `add_sections`.

    All sections from the first changed one on get new positions; those in front (the stub's code) stay.
    """
    headers = _read(image, where)
    table = [
        list(_SECTION.unpack_from(image, headers.table + _SECTION.size * number))
        for number in range(headers.count)
    ]
    names = [entry[0].rstrip(b"\0").decode("ascii", "replace") for entry in table]
    present = [name for name in names if name in changes]
    first = min((names.index(name) for name in present), default=len(names))
    kept, moved = table[:first], table[first:]
    for entry in moved:
        if entry[9] & 0x20000020:  # code, or executable: it cannot move
            raise Refused(f"{where}: a section of code follows {present[0]}", hint="build a new UKI")
    end_of_data = max((entry[4] + entry[3] for entry in kept if entry[3]), default=headers.header_size)
    stub = bytearray(image[:end_of_data])
    blank = _SECTION.size * (headers.count - first)
    start = headers.table + _SECTION.size * first
    stub[start : start + blank] = bytes(blank)
    struct.pack_into("<H", stub, headers.at - 18, first)
    sections = []
    for entry, name in zip(moved, names[first:], strict=True):
        old = image[entry[4] : entry[4] + min(entry[1], entry[3])]
        sections.append(NewSection(name, changes.get(name, old)))
    sections += [NewSection(name, data) for name, data in changes.items() if name not in names]
    (data_size,) = struct.unpack_from("<I", image, headers.at + 8)
    struct.pack_into("<I", stub, headers.at + 8, max(data_size - sum(entry[3] for entry in moved), 0))
    return add_sections(bytes(stub), sections, where)


def _read(image: bytes, where: str) -> _Headers:
    read_pe(Bytes(image, where))
    (pe,) = struct.unpack_from("<I", image, 60)
    count, optional_size = (
        struct.unpack_from("<H", image, pe + 6)[0],
        struct.unpack_from("<H", image, pe + 20)[0],
    )
    at = pe + 24
    if optional_size < 112 or at + optional_size > len(image):
        raise Malformed(where, at, "an optional header of at least 112 bytes", f"{optional_size}")
    (magic,) = struct.unpack_from("<H", image, at)
    section_align, file_align = struct.unpack_from("<II", image, at + 32)
    (header_size,) = struct.unpack_from("<I", image, at + 60)
    for align in (section_align, file_align):
        if not 16 <= align <= 1 << 20 or align & (align - 1):
            raise Malformed(
                where, at + 32, "alignments that are powers of two", f"{section_align}, {file_align}"
            )
    if magic != _PE32_PLUS:
        raise Malformed(where, at, f"a PE32+ image ({_PE32_PLUS:#x})", f"{magic:#x}")
    return _Headers(at, at + optional_size, count, section_align, file_align, header_size)


def _ends(image: bytes, headers: _Headers) -> list[int]:
    """Where each section ends in memory."""
    ends = []
    for number in range(headers.count):
        entry = _SECTION.unpack_from(image, headers.table + _SECTION.size * number)
        ends.append(entry[2] + max(entry[1], entry[3]))
    return ends


def _aligned(value: int, align: int) -> int:
    return -(-value // align) * align
