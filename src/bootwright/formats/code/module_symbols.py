"""Names of the functions in a kernel module's code section."""

from __future__ import annotations

import struct
from bisect import bisect_right

from attrs import frozen

from bootwright.formats.modules.module_file import read_sections
from bootwright.foundation.errors import Malformed

_SYMBOL = struct.Struct("<I2BH2Q")
_SHT_NOBITS = 8
_FUNC = 2
_MAX_NAME = 256


@frozen
class TextSymbols:
    """The functions of a module's `.text`."""

    size: int
    """Bytes of the section."""
    offsets: tuple[int, ...]
    """Where each begins in the section, ascending."""
    names: tuple[str, ...]

    def find(self, offset: int) -> tuple[str, int] | None:
        """(function, bytes into it) of a place in the section; None before the first and outside."""
        at = bisect_right(self.offsets, offset) - 1
        if at < 0 or not 0 <= offset < self.size:
            return None
        return self.names[at], offset - self.offsets[at]


def text_symbols(elf: bytes, where: str) -> TextSymbols:
    """The functions of a module's `.text`; raises `Malformed` where it has no such section or no symbols."""
    sections, names = read_sections(elf, where)
    if b".text" not in names or b".symtab" not in names:
        raise Malformed(where, None, "a module with code and a symbol table", "one without")
    text, table = names.index(b".text"), sections[names.index(b".symtab")]
    linked = table[6]
    if linked >= len(sections) or _SHT_NOBITS in {sections[linked][1], table[1]}:
        raise Malformed(where, None, "a symbol table with its strings", "none")
    strings = elf[sections[linked][4] : sections[linked][4] + sections[linked][5]]
    raw = elf[table[4] : table[4] + table[5] // _SYMBOL.size * _SYMBOL.size]
    symbols: dict[int, str] = {}
    for name_at, info, _, section, value, _ in _SYMBOL.iter_unpack(raw):
        if section == text and info & 15 == _FUNC and value < sections[text][5]:
            end = strings.find(b"\0", name_at, name_at + _MAX_NAME)
            if end > name_at and (value not in symbols or info >> 4):
                symbols[value] = strings[name_at:end].decode("ascii", "replace")
    offsets = tuple(sorted(symbols))
    return TextSymbols(sections[text][5], offsets, tuple(symbols[offset] for offset in offsets))
