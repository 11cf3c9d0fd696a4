"""QEMU's log of an arm64 CPU, one record an instruction: registers as they were before it.

Records are text of one layout (target/arm/cpu.c, aarch64_cpu_dump_state); 100,000 of them are 80 MB. Only
the program counters are read at once; a register is read from its place in a record when it is asked for.
"""

from __future__ import annotations

import re

from bootwright.foundation.errors import ToolFailed
from bootwright.lab.machines.debugger import Registers

SP = 31
"""The number of the stack pointer among the registers."""
_RECORD = re.compile(rb"PC=([0-9a-f]{16}) X00=")
_DIGITS = 16


class CpuLog:
    """The registers before each instruction, in the order in which they ran, and after the last.

    A record says that an instruction was about to run: an interrupt may have come first (see `ran`).
    """

    def __init__(self, text: bytes, after: Registers) -> None:
        self._text = text
        self._after = after
        self._starts: list[int] = []
        self.pcs: list[int] = []
        for match in _RECORD.finditer(text):
            self._starts.append(match.start())
            self.pcs.append(int(match[1], 16))
        if not self.pcs:
            raise ToolFailed("qemu-system-aarch64", "its log holds no registers")
        first = self._starts[0]
        names = [b"X%02d=" % number for number in range(31)] + [b" SP="]
        places = [text.find(name, first, first + 1200) for name in names]
        pstate = text.find(b"PSTATE=", first, first + 1200)
        if min(*places, pstate) < 0:
            raise ToolFailed("qemu-system-aarch64", "its log has another layout than is known here")
        self._places = [place + 4 - first for place in places]
        self._pstate = pstate + len(b"PSTATE=") - first

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
