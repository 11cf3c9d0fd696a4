"""The sections and symbols of a relocatable ELF64 file, as a kernel module is (System V ABI, chapter 4).

Everything is bounded by the file: a table that leaves it is an error, and names end at their section's end.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from attrs import frozen

from bootwright.foundation.errors import Malformed, first_bytes

_SECTION = struct.Struct("<2I4Q2I2Q")
_SYMBOL = struct.Struct("<I2BH2Q")
_SHT_NOBITS = 8
_MOST_SECTIONS = 4096
"""Modules built with -ffunction-sections have some hundreds."""


@frozen
class Section:
    """One section header."""

    name: str
    kind: int
    """`sh_type`."""
    offset: int
    """In the file."""
    size: int
    """Bytes."""


@frozen
class Symbol:
    """One entry of `.symtab`."""

    name: str
    section: int
    """Index of its section; 0 is undefined, 0xfff1 an absolute value."""
    value: int
    weak: bool


@frozen
class ElfObject:
    """A relocatable object with its section headers."""

    data: bytes
    sections: tuple[Section, ...]

    def section(self, name: str) -> Section | None:
        """The first section of that name."""
        return next((section for section in self.sections if section.name == name), None)

    def content(self, name: str) -> bytes:
        """The bytes of the first section of that name; none where there is no such section."""
        section = self.section(name)
        if section is None or section.kind == _SHT_NOBITS:
            return b""
        return self.data[section.offset : section.offset + section.size]

    def symbols(self) -> Iterator[Symbol]:
        """The entries of `.symtab`, the empty first one left out."""
        names = self.content(".strtab")
        raw = self.content(".symtab")
        for at in range(_SYMBOL.size, len(raw) - _SYMBOL.size + 1, _SYMBOL.size):
            name_at, info, _, section, value, _ = _SYMBOL.unpack_from(raw, at)
            end = names.find(b"\0", name_at) if name_at < len(names) else -1
            if end > name_at:
                yield Symbol(names[name_at:end].decode("utf-8", "replace"), section, value, info >> 4 == 2)


def read_object(data: bytes, where: str) -> ElfObject:
    """Raises `Malformed` where the file is no relocatable little-endian ELF64 object, or is cut short."""
    if len(data) < 64 or data[:6] != b"\x7fELF\x02\x01" or struct.unpack_from("<H", data, 16)[0] != 1:
        raise Malformed(where, 0, "a little-endian ELF64 relocatable file", first_bytes(data, 18))
    (table,) = struct.unpack_from("<Q", data, 40)
    entry_size, count, string_index = struct.unpack_from("<3H", data, 58)
    if (
        entry_size != _SECTION.size
        or not 0 < count <= _MOST_SECTIONS
        or table + count * entry_size > len(data)
        or string_index >= count
    ):
        raise Malformed(where, 40, "a section table inside the file", f"{count} entries at {table:#x}")
    headers = list(_SECTION.iter_unpack(data[table : table + count * entry_size]))
    for index, header in enumerate(headers):
        if header[1] != _SHT_NOBITS and header[4] + header[5] > len(data):
            raise Malformed(where, table + index * entry_size, "a section inside the file", "one beyond it")
    start, size = headers[string_index][4:6]
    strings = data[start : start + size]
    return ElfObject(
        data,
        tuple(Section(_string(strings, header[0]), header[1], header[4], header[5]) for header in headers),
    )


def _string(strings: bytes, at: int) -> str:
    end = strings.find(b"\0", at) if at < len(strings) else -1
    return strings[at:end].decode("utf-8", "replace") if end > at else ""
