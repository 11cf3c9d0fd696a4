"""Compressed files as random-access sources.

Three ways, the cheapest that fits: `.xz` written in blocks (as `xz -T0` does, and with it the images of
Talos) is read block by block through its index; small outputs of any format stay in memory; everything
else is expanded once into a sparse file of the cache, keyed by the hash of the compressed bytes.
"""

from __future__ import annotations

import contextlib
import lzma
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from bootwright.formats.sources import zstd
from bootwright.formats.sources.bytesource import Bytes, ByteSource, FileBytes
from bootwright.formats.sources.growing import Growing
from bootwright.formats.sources.spool import can_grow, digest, grow, holds, keep, spool, spooled
from bootwright.formats.sources.streams import compression_of, cut_short, damaged, decoder
from bootwright.formats.sources.xz_blocks import XzBlocks, read_index
from bootwright.foundation.errors import BootwrightError, Malformed
from bootwright.foundation.progress import Progress

if TYPE_CHECKING:
    from concurrent.futures import Future

_CHUNK = 1 << 20
_SMALL, _IN_MEMORY = 1 << 20, 8 << 20
"""A compressed file up to the first, with an output up to the second, is not worth a file in the cache."""

DEFAULT_LIMIT = 64 << 30
"""Bytes a file may expand to. A Talos image is 2.4 GB; cards and disks are rarely beyond 64 GiB."""

_BLOCK_LIMIT = 32 << 20
"""A larger xz block is no longer random access."""

_BOMB = "a decompression bomb?"


class Growth:
    """The files that are being expanded while they are read; `finish` when the reading is over.

    As a context manager it stops and removes what was not finished.
    """

    def __init__(self) -> None:
        self._growing: list[tuple[Growing, Future[str]]] = []
        self._begun: dict[str, Growing] = {}

    def __enter__(self) -> Growth:
        return self

    def __exit__(self, *_: object) -> None:
        self.abandon()

    def begin(self, path: str, progress: Progress | None = None) -> None:
        """Begin to expand the file that `expand` will be asked for in a moment, where it can be.

        Finding out what to do with it afterwards takes some tenths of a second: so long the program on
        another core need not wait. Whatever is wrong with the file is reported when it is read.
        """
        with contextlib.suppress(BootwrightError, OSError):
            source = FileBytes(Path(path))
            kind = compression_of(source)
            if kind is None or source.size <= _SMALL:
                return
            name = f"{source.name}:{kind}"
            if kind == "xz" and _in_blocks(source, name, DEFAULT_LIMIT) is not None:
                return
            growing = self.growing(source, kind, name=name, limit=DEFAULT_LIMIT, progress=progress)
            if growing is not None:
                self._begun[name] = growing

    def growing(
        self, source: ByteSource, kind: str, *, name: str, limit: int, progress: Progress | None
    ) -> Growing | None:
        """The file while it is being expanded; None where it cannot be, or is likely in the cache."""
        known = self._begun.pop(name, None)
        if known is not None:
            return known
        if not can_grow(source, kind):
            return None
        size = announced_size(source, kind)
        if size is None or size > limit or holds(size):
            return None
        growing = grow(source, kind, name=name, size=size, progress=progress)
        self.add(growing, source)
        return growing

    def add(self, growing: Growing, source: ByteSource) -> None:
        """Take care of one, and begin to hash what it is made from."""

        def hashed() -> str:
            key = digest(source)
            growing.settle()
            return key

        from concurrent.futures import ThreadPoolExecutor  # imports logging: slow, and rarely needed

        pool = ThreadPoolExecutor(1)
        self._growing.append((growing, pool.submit(hashed)))
        pool.shutdown(wait=False)  # it ends with its one task

    def finish(self) -> None:
        """Wait for all, and keep them in the cache; raises `Malformed` for a broken stream."""
        while self._growing:
            growing, key = self._growing[0]
            keep(growing, key.result())
            self._growing.pop(0)

    def abandon(self) -> None:
        """Stop and remove what has not ended."""
        for growing, _ in self._growing:
            growing.abandon()
        self._growing.clear()


def expand(
    source: ByteSource,
    *,
    limit: int = DEFAULT_LIMIT,
    progress: Progress | None = None,
    growth: Growth | None = None,
) -> ByteSource:
    """What `source` holds compressed, under the name of `source` with the compression appended.

    `limit` is the most bytes it may expand to. With `growth`, a large file may be returned while it is
    still being expanded; without, it is whole. Raises `Malformed` for a broken stream or one beyond the
    limit, `Missing` when the cache's disk is full or lz4 is not installed.
    """
    kind = compression_of(source)
    if kind is None:
        raise Malformed(source.name, 0, "a compressed file", source.read(0, min(6, source.size)).hex(" "))
    name = f"{source.name}:{kind}"
    if kind == "xz":
        blocks = _in_blocks(source, name, limit)
        if blocks is not None:
            return blocks
    if source.size <= _SMALL:
        kept: list[bytes] = []
        total = 0
        for chunk in Expansion(source, kind, limit=limit):
            kept.append(chunk)
            total += len(chunk)
            if total > _IN_MEMORY:
                break
        else:
            return Bytes(b"".join(kept), name)
    if growth is not None:
        growing = growth.growing(source, kind, name=name, limit=limit, progress=progress)
        if growing is not None:
            return growing
    key = digest(source)
    known = spooled(key, name)
    if known is not None and known.size <= limit:
        return known
    chunks = iter(Expansion(source, kind, limit=limit))
    return spool(source, kind, chunks, key=key, name=name, limit=limit, progress=progress)


