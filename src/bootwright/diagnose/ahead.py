"""The blocks of a large log, cleaned and scanned by another process while this one judges those before.

To find the lines that say something takes about as long as to judge them. The other process is a fork that
goes on where this one's scanner stands, so that what it finds is what this one would have found. Pieces of
the log reach it through memory that both share, three at most at a time; blocks come back in order over a
pipe. A record is sent once and known by its number from then on: there is one for each message here too.

Limits: not started beside threads, nor with a single processor (`children.can_work_beside`).
"""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from itertools import count, islice
from multiprocessing import get_context
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Final, NamedTuple

from attrs import define, field

from bootwright.diagnose.reading.patterns import Facts, Pattern, Record
from bootwright.diagnose.reading.scanner import ScannedHere, Sightings
from bootwright.diagnose.reading.text import Block
from bootwright.foundation.errors import ToolFailed
from bootwright.foundation.processes.children import end_with

_PIECE: Final = 1 << 23
"""Bytes of the log that are handed over at once, at most: what is not used takes no memory."""
_PIECES: Final = 3
_MOST_RECORDS: Final = 50_000
"""Records that have a number."""
_PIPE: Final = 1 << 20
"""Bytes of the pipe's buffer, as many as an unprivileged process may have (pipe(7), F_SETPIPE_SZ)."""
_END: Final = -1
_SENT: Final = "the process that scans the log ahead"

_Plain = tuple[tuple[tuple[int, Facts], ...], bool, tuple[int, ...], bool, str]
"""A record with the numbers of its patterns."""


class _Found(NamedTuple):
    """A block without its text, which follows, and what its lines say."""

    first_line: int
    joins: tuple[int, ...]
    lines: list[int]
    raws: bytes
    """Of those lines, with line ends between."""
    numbers: list[int]
    """Of their records."""
    fresh: list[_Plain]
    """Records that were not sent before."""
    known: int
    """The number of the first of them."""
    newlines: int
    starts: dict[int, int]
    """Offsets of lines that another boot may begin with."""


class ScannedAhead:
    """See `scanner.Scanned`; a context that ends the other process."""

    def __init__(self, here: ScannedHere, patterns: Sequence[Pattern]) -> None:
        self._lines = here.lines
        self._patterns = patterns
        self._records: list[Record] = []
        self._shared = mmap.mmap(-1, _PIECES * _PIECE)
        self._handed_over = 0
        self._done = 0
        context = get_context("fork")
        orders, self._orders = context.Pipe(duplex=False)
        self._results, results = context.Pipe(duplex=False)
        with contextlib.suppress(OSError):
            fcntl.fcntl(results.fileno(), fcntl.F_SETPIPE_SZ, _PIPE)
        worker = _Worker(
            here, patterns, self._shared, orders, results, (self._orders, self._results), os.getpid()
        )
        self._process = context.Process(target=worker.run, daemon=True)
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
        """See `Scanned.lines`: of the pieces that are done."""
        return self._lines

    def feed(self, data: bytes) -> Iterator[tuple[Block, Sightings]]:
        """See `Scanned.feed`: blocks of earlier pieces, as soon as there is no room for this one."""
        for start in range(0, len(data), _PIECE):
            piece = data[start : start + _PIECE]
            while self._handed_over - self._done == _PIECES:
                yield from self._next_piece()
            place = self._handed_over % _PIECES * _PIECE
            self._shared[place : place + len(piece)] = piece
            self._order(len(piece))

    def flush(self) -> Iterator[tuple[Block, Sightings]]:
        """See `Scanned.flush`: everything that is not given yet."""
        self._order(_END)
        while self._done < self._handed_over:
            yield from self._next_piece()

    def _order(self, size: int) -> None:
        try:
            self._orders.send(size)
        except OSError as error:
            raise self._gone() from error
        self._handed_over += 1

    def _next_piece(self) -> Iterator[tuple[Block, Sightings]]:
        """Blocks of the oldest piece that is not done."""
        while True:
            try:
                message = self._results.recv()
                if isinstance(message, int):
                    break
                text = self._results.recv_bytes()
            except (OSError, EOFError) as error:
                raise self._gone() from error
            yield self._block(text, message)
        self._lines = message
        self._done += 1

    def _gone(self) -> ToolFailed:
        self._process.join(1.0)
        return ToolFailed(_SENT, f"it ended with {self._process.exitcode}", hint="is there memory enough?")

    def _block(self, text: bytes, scanned: _Found) -> tuple[Block, Sightings]:
        # Fewer are known where the other process has begun to count anew.
        del self._records[scanned.known :]
        for matches, kernel, literals, begins, voice in scanned.fresh:
            said = tuple([(self._patterns[index], facts) for index, facts in matches])
            self._records.append(Record(said, kernel, literals, begins, voice))
        records = [self._records[number] for number in scanned.numbers]
        raws = scanned.raws.split(b"\n") if records else []
        block = Block(text, scanned.first_line, scanned.joins).known(scanned.newlines, scanned.starts)
        return block, Sightings(scanned.lines, raws, records)


@define(eq=False)
class _Worker:
    """The other process."""

    here: ScannedHere
    patterns: Sequence[Pattern]
    shared: mmap.mmap
    orders: Connection[Any, int]
    results: Connection[Any, Any]
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
            for piece in count():
                size = self.orders.recv()
                start = piece % _PIECES * _PIECE
                data = self.shared[start : start + max(size, 0)]
                for block, sightings in self.here.flush() if size == _END else self.here.feed(data):
                    self.results.send(self._found(block, sightings, place_of))
                    self.results.send_bytes(block.text)
                self.results.send(self.here.lines)

    def _found(self, block: Block, sightings: Sightings, place_of: Mapping[Pattern, int]) -> _Found:
        numbers = self._numbers
        if len(numbers) > _MOST_RECORDS:
            numbers.clear()
        known = len(numbers)
        records = [numbers.setdefault(record, len(numbers)) for record in sightings.records]
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
        raws = b"\n".join(sightings.raws)
        starts = block.starts_of([sightings.lines[index] for index in sightings.begins])
        return _Found(
            block.first_line,
            block.joins,
            sightings.lines,
            raws,
            records,
            fresh,
            known,
            block.newlines,
            starts,
        )
