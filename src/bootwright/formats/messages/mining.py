"""Calls of printing functions in machine code, and the formats they pass: what modules and Images share.

A function that hands a format on by `%pV` (`struct va_format`, Documentation/core-api/printk-formats.rst)
prints itself: its own format is the argument before the ones it keeps for `va_arg`, put in place of `%pV`.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial

from attrs import define, evolve, field, frozen

from bootwright.formats.messages.arguments import Branches, branches_within, passed, saved_arguments
from bootwright.formats.messages.model import Call
from bootwright.formats.messages.printers import Printer, mark_of

HANDED_ON = b"%pV"
_MOST_LINES = 32
_MOST_LINE = 1024
_LEVEL_TEXT, _LEVEL_NUMBER = b"%s", b"\x01%d"
"""Before `%pV`: the level in a mark of its own, or its number behind the first byte of one."""
_DEEPEST = 3
"""Functions that hand a format on to one that hands it on."""


@define
class Code:
    """A run of instructions with its functions and calls."""

    words: array[int]
    starts: list[int]
    """Index of the first instruction of each function, ascending."""
    names: list[str]
    made: Callable[[int], bytes | None]
    """The text whose address the instruction at an index makes."""
    ends: list[int]
    calls: list[tuple[int, str]] = field(factory=list)
    """Index of each call (or jump that is one), and the function called."""
    _branches: dict[int, Branches] = field(factory=dict)

    def function(self, index: int) -> int | None:
        """The number of the function an instruction belongs to."""
        number = bisect_right(self.starts, index) - 1
        return number if number >= 0 and index < self.ends[number] else None

    def argument(self, call: int, number: int, register: int) -> tuple[bytes, ...]:
        """The texts that the call at an index in function `number` can pass in a register."""
        start = self.starts[number]
        return passed(
            self.words, call, register, start=start, made=self.made, branches=partial(self.branches, number)
        )

    def numbers(self, call: int, number: int, register: int) -> tuple[int, ...]:
        """The levels that a call can pass as a number."""

        def small(index: int) -> bytes | None:
            word = self.words[index]
            value = word >> 5 & 0xFFFF if word & 0xFFE00000 == 0x52800000 else None  # MOVZ, 32 bits
            if word & 0xFFFFFFE0 == 0x2A1F03E0:  # MOV from the zero register
                value = 0
            return b"%d" % value if value is not None and value < 8 else None

        start = self.starts[number]
        texts = passed(
            self.words, call, register, start=start, made=small, branches=partial(self.branches, number)
        )
        return tuple(int(text) for text in texts)

    def branches(self, number: int) -> Branches:
        """The branches inside a function."""
        if number not in self._branches:
            self._branches[number] = branches_within(self.words, self.starts[number], self.ends[number])
        return self._branches[number]


@frozen
class Printed:
    """A format that code passes to a printing function."""

    text: bytes
    call: Call
    level: int | None
    function: str
    """The function that holds the call."""
    index: int
    """Which instruction of its code the call is."""
    goes_on: bool = False
    """Whether a later call can go on with its (last) line."""


@define
class Mined:
    """What was read from one module or Image."""

    calls: int = 0
    """Calls of printing functions."""
    told: int = 0
    """Those whose format is known."""
    printed: list[tuple[Code, Printed]] = field(factory=list)
    handing_on: dict[str, Printer] = field(factory=dict)
    """Functions of its own that print what they are given."""


def mine(codes: Iterable[Code], known: Mapping[str, Printer]) -> Mined:
    """Every format that the code passes to known printing functions, and to its own that hand one on."""
    codes = list(codes)
    mined = Mined()
    printers, fresh = dict(known), dict(known)
    for _ in range(_DEEPEST):
        handing_on: dict[str, Printer] = {}
        for code in codes:
            for index, callee in code.calls:
                printer = fresh.get(callee)
                number = code.function(index) if printer is not None else None
                if printer is None or number is None:
                    continue
                for outer in _call(mined, code, index, number, printer):
                    handing_on[code.names[number]] = outer
        fresh = {name: printer for name, printer in handing_on.items() if name not in printers}
        if not fresh:
            break
        printers |= fresh
        mined.handing_on |= fresh
    return mined


def _call(mined: Mined, code: Code, index: int, number: int, printer: Printer) -> Iterator[Printer]:
    """Note what a call prints; gives what makes its function one that prints, where it hands a format on."""
    mined.calls += 1
    texts = code.argument(index, number, printer.argument)
    mined.told += bool(texts)
    for text in texts:
        level, plain, continued = mark_of(text)
        if printer.level is not None:
            level = printer.level
        elif level is None and not continued:
            level = _passed_level(code, index, number, printer)
        whole = printer.before + plain + printer.behind
        outer = _handing_on(code, number, whole, level, printer.call) if HANDED_ON in whole else None
        if outer is not None:
            yield outer
        else:
            goes_on = printer.continues and not whole.endswith(b"\n")
            mined.printed.append(
                (code, Printed(whole, printer.call, level, code.names[number], index, goes_on))
            )


def _passed_level(code: Code, index: int, number: int, printer: Printer) -> int | None:
    """The level in an argument before the format: a mark, as `dev_printk` takes it, or a number."""
    if printer.numbered:
        levels = {
            level for register in range(printer.argument) for level in code.numbers(index, number, register)
        }
        return levels.pop() if len(levels) == 1 else printer.unmarked
    for register in range(printer.argument):
        for text in code.argument(index, number, register):
            level, rest, _ = mark_of(text)
            if level is not None and not rest:
                return level
    return printer.unmarked


def _handing_on(code: Code, number: int, text: bytes, level: int | None, call: Call) -> Printer | None:
    first = saved_arguments(code.words, code.starts[number], code.ends[number])
    if first is None or first == 0:
        return None
    before, _, behind = text.partition(HANDED_ON)
    if before.startswith(_LEVEL_TEXT):
        return Printer(first - 1, None, call, before[len(_LEVEL_TEXT) :], behind, unmarked=level)
    if before.startswith(_LEVEL_NUMBER):
        before = before[len(_LEVEL_NUMBER) :]
        return Printer(first - 1, None, call, before, behind, unmarked=None, numbered=True)
    return Printer(first - 1, None, call, before, behind, unmarked=level)


def lines_of(printed: Printed) -> list[Printed]:
    """A format with line ends inside is as many messages."""
    lines = [line[:_MOST_LINE].strip() for line in printed.text.split(b"\n", _MOST_LINES)]
    last = len(lines) - 1
    return [
        evolve(printed, text=line, goes_on=printed.goes_on and number == last)
        for number, line in enumerate(lines)
        if line
    ]
