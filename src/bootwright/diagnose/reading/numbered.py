"""The lines of a log as the diagnosis numbers them, to be shown beside what it says."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from bootwright.diagnose.reading.patterns import printable
from bootwright.diagnose.reading.text import BLOCK, Block, Cleaner

Read = Callable[[int], bytes]
LONGEST = 1000
"""Characters of a line that are given."""


def numbered_lines(read: Read) -> Iterator[tuple[int, str]]:
    """(number, text) of each line of what `read(size)` returns until it returns nothing.

    Texts are as `model.Line` has them: without control sequences, lines that a terminal wrapped in one piece
    under the number of their first.
    """
    cleaner = Cleaner()
    while data := read(BLOCK):
        for block in cleaner.feed(data):
            yield from lines_of(block)
    for block in cleaner.flush():
        yield from lines_of(block)


def lines_of(block: Block) -> Iterator[tuple[int, str]]:
    """See `numbered_lines`."""
    lines = block.lines
    if not lines[-1]:  # what follows the last line end
        lines = lines[:-1]
    offset = 0
    for index, line in enumerate(lines):
        yield (
            block.first_line + index + block.extra_lines(0, offset),
            printable(line[: 4 * LONGEST])[:LONGEST],
        )
        offset += len(line) + 1
