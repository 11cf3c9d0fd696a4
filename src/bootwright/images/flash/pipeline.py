"""Three things at once: reading the image, hashing it, and writing it; plus a fourth that syncs.

Reading, hashing and writing 4 MiB each take a few milliseconds in which Python's lock is not held, so that
the slowest of them sets the pace, which is the card.
"""

from __future__ import annotations

import contextlib
import hashlib
import queue
import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

from bootwright.images.flash.source import PIECE, Piece, Source

_AHEAD = 4
"""Pieces read or hashed ahead; bounds the memory to 12 of them."""
_MARK = 16 * PIECE
"""Distance of the intermediate hashes, by which a difference is found early, and located."""
_ZEROS = bytes(PIECE)
_T = TypeVar("_T")


class RunningHash:
    """SHA-256 of the image, with the intermediate values at every 64 MiB."""

    def __init__(self) -> None:
        self._sha = hashlib.sha256()
        self.size = 0
        self.marks: list[str] = []

    def add(self, data: bytes | None, size: int) -> None:
        """The next bytes; None for zeros."""
        if data is None:
            whole, rest = divmod(size, PIECE)
            for _ in range(whole):
                self._sha.update(_ZEROS)
            self._sha.update(memoryview(_ZEROS)[:rest])
        else:
            self._sha.update(data)
        self.size += size
        if not self.size % _MARK:
            self.marks.append(self._sha.hexdigest())

    @property
    def at_mark(self) -> bool:
        """Whether the last `add` ended at an intermediate value."""
        return self.size > 0 and not self.size % _MARK

    @property
    def hexdigest(self) -> str:
        """Of everything so far."""
        return self._sha.hexdigest()


class Pieces:
    """A source's pieces, read (and, if wanted, hashed) ahead in threads of their own.

    Iterating raises what reading the source raised. `close` stops the threads; it is called by leaving the
    `with` block.
    """

    def __init__(self, source: Source, *, hashed: bool = True) -> None:
        self._source = source
        self._stop = threading.Event()
        self._read: queue.Queue[Piece | BaseException | None] = queue.Queue(_AHEAD)
        self._hash: queue.Queue[Piece | None] = queue.Queue(_AHEAD)
        self.hash = RunningHash()
        self._hashed = hashed
        self._threads = [threading.Thread(target=self._reading, daemon=True)]
        if hashed:
            self._threads.append(threading.Thread(target=self._hashing, daemon=True))

    def __enter__(self) -> Pieces:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def __iter__(self) -> Iterator[Piece]:
        while True:
            piece = self._read.get()
            if isinstance(piece, BaseException):
                raise piece
            if piece is None:
                if self._hashed:
                    self._put(self._hash, None)
                    self._threads[1].join()
                return
            if self._hashed:
                self._put(self._hash, piece)
            yield piece

    def _reading(self) -> None:
        try:
            for piece in self._source.pieces():
                if not self._put(self._read, piece):
                    return
            self._put(self._read, None)
        except BaseException as error:  # noqa: BLE001 - raised again where the pieces are taken
            self._put(self._read, error)

    def _hashing(self) -> None:
        while not self._stop.is_set():
            try:
                piece = self._hash.get(timeout=0.2)
            except queue.Empty:
                continue
            if piece is None:
                return
            self.hash.add(piece.data, piece.size)

    def _put(self, where: queue.Queue[_T], what: _T) -> bool:
        while not self._stop.is_set():
            try:
                where.put(what, timeout=0.2)
            except queue.Full:
                continue
            return True
        return False


class Syncer:
    """Syncs in the background and tells what is certainly on the medium.

    `sync` returns when everything written so far is there, `durable(position)` is called after it. What
    either raises is raised by the next `check`.
    """

    def __init__(self, sync: Callable[[], None], durable: Callable[[int], None]) -> None:
        self._sync = sync
        self._durable = durable
        self._wanted: queue.Queue[int | None] = queue.Queue(1)
        self._error: BaseException | None = None
        self.position = 0
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raise what went wrong in the background."""
        if self._error is not None:
            raise self._error

    def offer(self, position: int, *, wait: bool) -> None:
        """Everything before `position` is written: sync it, now or, where one is under way, not at all."""
        self.check()
        with contextlib.suppress(queue.Full):
            self._wanted.put(position, block=wait)

    def close(self) -> None:
        """Wait for what is under way; may be called again."""
        if self._thread.is_alive():
            self._wanted.put(None)
            self._thread.join()

    def _work(self) -> None:
        while (position := self._wanted.get()) is not None:
            if self._error is not None:
                continue
            try:
                self._sync()
                self._durable(position)
                self.position = position
            except BaseException as error:  # noqa: BLE001 - raised again by `check`
                self._error = error
