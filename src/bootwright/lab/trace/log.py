"""QEMU's log of an arm64 CPU, one record an instruction: registers as they were before it.

Records are text of one layout (target/arm/cpu.c, aarch64_cpu_dump_state); 100,000 of them are 80 MB. Only
the program counters are read at once; a register is read from its place in a record when it is asked for.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from mmap import mmap
from struct import Struct

from bootwright.foundation.errors import ToolFailed
from bootwright.lab.machines.debugger import Registers

SP = 31
"""The number of the stack pointer among the registers."""
_MOST_RECORD = 1200
_RECORD = re.compile(rb"PC=([0-9a-f]{16}) X00=")
_DIGITS = 16
_HEXADECIMAL = re.compile(rb"[0-9a-f]{16}")


class CpuLog:
    """The registers before each instruction, in the order in which they ran, and after the last.

    A record says that an instruction was about to run: an interrupt may have come first (see `ran`).
    """

    def __init__(self, text: bytes | mmap, after: Registers) -> None:
        self._text = text
        self._after = after
        first = _RECORD.search(text)
        if first is None:
            raise ToolFailed("qemu-system-aarch64", "its log holds no registers")
        begin = first.start()
        self._starts, self.pcs = _at_even_steps(text, begin) or _as_they_come(text)
        names = [b"X%02d=" % number for number in range(31)] + [b" SP="]
        places = [text.find(name, begin, begin + _MOST_RECORD) for name in names]
        pstate = text.find(b"PSTATE=", begin, begin + _MOST_RECORD)
        if min(*places, pstate) < 0:
            raise ToolFailed("qemu-system-aarch64", "its log has another layout than is known here")
        self._places = [place + 4 - begin for place in places]
        self._pstate = pstate + len(b"PSTATE=") - begin

    def __len__(self) -> int:
        return len(self.pcs)

    def pc(self, index: int) -> int:
        """The instruction at `index`; at the length of the log, where the call returned to."""
        return self.pcs[index] if index < len(self.pcs) else self._after.pc

    def register(self, index: int, number: int) -> int:
        """A register before the instruction at `index`; number 31 is the stack pointer."""
        if index >= len(self.pcs):
            return self._after.sp if number == SP else self._after.x[number]
        at = self._starts[index] + self._places[number]
        return int(self._text[at : at + _DIGITS], 16)

    def flags(self, index: int) -> int:
        """N, Z, C, V before the instruction at `index`, as bits 3 to 0."""
        at = self._starts[index] + self._pstate
        return int(self._text[at : at + 8], 16) >> 28


def _at_even_steps(text: bytes | mmap, begin: int) -> tuple[Sequence[int], list[int]] | None:
    """(where records begin, their program counters) where all are of one length; else None."""
    second = _RECORD.search(text, begin + 1)
    if second is None:
        return None
    step = second.start() - begin
    count, rest = divmod(len(text), step)  # what stands before the first stands before each
    behind = step - begin - 3 - _DIGITS
    if rest or behind < 0:
        return None
    for at, letter in ((0, b"P"), (1, b"C"), (2, b"="), (20, b"X"), (21, b"0"), (22, b"0"), (23, b"=")):
        if text[begin + at :: step] != letter * count:
            return None
    known: dict[bytes, int] = {}
    pcs: list[int] = []
    with memoryview(text) as view:
        for (digits,) in Struct(f"{begin + 3}x{_DIGITS}s{behind}x").iter_unpack(view):
            if digits not in known:
                if not _HEXADECIMAL.fullmatch(digits):
                    return None
                known[digits] = int(digits, 16)
            pcs.append(known[digits])
    return range(begin, len(text), step), pcs


def _as_they_come(text: bytes | mmap) -> tuple[Sequence[int], list[int]]:
    starts: list[int] = []
    pcs: list[int] = []
    for match in _RECORD.finditer(text):
        starts.append(match.start())
        pcs.append(int(match[1], 16))
    return starts, pcs
