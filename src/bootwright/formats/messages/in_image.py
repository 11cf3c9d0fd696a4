"""The messages in an arm64 Image: functions by its kallsyms, calls and string addresses by its machine code.

Functions are in every symbol table, also without CONFIG_KALLSYMS_ALL; the tables that name source files are
found by symbols that only that option keeps.
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Mapping

from bootwright.formats.kernel.kallsyms import Symbols
from bootwright.formats.messages.arguments import writes
from bootwright.formats.messages.in_module import ModuleCode
from bootwright.formats.messages.mining import Code

_LONGEST_TEXT = 2048
_FURTHEST_PAGE = 400
"""Instructions between an ADRP and the ADD that completes its address."""
_MOST_ADDS = 3
"""Compilers reach a text near another one from that one's address."""
_FUNCTIONS = frozenset("tTwW")
_BUG_ENTRY = struct.Struct("<2iHH")
"""`struct bug_entry` with relative pointers (include/asm-generic/bug.h, Linux 6.12)."""
_BUG_FILE = 4
"""Where an entry has its file."""
_DEBUG_ENTRY = 56
"""`struct _ddebug` with a static key (include/linux/dynamic_debug.h, Linux 6.12): four pointers, line and
flags, key."""
_MOST_ENTRIES = 200_000


def read_image_code(image: bytes, symbols: Symbols) -> ModuleCode:
    """A bare, relocated Image's code and the source files its tables name."""
    return _Image(image, symbols).read()


class _Image:
    def __init__(self, image: bytes, symbols: Symbols) -> None:
        self._image = image
        self._symbols = symbols
        self._base = symbols.base

    def read(self) -> ModuleCode:
        starts, ends, names, called = self._functions()
        words = array("I", self._image[: len(self._image) // 4 * 4])
        if sys.byteorder == "big":
            words.byteswap()
        self._words = words
        code = Code(words, starts, names, self._made, ends, self._calls(starts, ends, called))
        self._code = code
        shared = frozenset(name for _, kind, name in self._symbols if kind in "TW")
        module = ModuleCode([code], shared=shared)
        places = {name: address for address, _, name in self._symbols if name.startswith("__st")}
        self._bugs(module, places)
        self._debug_places(module, places)
        return module

    def _functions(self) -> tuple[list[int], list[int], list[str], dict[int, str]]:
        limit = len(self._image)
        code = [
            (address - self._base, name)
            for address, kind, name in self._symbols
            if kind in _FUNCTIONS and 0 <= address - self._base < limit and not (address - self._base) & 3
        ]
        borders = [address - self._base for address in self._symbols.addresses if address >= self._base]
        first: dict[int, str] = {}
        called: dict[int, str] = {}
        for offset, name in code:
            called[offset >> 2] = name
            first.setdefault(offset, name)
        starts = list(first)
        following: dict[int, int] = {}
        after = limit
        for border in reversed(borders):
            if border in first and border not in following:
                following[border] = min(after, limit)
            after = min(after, border)
        # Several names of one place: the last one met above has the others' end.
        ends = [following[start] >> 2 if following[start] > start else start >> 2 for start in starts]
        for number in range(len(starts) - 1):
            if ends[number] <= starts[number] >> 2:
                ends[number] = starts[number + 1] >> 2
        return [start >> 2 for start in starts], ends, list(first.values()), called

    def _calls(self, starts: list[int], ends: list[int], called: dict[int, str]) -> list[tuple[int, str]]:
        calls: list[tuple[int, str]] = []
        words = self._words
        for start, end in zip(starts, ends, strict=True):
            for index, word in enumerate(words[start:end], start):
                if word & 0x7C000000 == 0x14000000:  # B and BL: a signed offset of 26 bits, in words
                    name = called.get(index + (word & 0x3FFFFFF) - ((word & 0x2000000) << 1))
                    if name is not None:
                        calls.append((index, name))
        return calls

    def _made(self, index: int) -> bytes | None:
        words = self._words
        word = words[index]
        pc = index * 4
        if word & 0x9F000000 == 0x10000000:  # ADR
            return self._text(pc + _page_offset(word))
        offset = self._address(index, _MOST_ADDS)
        return self._text(offset) if offset is not None else None

    def _address(self, index: int, adds: int) -> int | None:
        """The address that an ADRP and one ADD or several make, the last of them at an index."""
        words = self._words
        word = words[index]
        if word & 0x9F000000 == 0x90000000:  # ADRP
            return (index * 4 & ~0xFFF) + (_page_offset(word) << 12)
        if word & 0xFF800000 != 0x91000000 or not adds:  # ADD, 64 bits, immediate
            return None
        low = (word >> 10 & 0xFFF) << (12 if word >> 22 & 1 else 0)
        register = word >> 5 & 31
        for earlier in range(index - 1, max(index - _FURTHEST_PAGE, -1), -1):
            if writes(words[earlier], register):
                base = self._address(earlier, adds - 1)
                return base + low if base is not None else None
        return None

    def _text(self, offset: int) -> bytes | None:
        if not 0 <= offset < len(self._image):
            return None
        end = self._image.find(b"\0", offset, offset + _LONGEST_TEXT)
        return self._image[offset:end] if end > offset else None

    # -- which source file an instruction is from ----------------------------------------------

    def _bugs(self, module: ModuleCode, places: Mapping[str, int]) -> None:
        entries = [
            (offset, *_BUG_ENTRY.unpack_from(self._image, offset)[:2])
            for offset in self._entries(places, "__bug_table", _BUG_ENTRY.size)
        ]
        # Before Linux 5.19 the file's name is given from the entry on, not from its own field.
        starts = [
            sum(self._image[max(offset + file + late - 1, 0)] == 0 for offset, _, file in entries)
            for late in (_BUG_FILE, 0)
            if all(0 <= offset + file + late < len(self._image) for offset, _, file in entries)
        ]
        late = 0 if len(starts) == 2 and starts[1] > starts[0] else _BUG_FILE
        for offset, address, file in entries:
            text = self._text(offset + late + file)
            if text is not None:
                self._note(module, offset + address >> 2, text)

    def _debug_places(self, module: ModuleCode, places: Mapping[str, int]) -> None:
        starts = {name: start for start, name in zip(self._code.starts, self._code.names, strict=True)}
        for offset in self._entries(places, "__dyndbg", _DEBUG_ENTRY):
            function, file = struct.unpack_from("<2Q", self._image, offset + 8)
            name, text = self._text(function - self._base), self._text(file - self._base)
            start = starts.get(name.decode("utf-8", "replace")) if name is not None else None
            if start is not None and text is not None:
                self._note(module, start, text)

    def _entries(self, places: Mapping[str, int], table: str, size: int) -> range:
        start, stop = (places.get(f"__{side}_{table}") for side in ("start", "stop"))
        if start is None or stop is None or not self._base <= start <= stop:
            return range(0)
        end = min(stop - self._base, len(self._image), start - self._base + size * _MOST_ENTRIES)
        return range(start - self._base, end - size + 1, size)

    def _note(self, module: ModuleCode, index: int, file: bytes) -> None:
        text = file.decode("utf-8", "replace")
        if text.isprintable() and text.endswith((".c", ".h")):
            module.files.append((self._code, index, text))


def _page_offset(word: int) -> int:
    value = (word >> 5 & 0x7FFFF) << 2 | word >> 29 & 3
    return value - (1 << 21) if value >> 20 else value
