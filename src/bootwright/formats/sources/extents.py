"""A file scattered over its container: pieces, holes and all, seen as one `ByteSource`."""

from __future__ import annotations

import bisect
from collections import OrderedDict
from collections.abc import Iterable

from attrs import frozen

from bootwright.formats.sources.bytesource import ByteSource, check_range
from bootwright.foundation.errors import Malformed

_MAX_SIZE = (1 << 63) - 1
"""Linux's largest file (MAX_LFS_FILESIZE), and the most that Python's len() can say."""


@frozen
class Extent:
    """`size` bytes of a file from `start`, found at `at` in the container (None: a hole that reads as 0)."""

    start: int
    size: int
    at: int | None


class Extents:
    """The bytes of a file whose pieces lie at `extents` of `whole`; what no extent covers reads as zeros.

    `size` is the file's length in bytes. Raises `Malformed` when an extent lies outside the container,
    two overlap, or one begins beyond the end of the file.
    """

    def __init__(self, whole: ByteSource, extents: Iterable[Extent], size: int, name: str) -> None:
        if not 0 <= size <= _MAX_SIZE:
            raise Malformed(name, None, f"a file of at most {_MAX_SIZE} bytes", f"{size} bytes")
        self._whole = whole
        self._name = name
        self._size = size
        self._extents = _joined(extents, size, whole.size, name)
        self._starts = [extent.start for extent in self._extents]

    @property
    def name(self) -> str:
        """The name it was given."""
        return self._name

    @property
    def extents(self) -> tuple[Extent, ...]:
        """Where the bytes are, in file order, neighbours joined."""
        return tuple(self._extents)

    @property
    def size(self) -> int:
        """See `ByteSource.size`."""
        return self._size

    def read(self, offset: int, size: int) -> bytes:
        """See `ByteSource.read`."""
        check_range(self._name, self._size, offset, size)
        pieces: list[bytes] = []
        index = max(bisect.bisect_right(self._starts, offset) - 1, 0)
        position, end = offset, offset + size
        while position < end:
            extent = self._extents[index] if index < len(self._extents) else None
            if extent is None or position < extent.start:
                upto = end if extent is None else min(end, extent.start)
                pieces.append(bytes(upto - position))
                position = upto
                continue
            within = position - extent.start
            if within >= extent.size:
                index += 1
                continue
            amount = min(extent.size - within, end - position)
            pieces.append(
                bytes(amount) if extent.at is None else self._whole.read(extent.at + within, amount)
            )
            position += amount
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _joined(extents: Iterable[Extent], size: int, limit: int, name: str) -> list[Extent]:
    joined: list[Extent] = []
    for extent in sorted(extents, key=lambda span: span.start):
        if extent.start >= size or extent.size <= 0:
            continue  # blocks allocated beyond the end of the file
        keep = Extent(extent.start, min(extent.size, size - extent.start), extent.at)
        if keep.at is not None and (keep.at < 0 or keep.at + keep.size > limit):
            raise Malformed(
                name,
                keep.start,
                f"data inside its container of {limit:#x} bytes",
                f"an extent at {keep.at:#x} of {keep.size:#x} bytes",
            )
        last = joined[-1] if joined else None
        if last is not None and keep.start < last.start + last.size:
            raise Malformed(name, keep.start, "extents that do not overlap", "one that begins inside another")
        if (
            last is not None
            and last.start + last.size == keep.start
            and ((last.at is None) == (keep.at is None))
            and (last.at is None or last.at + last.size == keep.at)
        ):
            joined[-1] = Extent(last.start, last.size + keep.size, last.at)
        else:
            joined.append(keep)
    return joined


class BlockCache:
    """The last blocks read from a source, for metadata that is read in small pieces again and again."""

    def __init__(self, source: ByteSource, block_size: int = 1 << 16, blocks: int = 64) -> None:
        self._source = source
        self._block = block_size
        self._limit = blocks
        self._kept: OrderedDict[int, bytes] = OrderedDict()

    @property
    def name(self) -> str:
        """The name of the source behind it."""
        return self._source.name

    @property
    def size(self) -> int:
        """See `ByteSource.size`."""
        return self._source.size

    def read(self, offset: int, size: int) -> bytes:
        """See `ByteSource.read`."""
        if size < 0 or offset < 0 or offset + size > self._source.size or size > self._block * 8:
            return self._source.read(offset, size)
        first = offset // self._block
        last = (offset + size - 1) // self._block if size else first
        if first == last:
            data = self._load(first)
            return data[offset - first * self._block :][:size]
        joined = b"".join(self._load(number) for number in range(first, last + 1))
        return joined[offset - first * self._block :][:size]

    def _load(self, number: int) -> bytes:
        data = self._kept.get(number)
        if data is None:
            start = number * self._block
            data = self._source.read(start, max(0, min(self._block, self._source.size - start)))
            self._kept[number] = data
            if len(self._kept) > self._limit:
                self._kept.popitem(last=False)
        else:
            self._kept.move_to_end(number)
        return data
