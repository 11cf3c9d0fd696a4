"""The messages in a kernel module's ELF file: calls and string addresses by their relocations.

Relocation types: ELF for the Arm 64-bit Architecture (AAELF64), section 5.7. A string's address is made by
ADRP and ADD; the ADD's relocation (`R_AARCH64_ADD_ABS_LO12_NC`) names it whole.
"""

from __future__ import annotations

import struct
import sys
from array import array
from typing import TypeAlias

from attrs import define, field

from bootwright.formats.messages.mining import Code
from bootwright.formats.modules.module_file import read_sections
from bootwright.foundation.errors import Malformed

_RELOCATION = struct.Struct("<2Qq")
_SYMBOL = struct.Struct("<I2BH2Q")
_SHT_RELA, _SHT_NOBITS = 4, 8
_SHF_EXECINSTR = 4
_FUNC, _GLOBAL = 2, 1
_ADD, _ADR, _JUMP, _CALL = 277, 274, 282, 283
_PREL32 = 261
_ABS64 = 257
_EM_AARCH64 = 183
_LONGEST_TEXT = 2048
_LONGEST_NAME = 256
_BUG_ENTRY = 12
_BUG_FILE = 4
"""Where an entry of `__bug_table` has the file: behind the place."""
"""`struct bug_entry` with relative pointers (include/asm-generic/bug.h): address, file, line and flags."""


_Section: TypeAlias = tuple[int, int, int, int, int, int, int, int, int, int]
"""A section header's ten words."""


@define
class ModuleCode:
    """A module's code, ready to be mined."""

    codes: list[Code]
    files: list[tuple[Code, int, str]] = field(factory=list)
    """Code, index of an instruction, and the source file that instruction is from."""
    shared: frozenset[str] = frozenset()
    """Functions that other modules may call."""


def read_module_code(elf: bytes, where: str) -> ModuleCode:
    """Read an unpacked module. Raises `Malformed` where it is no relocatable arm64 ELF64 file."""
    return _Module(elf, where).read()