def is_expanded_whole(source: ByteSource) -> bool:
    """Whether reading what `source` holds compressed takes a file in the cache, as large as all of it."""
    kind = compression_of(source)
    if kind is None or source.size <= _SMALL:
        return False
    return kind != "xz" or _in_blocks(source, source.name, DEFAULT_LIMIT) is None


def _in_blocks(source: ByteSource, name: str, limit: int) -> ByteSource | None:
    try:
        index = read_index(source)
    except BootwrightError:
        return None  # trailing bytes, or streams one after the other: only reading it through tells
    if index.size > limit:
        raise Malformed(source.name, None, f"at most {limit} bytes expanded", f"{index.size}", hint=_BOMB)
    if len(index.blocks) < 2 or max(block.size for block in index.blocks) > _BLOCK_LIMIT:
        return None
    return XzBlocks(source, index, name)


def announced_size(source: ByteSource, kind: str) -> int | None:
    """The expanded size in bytes that a file announces; None where it does not, or not for sure.

    Only xz and zstd do. A zstd file's frames have to be followed to its end to know that there is but one,
    which is not done over a network.
    """
    if kind == "xz":
        try:
            return read_index(source).size
        except BootwrightError:
            return None
    if kind == "zstd":
        header = zstd.frame_header(source.read(0, min(zstd.MOST_HEADER, source.size)))
        # 0 is also what zstd writes when it reads from a pipe.
        if header is None or not header.content_size or not isinstance(source, FileBytes):
            return None
        return header.content_size if _is_one_frame(source, header) else None
    return None


def _is_one_frame(source: ByteSource, frame: zstd.FrameHeader) -> bool:
    """Whether a zstd file is one frame: its blocks' headers followed to the end (RFC 8878, 3.1.1)."""
    at = frame.size
    while at + 3 <= source.size:
        header = int.from_bytes(source.read(at, 3), "little")
        at += 3 + (1 if header >> 1 & 3 == 1 else header >> 3)
        if header & 1:
            return at + (4 if frame.has_checksum else 0) == source.size
    return False


class Expansion:
    """The expanded bytes of the streams of one kind that begin at `offset`, in chunks of about 1 MiB.

    Iterating raises as `expand` does. Streams of the same kind that follow one another are read on, as
    the tools do, and zeros between them are padding; `end` is where the last one ended, known once the
    iteration is over. Anything else after a stream is left alone.
    """

    def __init__(self, source: ByteSource, kind: str, *, offset: int = 0, limit: int = DEFAULT_LIMIT) -> None:
        self._source = source
        self._kind = kind
        self._offset = offset
        self._limit = limit
        self.end = offset

    def __iter__(self) -> Iterator[bytes]:
        total = 0
        at = self._offset
        while compression_of(self._source, at) == self._kind:
            for chunk in self._lz4(at) if self._kind == "lz4" else self._stream(at):
                total += len(chunk)
                if total > self._limit:
                    raise Malformed(
                        self._source.name, None, f"at most {self._limit} bytes expanded", "more", hint=_BOMB
                    )
                yield chunk
            at = skip_zeros(self._source, self.end)

    def _lz4(self, offset: int) -> Iterator[bytes]:
        from bootwright.formats.sources.lz4 import lz4_chunks

        # The program does not say where a stream ends, so the rest of the source is taken as one.
        yield from lz4_chunks(self._source, offset)
        self.end = self._source.size

    def _stream(self, offset: int) -> Iterator[bytes]:
        source, kind = self._source, self._kind
        taking = decoder(kind, source.name)
        at, length = offset, source.size
        while not taking.eof:
            given = b""
            if taking.needs_input:
                if at >= length:
                    raise cut_short(source.name, kind, length)
                given = source.read(at, min(_CHUNK, length - at))
                at += len(given)
            try:
                data = taking.decompress(given, _CHUNK)
            except (lzma.LZMAError, zlib.error, OSError, ValueError, EOFError, MemoryError) as error:
                raise damaged(source.name, kind, error, offset) from error
            if data:
                yield data
        self.end = at - len(taking.unused_data)


def skip_zeros(source: ByteSource, offset: int) -> int:
    """The offset of the next byte that is not zero, or the length of the source."""
    while offset < source.size:
        piece = source.read(offset, min(1 << 16, source.size - offset))
        rest = piece.lstrip(b"\0")
        if rest:
            return offset + len(piece) - len(rest)
        offset += len(piece)
    return offset
