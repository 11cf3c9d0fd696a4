"""The text of a log, kept while it is short."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator

from attrs import define, field

from bootwright.diagnose.reading.text import Block

MOST = 1 << 20
"""Bytes. A kernel's whole ring buffer has hardly more (CONFIG_LOG_BUF_SHIFT); longer logs hold many boots."""


@define
class KeptText:
    """The blocks of a log from its beginning; nothing once it is longer than `MOST`."""

    whole: bool = True
    """Whether everything read so far is here."""
    size: int = 0
    """Bytes that were read, as long as they are here."""
    _blocks: list[Block] = field(factory=list)

    @property
    def empty(self) -> bool:
        """Whether nothing was read yet."""
        return self.size == 0

    def extend(self, block: Block) -> None:
        """More was read."""
        if self.whole:
            self.size += len(block.text)
            self._blocks.append(block)
            if self.size > MOST:
                self.whole = False
                self._blocks.clear()

    def lines(self, first: int, last: int) -> Iterator[tuple[int, bytes]]:
        """Number and bytes of the lines from number `first` to `last`."""
        for block in self._blocks[self._block_of(first) :]:
            if block.first_line > last:
                return
            if not block.joins:
                start = max(first - block.first_line, 0)
                yield from enumerate(
                    block.lines[start : last - block.first_line + 1], block.first_line + start
                )
                continue
            number, offset = block.first_line, 0
            for line in block.lines:
                if first <= number <= last:
                    yield number, line
                end = offset + len(line) + 1
                number += 1 + block.extra_lines(offset, end)
                offset = end

    def _block_of(self, line: int) -> int:
        """The index of the block that a line is in."""
        return max(bisect_right(self._blocks, line, key=lambda block: block.first_line) - 1, 0)
