"""Write an image to a card so that it is either right or says that it is not.

The order is what makes it safe. First the partition table's place is made zero, so that a card that holds
only part of an image is not taken for a bootable one. Then everything but the first MiB is written, synced
on the way, and at last that first MiB. Then the whole image is read back from the medium and its SHA-256
compared with the one computed while writing; where the image is a plain file, its bytes themselves are
compared, which costs less than hashing it twice.
"""

from __future__ import annotations

import contextlib
import errno
import os
import time

from attrs import define, field, frozen

from bootwright.foundation.errors import BootwrightError
from bootwright.foundation.progress import Progress, Silent
from bootwright.images.flash.journal import Journal
from bootwright.images.flash.pipeline import Pieces, RunningHash, Syncer
from bootwright.images.flash.source import HEAD, PIECE, Piece, Source, is_zero
from bootwright.images.flash.target import Target

_SYNC_EVERY = 64 << 20
_SYNC_FILE_EVERY = 256 << 20
"""A file's disk is fast, and shared: each sync there waits for what others write."""
_MOST_UNSYNCED = 512 << 20
"""Bytes the system may hold in memory before we wait, so that progress speaks of the card, not of memory."""
_SAMPLE = 16
"""Of the pieces that a resumed write leaves alone, one in so many is compared with the image at once."""


class FlashFailed(BootwrightError):
    """The target does not hold the image; the message says what happened and where."""


@frozen
class Flashed:
    """What was written, and that it is there."""

    size: int
    """Bytes of the image."""
    sha256: str
    """Of the image as it was read back from the target."""
    data: int
    """Bytes that were not zero and had to be written."""
    resumed_at: int
    """Bytes that were there from an earlier attempt."""
    write_seconds: float
    """Until everything was synced."""
    verify_seconds: float


@define
class Written:
    """How far a write has come; for messages about one that was interrupted."""

    position: int = 0
    durable: int = 0
    began: bool = False
    """Whether anything on the target was changed."""


def flash(
    source: Source,
    target: Target,
    *,
    journal: Journal | None = None,
    start: int = 0,
    progress: Progress | None = None,
    state: Written | None = None,
) -> Flashed:
    """Write `source` to `target` and read it back.

    `start` is where an earlier attempt had got to (`Journal.position`); `state` is kept up to date for the
    caller. Raises `FlashFailed` when the target cannot take it or does not give it back, and whatever
    reading the source raises, with the state of the target said in both.
    """
    state = state if state is not None else Written()
    write = _Write(source, target, journal, start, progress or Silent(), state)
    began = time.monotonic()
    with write.progress.step(f"writing {source.name} to {target.name}"):
        wanted = write.run()
    wrote = time.monotonic()
    with write.progress.step(f"reading back {target.name}"):
        if source.cheap:
            wanted = _compare(target, source, wanted.size, write.progress)
        else:
            _verify(target, wanted, write.progress)
    if journal:
        journal.forget()
    return Flashed(
        size=wanted.size,
        sha256=wanted.hexdigest,
        data=write.data,
        resumed_at=start,
        write_seconds=wrote - began,
        verify_seconds=time.monotonic() - wrote,
    )


