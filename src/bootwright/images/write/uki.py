"""Unified kernel images: sections appended to systemd's stub, as `ukify` lays them.

UAPI group's UKI specification (UAPI.5); Microsoft PE format specification (2024), sections 3 and 4. Our own
writer because `ukify` is not packaged for every system this runs on, and objcopy needs explicit addresses.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

from attrs import frozen

from bootwright.formats.programs.pe import read_pe
from bootwright.formats.programs.uki import labeled_sections
from bootwright.formats.sources.bytesource import Bytes
from bootwright.foundation.errors import Malformed, Refused

_PE32_PLUS = 0x20B
_SECTION = struct.Struct("<8sIIIIIIHHI")
_READ_DATA = 0x40000040
"""IMAGE_SCN_CNT_INITIALIZED_DATA | IMAGE_SCN_MEM_READ."""

_CODE = 0x20000020
"""IMAGE_SCN_MEM_EXECUTE | IMAGE_SCN_CNT_CODE."""
_MOST = 1 << 31


@frozen
class NewSection:
    """A section to be added."""

    name: str
    data: bytes
    characteristics: int = _READ_DATA


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
        if len(section.name.encode()) > 8:
            raise Refused(f"{where}: a section {section.name!r} cannot be added: its name has over 8 bytes")
        address = _aligned(address, headers.section_align)
        offset = _aligned(len(output), headers.file_align)
        stored = _aligned(len(section.data), headers.file_align)
        if offset + stored >= _MOST:
            raise Refused(f"{where}: the image would be larger than {_MOST} bytes")
        if _aligned(address + len(section.data), headers.section_align) >= 1 << 32:
            raise Malformed(where, headers.table, "sections that end below 4 GiB in memory", f"{address:#x}")
        output += bytes(offset - len(output)) + section.data + bytes(stored - len(section.data))
        _SECTION.pack_into(
            output,
            headers.table + _SECTION.size * (headers.count + number),
            *(
                section.name.encode(),
                len(section.data),
                address,
                stored,
                offset,
                0,
                0,
                0,
                0,
                section.characteristics,
            ),
        )
        address += len(section.data)
        added += stored
    struct.pack_into("<H", output, headers.at - 18, headers.count + len(sections))
    (data_size,) = struct.unpack_from("<I", output, headers.at + 8)
    struct.pack_into("<I", output, headers.at + 8, min(data_size + added, 0xFFFFFFFF))
    struct.pack_into("<I", output, headers.at + 56, _aligned(address, headers.section_align))
    struct.pack_into("<I", output, headers.at + 64, 0)  # checksum: firmware does not look at it
    return bytes(output)


def replace_sections(image: bytes, changes: Mapping[str, bytes], where: str) -> bytes:
    """A UKI with the data of some sections replaced or added, the others byte for byte as they were.

    Sections are named by their labels (`.cmdline`, `.cmdline@1`: formats/programs/uki.py). A section that is
    not there yet goes before the first profile, so that it holds for all. Where a section's space in the file
    suffices, nothing moves; else all from the first that does not fit get new places, as `ukify` would lay
    them. An Authenticode signature, which no longer holds, is taken off. Raises as `add_sections`.
    """
    headers = _read(image, where)
    labeled = labeled_sections(read_pe(Bytes(image, where)))
    table = [
        list(_SECTION.unpack_from(image, headers.table + _SECTION.size * number))
        for number in range(headers.count)
    ]
    for number, entry in enumerate(table):
        # What `read_pe` lets pass: fewer bytes mean something than are said to be stored.
        if entry[4] + entry[3] > len(image) + headers.file_align:
            at = headers.table + _SECTION.size * number + 16
            raise Malformed(where, at, "a section inside the file", f"its end at {entry[4] + entry[3]:#x}")
    contents = [
        changes.get(section.label, image[entry[4] : entry[4] + min(entry[1], entry[3])])
        for section, entry in zip(labeled, table, strict=True)
    ]
    known = {section.label for section in labeled}
    new = [NewSection(name, data) for name, data in changes.items() if name not in known]
    first_profile = next((n for n, section in enumerate(labeled) if section.profile is not None), len(table))
    first = min(
        [n for n, entry in enumerate(table) if len(contents[n]) > entry[3]]
        + ([first_profile] if new else [])
        + [len(table)]
    )
    kept = bytearray(_unsigned(image, headers))
    for number, entry in enumerate(table[:first]):
        if labeled[number].label in changes:
            kept[entry[4] : entry[4] + entry[3]] = contents[number].ljust(entry[3], b"\0")
            place = headers.table + _SECTION.size * number
            struct.pack_into("<I", kept, place + 8, len(contents[number]))
            if not contents[number]:  # a virtual size of 0 alone would mean all that is stored
                struct.pack_into("<I", kept, place + 16, 0)
    moved = [
        NewSection(section.section.name, data, entry[9])
        for section, data, entry in zip(labeled[first:], contents[first:], table[first:], strict=True)
    ]
    if new:
        moved[first_profile - first : first_profile - first] = new
    if not moved:
        return bytes(kept)
    for section, entry in zip(labeled[first:], table[first:], strict=True):
        # Code of the stub cannot move. The kernel is marked as code too, and is loaded by the stub.
        if entry[9] & _CODE and section.section.name != ".linux":
            raise Refused(f"{where}: a section of code would have to move", hint="build a new UKI")
    end_of_data = max(
        (entry[4] + entry[3] for entry in table[:first] if entry[3]), default=headers.header_size
    )
    table_end = headers.table + _SECTION.size * headers.count
    stub = kept[:end_of_data]
    if len(stub) < table_end:  # also where a certificate table is said to lie there
        expected = f"what lies behind the headers, which end at {table_end:#x}"
        raise Malformed(where, len(stub), expected, "a place inside them")
    start = headers.table + _SECTION.size * first
    blank = _SECTION.size * (headers.count - first)
    stub[start : start + blank] = bytes(blank)
    struct.pack_into("<H", stub, headers.at - 18, first)
    (data_size,) = struct.unpack_from("<I", image, headers.at + 8)
    left = max(data_size - sum(entry[3] for entry in table[first:]), 0)
    struct.pack_into("<I", stub, headers.at + 8, left)
    return add_sections(bytes(stub), moved, where)


_DIRECTORIES = 112
"""Offset of the data directories in a PE32+ optional header; their number stands before them."""
_CERTIFICATES = 4


def _unsigned(image: bytes, headers: _Headers) -> bytes:
    """The image without the certificate table that `sbsign` and others append (section 5.7 of the format)."""
    (directories,) = struct.unpack_from("<I", image, headers.at + _DIRECTORIES - 4)
    at = headers.at + _DIRECTORIES + 8 * _CERTIFICATES
    if directories <= _CERTIFICATES or at + 8 > headers.table:
        return image
    offset, size = struct.unpack_from("<II", image, at)
    if not offset or not size:
        return image
    output = bytearray(image)
    struct.pack_into("<II", output, at, 0, 0)
    return bytes(output[:offset]) if offset + size >= len(image) else bytes(output)


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
