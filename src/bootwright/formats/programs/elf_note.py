"""The build id of an ELF64 file: the note NT_GNU_BUILD_ID (System V ABI, chapter 5; ld --build-id)."""

from __future__ import annotations

import struct

from bootwright.formats.sources.bytesource import ByteSource
from bootwright.foundation.errors import Malformed, first_bytes

_PROGRAM = struct.Struct("<2I6Q")
_PT_NOTE = 4
_NT_GNU_BUILD_ID = 3
_MOST_NOTES = 1 << 16


def build_id(source: ByteSource) -> str | None:
    """The build id in hexadecimal, or None where there is none; raises `Malformed` for what is no ELF64."""
    if source.size < 64:
        raise Malformed(source.name, 0, "an ELF64 header of 64 bytes", f"{source.size} bytes")
    head = source.read(0, 64)
    if head[:6] != b"\x7fELF\x02\x01":
        raise Malformed(source.name, 0, "a 64-bit little-endian ELF file", first_bytes(head, 6))
    (at,) = struct.unpack_from("<Q", head, 32)
    size, count = struct.unpack_from("<HH", head, 54)
    if size != _PROGRAM.size or at + size * count > source.size:
        return None
    for number in range(count):
        kind, _, offset, _, _, length, _, _ = _PROGRAM.unpack(source.read(at + size * number, size))
        if kind == _PT_NOTE and length <= _MOST_NOTES and offset + length <= source.size:
            note = _in_notes(source.read(offset, length))
            if note is not None:
                return note
    return None


def _in_notes(notes: bytes) -> str | None:
    at = 0
    while at + 12 <= len(notes):
        name_size, size, kind = struct.unpack_from("<3I", notes, at)
        value = at + 12 + (name_size + 3 & ~3)
        if value + size > len(notes):
            return None
        if kind == _NT_GNU_BUILD_ID and notes[at + 12 : at + 12 + name_size] == b"GNU\0":
            return notes[value : value + size].hex()
        at = value + (size + 3 & ~3)
    return None
