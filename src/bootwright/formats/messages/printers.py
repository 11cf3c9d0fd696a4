"""The functions of a kernel that print a message: `data/print-calls/*.toml`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

from attrs import field, frozen

from bootwright.formats.messages.model import Call
from bootwright.foundation.knowledge import Kind
from bootwright.foundation.structure import STEM, key, written

LEVELS = ("emergency", "alert", "critical", "error", "warning", "notice", "info", "debug")
DEFAULT_LEVEL = 4
"""Of a message without mark: CONFIG_MESSAGE_LOGLEVEL_DEFAULT (lib/Kconfig.debug, Linux 6.12)."""
_MARK = re.compile(rb"\x01([0-7cd])")


def _level(text: str) -> str:
    if text and text not in LEVELS:
        raise ValueError(f"one of {', '.join(LEVELS)}", text)
    return text


def _argument(number: int) -> int:
    if not 0 <= number <= 7:
        raise ValueError("the number of an argument register, 0 to 7", number)
    return number


@frozen(kw_only=True)
class PrinterTable:
    """A table `[[function]]`: functions that take a format and print it."""

    names: tuple[str, ...]
    format: int = field(metadata=written(int, _argument))
    level: str = field(default="", metadata=written(str, _level))
    call: Call = Call.PRINTK
    before: str = ""
    continues: bool = False


@frozen(kw_only=True)
class PrinterFile:
    """`print-calls/NAME.toml`."""

    name: str = field(default="", metadata=STEM)
    source: str
    functions: tuple[PrinterTable, ...] = field(metadata=key("function"))


PRINT_CALLS = Kind("print-calls", "a list of functions that print", PrinterFile)


@frozen
class Printer:
    """A function that prints a format."""

    argument: int
    """Which argument the format is, from 0."""
    level: int | None
    """The level of all its messages; None where the call says it."""
    call: Call
    before: bytes = b""
    behind: bytes = b""
    unmarked: int | None = DEFAULT_LEVEL
    """The level where the call does not say it either."""
    numbered: bool = False
    """Whether the call says it as a number, in an argument before the format."""
    continues: bool = False
    """Whether a message without line end is gone on with by the next call."""


@cache
def printers() -> Mapping[str, Printer]:
    """Function → how it prints. Raises `Malformed` for a file that is not right."""
    return {
        name: Printer(
            table.format,
            LEVELS.index(table.level) if table.level else None,
            table.call,
            table.before.encode(),
            continues=table.continues,
        )
        for file in PRINT_CALLS.all().values()
        for table in file.functions
        for name in table.names
    }


def mark_of(text: bytes) -> tuple[int | None, bytes, bool]:
    """(level, the text behind the marks, whether it goes on a line begun before); no level without a mark.

    include/linux/kern_levels.h: a mark is byte 1 and a digit, `c` (continued) or `d` (default).
    """
    level: int | None = None
    continued = False
    while True:
        match = _MARK.match(text)
        if match is None:
            return level, text, continued
        if match[1] == b"c":
            continued = True
        elif match[1] != b"d":
            level = int(match[1])
        text = text[2:]
