"""Fuzz the miner of messages: any bytes as a module, as an image full of symbols, and as a table."""

from __future__ import annotations

import contextlib
import zlib

from bootwright.formats.kernel.kallsyms import Symbols
from bootwright.formats.messages.gathering import Gathering
from bootwright.formats.messages.in_image import read_image_code
from bootwright.formats.messages.mining import mine
from bootwright.formats.messages.printers import printers
from bootwright.formats.messages.table import table_of
from bootwright.formats.messages.table_file import MARK, pack_table, unpack_table
from bootwright.foundation.errors import BootwrightError

BASE = 0xFFFF800080000000
NAMES = ("_printk", "_dev_err", "dev_printk", "acme_warn", "__start___bug_table", "__stop___bug_table")


def one_input(data: bytes) -> None:
    """Read as each of the three."""
    gathering = Gathering("fuzz")
    with contextlib.suppress(BootwrightError):
        gathering.module(data, "kernel/fuzz.ko")
    table = table_of(gathering.formats())
    assert len(unpack_table(pack_table(table), "fuzz")) == len(table)
    places = range(BASE, BASE + len(data), 64)
    names = [NAMES[number % len(NAMES)] for number in range(len(places))]
    symbols = Symbols(list(places), "T" * len(places), names, BASE)
    mined = mine(read_image_code(data, symbols).codes, printers())
    assert mined.told <= mined.calls
    with contextlib.suppress(BootwrightError):
        list(unpack_table(MARK + zlib.crc32(data).to_bytes(4, "little") + data, "fuzz").formats())


if __name__ == "__main__":
    import sys

    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