@define
class _Write:
    source: Source
    target: Target
    journal: Journal | None
    start: int
    progress: Progress
    state: Written
    data: int = 0
    _head: bytes | None = None
    _synced_at: int = 0
    _at: int = field(default=0)
    _began: float = field(factory=time.monotonic)

    @property
    def _grows(self) -> bool:
        """A file has its name only when it is whole; nobody takes it for a bootable card before."""
        return self.target.capacity is None

    def run(self) -> RunningHash:
        """Everything but the head, then the head; the hash of all of it."""
        self._check_space(self.source.size or 0)
        syncer: Syncer | None = None
        try:
            if not self.start:
                self.state.began = True
            if not self.start and not self._grows:
                self.target.zero(0, HEAD)
                self._blank_end()
                self.target.sync()
            self._synced_at = self._at = self.start
            syncer = Syncer(self.target.sync, self._durable)
            syncer.position = self.start
            with Pieces(self.source, hashed=not self.source.cheap) as pieces:
                for piece in pieces:
                    self._take(piece, syncer)
                hashed = pieces.hash
            hashed.size = self.state.position
            syncer.close()
            syncer.check()
            self.target.sync()
            if self._head:
                self._at = 0
                self._bytes(0, memoryview(self._head))
                self.target.sync()
        except OSError as error:
            raise self._failed(error) from error
        except BootwrightError as error:
            if isinstance(error, FlashFailed) or not self.state.began:
                raise
            raise FlashFailed(f"{error.message}; {self._unusable()}", hint=error.hint) from error
        finally:
            if syncer is not None:
                syncer.close()
        return hashed

    def _take(self, piece: Piece, syncer: Syncer) -> None:
        end = piece.offset + piece.size
        self._check_space(end)
        if end <= self.start:
            self.state.position = end
            self._sample(piece)
            if piece.offset == 0 and not self._grows:
                self._head = (piece.data or b"")[:HEAD]
            return
        self.state.began = True
        self._at = piece.offset
        offset, data = piece.offset, piece.data
        if offset == 0 and not self._grows:
            self._head = (data or b"")[:HEAD]
            data = data[HEAD:] if data else None
            offset = min(HEAD, piece.size)
        if data is None:
            if end > offset:
                self.target.zero(offset, end - offset)
        else:
            self._bytes(offset, memoryview(data))
            self.data += len(data)
        self.state.position = end
        if end - self._synced_at >= (_SYNC_FILE_EVERY if self._grows else _SYNC_EVERY):
            syncer.offer(end, wait=end - syncer.position > _MOST_UNSYNCED)
            self._synced_at = end
        seconds = time.monotonic() - self._began
        rate = (end - self.start) / 1e6 / seconds if seconds > 0.5 else 0.0
        total = self.source.size
        self.progress.advance(end / 1e6, total / 1e6 if total else None, f"MB, {rate:.0f} MB/s")

    def _bytes(self, offset: int, view: memoryview) -> None:
        """Write all of `view`: a short write is gone on with, one that takes nothing is an error."""
        while view:
            count = self.target.write(offset, view)
            if count <= 0:
                raise OSError(errno.EIO, "the device took no data")
            offset += count
            view = view[count:]

    def _blank_end(self) -> None:
        """A backup partition table of what was there before, which no longer belongs to anything."""
        capacity = self.target.capacity
        if capacity is not None and capacity >= 4 * HEAD:
            start = (capacity - HEAD) // 4096 * 4096
            self.target.zero(start, capacity // 4096 * 4096 - start)

    def _sample(self, piece: Piece) -> None:
        """Whether what is skipped is there: another card in the same reader is found early."""
        if piece.offset // PIECE % _SAMPLE or not piece.offset:
            return
        there = _read_all(self.target, piece.offset, piece.size)
        if there != (piece.data if piece.data is not None else bytes(piece.size)):
            raise FlashFailed(
                f"{self.target.name} does not hold what was written before (at byte {piece.offset:#x})",
                hint="another card? Leave out --resume to start over",
            )

    def _check_space(self, end: int) -> None:
        capacity = self.target.capacity
        if capacity is None or end <= capacity:
            return
        message = f"{self.target.name} is too small: it holds {capacity} bytes, the image has {end} or more"
        if self.state.began:
            message += f"; {self._unusable()}"
        raise FlashFailed(message, hint="use a larger card")

    def _durable(self, position: int) -> None:
        self.state.durable = position
        if self.journal:
            # Without a record the write cannot be resumed, but the card is not harmed.
            with contextlib.suppress(BootwrightError, OSError):
                self.journal.keep(position)

    def _failed(self, error: OSError) -> FlashFailed:
        reason = error.strerror or os.strerror(error.errno or errno.EIO)
        if error.errno in {errno.ENOSPC, errno.EDQUOT} and self.target.capacity is None:
            return FlashFailed(
                f"no space left to write {self.target.name} (at byte {self._at:#x})",
                hint="free some space, or write to a larger disk",
            )
        return FlashFailed(
            f"writing {self.target.name} failed at byte {self._at:#x}: {reason}; {self._unusable()}",
            hint="try again with --resume; if it fails there again, the card or its reader is broken",
        )

    def _unusable(self) -> str:
        return f"{self.target.name} is not usable as it is"


def _compare(target: Target, source: Source, size: int, progress: Progress) -> RunningHash:
    """Read back and compare with the image, piece by piece; the hash of what was read."""
    read_hash = RunningHash()
    began = time.monotonic()
    try:
        target.forget_cache()
        with Pieces(source, hashed=False) as pieces:
            for piece in pieces:
                there = _read_all(target, piece.offset, piece.size)
                same = is_zero(there) if piece.data is None else there == piece.data
                if not same:
                    raise _different(target, piece.offset, PIECE)
                read_hash.add(piece.data, piece.size)
                rate = read_hash.size / 1e6 / max(time.monotonic() - began, 0.001)
                progress.advance(read_hash.size / 1e6, size / 1e6, f"MB, {rate:.0f} MB/s")
    except OSError as error:
        raise _unreadable(target, read_hash.size, error) from error
    if read_hash.size != size:
        raise FlashFailed(
            f"{source.name} changed while it was written; {target.name} is not usable as it is",
            hint="write it again",
        )
    return read_hash


def _unreadable(target: Target, at: int, error: OSError) -> FlashFailed:
    return FlashFailed(
        f"reading back {target.name} failed at byte {at:#x}: {error.strerror or error}; "
        f"{target.name} is not usable as it is",
        hint="the card or its reader is broken: try another",
    )


def _different(target: Target, at: int, length: int) -> FlashFailed:
    return FlashFailed(
        f"{target.name} does not give back what was written: different within the {length >> 20} MiB from "
        f"byte {at:#x}; it is not usable as it is",
        hint="write it again; if it differs again, the card is broken or smaller than it says",
    )


def _verify(target: Target, wanted: RunningHash, progress: Progress) -> None:
    read_hash = RunningHash()
    began = time.monotonic()
    try:
        target.forget_cache()
        while read_hash.size < wanted.size:
            length = min(PIECE, wanted.size - read_hash.size)
            read_hash.add(_read_all(target, read_hash.size, length), length)
            if read_hash.at_mark and read_hash.marks[-1] != wanted.marks[len(read_hash.marks) - 1]:
                break
            rate = read_hash.size / 1e6 / max(time.monotonic() - began, 0.001)
            progress.advance(read_hash.size / 1e6, wanted.size / 1e6, f"MB, {rate:.0f} MB/s")
    except OSError as error:
        raise _unreadable(target, read_hash.size, error) from error
    if read_hash.hexdigest != wanted.hexdigest:
        spot = max(0, len(read_hash.marks) - 1) if read_hash.at_mark else len(read_hash.marks)
        raise _different(target, spot * 16 * PIECE, 16 * PIECE)


def _read_all(target: Target, offset: int, length: int) -> bytes:
    data = target.read(offset, length)
    if len(data) == length:
        return data
    pieces = [data]
    have = len(data)
    while have < length:
        more = target.read(offset + have, length - have)
        if not more:
            raise OSError(errno.EIO, f"the end after {have} of {length} bytes")
        pieces.append(more)
        have += len(more)
    return b"".join(pieces)
