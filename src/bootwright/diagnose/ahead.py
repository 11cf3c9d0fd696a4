"""The blocks of a large log, scanned by another process while this one judges those before.

To find the lines that say something takes about as long as all the rest. The other process is a fork that
goes on where this one's scanner stands, so that what it finds is what this one would have found. Blocks reach
it through memory that both share, a few at a time; what their lines say comes back in order over a pipe. A
record is sent once and known by its number from then on: there is one for each message here too.

Limits: not started beside threads, nor with a single processor (`children.can_work_beside`).
"""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import signal
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count, islice
from multiprocessing import get_context
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Final, NamedTuple

from attrs import define, field

from bootwright.diagnose.reading.patterns import Facts, Pattern, Record
from bootwright.diagnose.reading.scanner import ScannedHere, Scanner, Sightings
from bootwright.diagnose.reading.text import BLOCK, Block
from bootwright.foundation.errors import ToolFailed
from bootwright.foundation.processes.children import end_with

_PLACES: Final = 8
"""Blocks that are handed over and not given back yet, at most."""
_MOST_RECORDS: Final = 50_000
"""Records that have a number."""
_PIPE: Final = 1 << 20
"""Bytes of the pipe's buffer, as many as an unprivileged process may have (pipe(7), F_SETPIPE_SZ)."""
_OTHER: Final = "the process that scans the log ahead"

_Order = tuple[int, int, tuple[int, ...]]
"""Of a block: bytes of its text, its first line and its joins."""
_Plain = tuple[tuple[tuple[int, Facts], ...], bool, tuple[int, ...], bool, str]
"""A record with the numbers of its patterns."""


class _Said(NamedTuple):
    """What the lines of a block say."""

    lines: list[int]
    raws: bytes
    """Of those lines, with line ends between."""
    numbers: list[int]
    """Of their records."""
    fresh: list[_Plain]
    """Records that were not sent before."""
    known: int
    """The number of the first of them."""


class ScannedAhead:
    """See `scanner.Scanned`; a context that ends the other process."""

    def __init__(
        self, here: ScannedHere, patterns: Sequence[Pattern], meanwhile: Callable[[Block], Iterator[None]]
    ) -> None:
        """`meanwhile` takes the first block, a part at a time, as long as the other process scans it."""
        self._meanwhile: Callable[[Block], Iterator[None]] | None = meanwhile
        self._cleaner = here.cleaner
        self._patterns = patterns
        self._records: list[Record] = []
        self._blocks: deque[Block] = deque()
        """Handed over, the oldest first."""
        self._handed_over = 0
        self._splits = False
        """Whether the lines of the last block were asked for."""
        self._shared = mmap.mmap(-1, _PLACES * BLOCK)
        context = get_context("fork")
        orders, self._orders = context.Pipe(duplex=False)
        self._results, results = context.Pipe(duplex=False)
        with contextlib.suppress(OSError):
            fcntl.fcntl(results.fileno(), fcntl.F_SETPIPE_SZ, _PIPE)
        ours = (self._orders, self._results)
        worker = _Worker(here.scanner, patterns, self._shared, orders, results, ours, os.getpid())
        self._process = context.Process(target=worker.run)
        self._process.start()
        orders.close()
        results.close()

    def __enter__(self) -> ScannedAhead:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._orders.close()
        self._results.close()
        self._process.kill()
        self._process.join()
        self._shared.close()

    @property
    def lines(self) -> int:
        """See `Scanned.lines`: of the blocks that were handed over."""
        return self._cleaner.lines

    def feed(self, data: bytes) -> Iterator[tuple[Block, Sightings]]:
        """See `Scanned.feed`: earlier blocks, as soon as there is no place for the next one."""
        for block in self._cleaner.feed(data):
            if self._splits:
                _ = block.lines  # sooner done than counting them, and later splitting all the same
            yield from self._hand_over(block)

    def flush(self) -> Iterator[tuple[Block, Sightings]]:
        """See `Scanned.flush`: everything that was not given yet."""
        for block in self._cleaner.flush():
            yield from self._hand_over(block)
        while self._blocks:
            yield self._oldest()

    def _hand_over(self, block: Block) -> Iterator[tuple[Block, Sightings]]:
        while len(self._blocks) == _PLACES:
            scanned = self._oldest()
            yield scanned
            self._splits = scanned[0].is_split
        place, size = self._handed_over % _PLACES * BLOCK, len(block.text)
        self._shared[place : place + size] = block.text
        order: _Order = size, block.first_line, block.joins
        try:
            self._orders.send(order)
        except OSError as error:
            raise self._gone() from error
        self._handed_over += 1
        self._blocks.append(block)

    def _oldest(self) -> tuple[Block, Sightings]:
        if self._meanwhile is not None:
            for _ in self._meanwhile(self._blocks[0]):
                if self._results.poll():
                    break
            self._meanwhile = None
        try:
            scanned = self._results.recv()
        except (OSError, EOFError) as error:
            raise self._gone() from error
        # Fewer are known where the other process has begun to count anew.
        del self._records[scanned.known :]
        for matches, kernel, literals, begins, voice in scanned.fresh:
            said = tuple([(self._patterns[index], facts) for index, facts in matches])
            self._records.append(Record(said, kernel, literals, begins, voice))
        records = [self._records[number] for number in scanned.numbers]
        raws = scanned.raws.split(b"\n") if records else []
        return self._blocks.popleft(), Sightings(scanned.lines, raws, records)

    def _gone(self) -> ToolFailed:
        self._process.join(1.0)
        return ToolFailed(_OTHER, f"it ended with {self._process.exitcode}", hint="is there memory enough?")


@define(eq=False)
class _Worker:
    """The other process."""

    scanner: Scanner
    patterns: Sequence[Pattern]
    shared: mmap.mmap
    orders: Connection[Any, _Order]
    results: Connection[_Said, Any]
    of_parent: Sequence[Connection[Any, Any]]
    parent: int
    _numbers: dict[Record, int] = field(factory=dict)

    def run(self) -> None:
        """Scan what is handed over until the parent closes its end."""
        end_with(self.parent)
        # Ctrl-C is for the parent, which ends this one.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        for connection in self.of_parent:
            connection.close()
        place_of = {pattern: index for index, pattern in enumerate(self.patterns)}
        with contextlib.suppress(EOFError, BrokenPipeError):
            for number in count():
                size, first_line, joins = self.orders.recv()
                start = number % _PLACES * BLOCK
                block = Block(self.shared[start : start + size], first_line, joins)
                self.results.send(self._said(self.scanner.scan(block), place_of))

    def _said(self, sightings: Sightings, place_of: Mapping[Pattern, int]) -> _Said:
        numbers = self._numbers
        if len(numbers) > _MOST_RECORDS:
            numbers.clear()
        known = len(numbers)
        numbered = [numbers.setdefault(record, len(numbers)) for record in sightings.records]
        fresh = [
            (
                tuple([(place_of[pattern], facts) for pattern, facts in record.matches]),
                record.kernel,
                record.literals,
                record.begins,
                record.voice,
            )
            for record in islice(numbers, known, None)
        ]
        return _Said(sightings.lines, b"\n".join(sightings.raws), numbered, fresh, known)