class _Module:
    def __init__(self, elf: bytes, where: str) -> None:
        self._elf = elf
        self._sections, self._names = read_sections(elf, where)
        if struct.unpack_from("<H", elf, 18)[0] != _EM_AARCH64:
            raise Malformed(where, 18, "an arm64 module", "another machine's")
        self._symbols: list[tuple[int, int, int, int, int, int]] = []
        self._strings = b""
        if b".symtab" in self._names:
            table = self._sections[self._names.index(b".symtab")]
            raw = elf[table[4] : table[4] + table[5] // _SYMBOL.size * _SYMBOL.size]
            self._symbols = list(_SYMBOL.iter_unpack(raw))
            if table[6] < len(self._sections):
                strings = self._sections[table[6]]
                self._strings = elf[strings[4] : strings[4] + strings[5]]
        self._symbol_names: dict[int, str] = {}
        self._codes: dict[int, Code] = {}

    def read(self) -> ModuleCode:
        functions: dict[int, list[tuple[int, int, int]]] = {}
        shared: set[str] = set()
        for number, (_, info, _, section, value, size) in enumerate(self._symbols):
            if info & 15 == _FUNC and size:
                functions.setdefault(section, []).append((value >> 2, value + size + 3 >> 2, number))
                if info >> 4 == _GLOBAL:
                    shared.add(self._name(number))
        for header in self._sections:
            target = header[7]
            if header[1] != _SHT_RELA or target >= len(self._sections) or target not in functions:
                continue
            if self._sections[target][2] & _SHF_EXECINSTR and target not in self._codes:
                self._codes[target] = self._code(header, target, sorted(functions[target]))
        module = ModuleCode(list(self._codes.values()), shared=frozenset(shared))
        self._bugs(module)
        self._debug_places(module)
        return module

    def _code(self, relocations: _Section, target: int, functions: list[tuple[int, int, int]]) -> Code:
        elf, section = self._elf, self._sections[target]
        words = array("I", elf[section[4] : section[4] + section[5] // 4 * 4])
        if sys.byteorder == "big":
            words.byteswap()
        made: dict[int, tuple[int, int]] = {}
        calls: list[tuple[int, str]] = []
        raw = elf[relocations[4] : relocations[4] + relocations[5] // 24 * 24]
        for offset, info, addend in _RELOCATION.iter_unpack(raw):
            kind = info & 0xFFFFFFFF
            if kind in {_ADD, _ADR}:
                made[offset >> 2] = info >> 32, addend
            elif kind in {_CALL, _JUMP} and offset >> 2 < len(words):
                calls.append((offset >> 2, self._name(info >> 32)))

        def text(index: int) -> bytes | None:
            place = made.get(index)
            return self._text(*place) if place is not None else None

        length = len(words)
        inside = [(start, min(end, length), number) for start, end, number in functions if start < length]
        return Code(
            words,
            [start for start, _, _ in inside],
            [self._name(number) for _, _, number in inside],
            text,
            [end for _, end, _ in inside],
            calls,
        )

    def _name(self, symbol: int) -> str:
        name = self._symbol_names.get(symbol)
        if name is None:
            at = self._symbols[symbol][0] if symbol < len(self._symbols) else len(self._strings)
            raw = self._strings[at : at + _LONGEST_NAME].partition(b"\0")[0]
            name = self._symbol_names[symbol] = raw.decode("utf-8", "replace")
        return name

    def _place(self, symbol: int, addend: int) -> tuple[int, int] | None:
        """(section, offset into it) of what a relocation names."""
        if symbol >= len(self._symbols):
            return None
        _, _, _, section, value, _ = self._symbols[symbol]
        offset = value + addend
        if not 0 < section < len(self._sections) or not 0 <= offset < self._sections[section][5]:
            return None
        return section, offset

    def _text(self, symbol: int, addend: int) -> bytes | None:
        place = self._place(symbol, addend)
        if place is None:
            return None
        section = self._sections[place[0]]
        if section[1] == _SHT_NOBITS or section[2] & _SHF_EXECINSTR:
            return None
        start = section[4] + place[1]
        end = self._elf.find(b"\0", start, min(start + _LONGEST_TEXT, section[4] + section[5]))
        return self._elf[start:end] if end > start else None

    # -- which source file an instruction is from ----------------------------------------------

    def _relocations_of(self, name: bytes) -> dict[int, tuple[int, int, int]]:
        """Offset → (type, symbol, addend) of the relocations of a section."""
        places: dict[int, tuple[int, int, int]] = {}
        for section in self._sections:
            if section[1] == _SHT_RELA and section[7] < len(self._names) and self._names[section[7]] == name:
                raw = self._elf[section[4] : section[4] + section[5] // 24 * 24]
                for offset, info, addend in _RELOCATION.iter_unpack(raw):
                    places[offset] = info & 0xFFFFFFFF, info >> 32, addend
        return places

    def _bugs(self, module: ModuleCode) -> None:
        """Where the code warns or stops (`WARN_ON`, `BUG_ON`): the table has the file of each place."""
        places = self._relocations_of(b"__bug_table")
        entries = [
            (symbol, addend, places[offset + 4])
            for offset, (kind, symbol, addend) in places.items()
            if offset % _BUG_ENTRY == 0 and kind == _PREL32 and offset + 4 in places
        ]
        before = _BUG_FILE if self._named_from_the_entry([file for _, _, file in entries]) else 0
        for symbol, addend, (_, file_symbol, file_addend) in entries:
            where = self._place(symbol, addend)
            text = self._text(file_symbol, file_addend - before)
            code = self._codes.get(where[0]) if where is not None else None
            if where is not None and code is not None and text is not None:
                module.files.append((code, where[1] >> 2, text.decode("utf-8", "replace")))

    def _named_from_the_entry(self, files: list[tuple[int, int, int]]) -> bool:
        """Whether the files' names are given relative to the entry's start, as before Linux 5.19.

        Later it is the field's own place. Then the names that the relocations name begin where a text does.
        """
        starts = [0, 0]
        for _, symbol, addend in files:
            for number, before in enumerate((0, _BUG_FILE)):
                place = self._place(symbol, addend - before)
                if place is not None:
                    at = self._sections[place[0]][4] + place[1]
                    starts[number] += place[1] == 0 or self._elf[at - 1] == 0
        return starts[1] > starts[0]

    def _debug_places(self, module: ModuleCode) -> None:
        """`struct _ddebug` (include/linux/dynamic_debug.h): module, function, file, format, in this order."""
        starts = {
            name: (code, start)
            for code in module.codes
            for start, name in zip(code.starts, code.names, strict=True)
        }
        places = self._relocations_of(b"__dyndbg")
        for offset, (kind, symbol, addend) in places.items():
            file = places.get(offset + 8)
            if kind != _ABS64 or file is None or places.get(offset - 8) is None:
                continue
            function, text = self._text(symbol, addend), self._text(file[1], file[2])
            if function is None or text is None or not text.endswith(b".c"):
                continue
            place = starts.get(function.decode("utf-8", "replace"))
            if place is not None:
                module.files.append((*place, text.decode("utf-8", "replace")))
