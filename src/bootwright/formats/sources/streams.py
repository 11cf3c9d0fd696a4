"""Sequential bytes: reading exactly so many, and taking the compression off, with a bound on what comes out.

A `Stream` is what a download, a pipe or an archive member is before it is all there. Compression formats:
xz (The .xz File Format 1.2.1), gzip (RFC 1952), Zstandard (RFC 8878), bzip2, and the older .lzma.
"""

from __future__ import annotations

import bz2
import hashlib
import lzma
import zlib
from collections import OrderedDict
from threading import Lock
from typing import Protocol

from bootwright.formats.sources import zstd
from bootwright.formats.sources.bytesource import Bytes, ByteSource
from bootwright.foundation.errors import CUT_SHORT, DAMAGED, Malformed

CHUNK = 256 * 1024
# xz --extreme -9 needs 65 MiB (xz(1), the table of presets); nothing a distribution ships needs more.
_DECODER_MEMORY = 160 * 1024 * 1024
# zstd --long=27 is the most its own command line takes without being asked (zstd(1)).
_ZSTD_WINDOW = 1 << 27

MAGICS: tuple[tuple[bytes, str], ...] = (
    (b"\xfd7zXZ\x00", "xz"),
    (b"\x1f\x8b\x08", "gzip"),
    (zstd.MAGIC, "zstd"),
    (b"BZh", "bzip2"),
)
_ALL_MAGICS: tuple[tuple[str, bytes], ...] = (
    *((kind, magic) for magic, kind in MAGICS),
    ("lz4", b"\x04\x22\x4d\x18"),
    ("lz4", b"\x02\x21\x4c\x18"),
    ("lzma", b"\x5d\x00\x00"),
)
"""lz4 has a frame format and the legacy one of kernels."""


class Stream(Protocol):
    """Bytes in order, each seen once."""

    def read(self, size: int) -> bytes:
        """Up to `size` bytes; an empty answer means the end, and nothing else does."""
        ...


class SourceStream:
    """A `ByteSource` read from one offset on."""

    def __init__(self, source: ByteSource, offset: int = 0, size: int | None = None) -> None:
        self._source = source
        self._offset = offset
        self._end = source.size if size is None else offset + size

    def read(self, size: int) -> bytes:
        """See `Stream.read`."""
        data = self._source.read(self._offset, max(0, min(size, self._end - self._offset)))
        self._offset += len(data)
        return data


class Limited:
    """The next `size` bytes of a stream, as a stream of its own; `drain` skips what was not read."""

    def __init__(self, stream: Stream, size: int, where: str) -> None:
        self._stream = stream
        self._size = size
        self._where = where
        self.left = size

    def read(self, size: int) -> bytes:
        """See `Stream.read`; raises `Malformed` when the stream below ends too soon."""
        wanted = min(size, self.left)
        if wanted <= 0:
            return b""
        data = self._stream.read(wanted)
        if not data:
            raise Malformed(
                self._where,
                None,
                f"{self._size} bytes",
                f"the end after {self._size - self.left}",
                hint=CUT_SHORT,
            )
        self.left -= len(data)
        return data

    def drain(self) -> None:
        """Skip to the end."""
        while self.read(CHUNK):
            pass


class Decompressed:
    """A compressed stream, decompressed as it is read.

    Raises `Malformed` when the data is damaged, ends too soon, or grows beyond `limit` bytes.
    """

    def __init__(self, stream: Stream, kind: str, where: str, *, limit: int) -> None:
        self._stream = stream
        self._where = where
        self._kind = kind
        self._limit = limit
        self._decoder = decoder(kind, where)
        self._pending = b""
        self._used = 0
        self._produced = 0
        self._ended = False

    def read(self, size: int) -> bytes:
        """See `Stream.read`."""
        while self._used == len(self._pending) and not self._ended:
            self._pending, self._used = self._more(), 0
            self._produced += len(self._pending)
            if self._produced > self._limit:
                raise Malformed(
                    self._where,
                    None,
                    f"at most {self._limit} bytes once decompressed",
                    "more than that",
                    hint="the file is not what it says it is, or is a decompression bomb",
                )
        data = self._pending[self._used : self._used + size]
        self._used += len(data)
        return data

    def _more(self) -> bytes:
        if self._decoder.eof:
            return self._next_member()
        given = b""
        if self._decoder.needs_input:
            given = self._stream.read(CHUNK)
            if not given:
                raise cut_short(self._where, self._kind)
        return self._decoded(given)

    def _next_member(self) -> bytes:
        """Both xz and gzip files may be several streams one after the other; zero padding may follow."""
        rest = self._decoder.unused_data or self._stream.read(CHUNK)
        while rest and not rest.strip(b"\0"):
            rest = self._stream.read(CHUNK)
        if not rest:
            self._ended = True
            return b""
        if self._kind == "lzma":
            raise Malformed(self._where, None, "the end of the lzma data", "more bytes after it")
        self._decoder = decoder(self._kind, self._where)
        return self._decoded(rest.lstrip(b"\0"))

    def _decoded(self, given: bytes) -> bytes:
        try:
            return self._decoder.decompress(given, CHUNK)
        except (lzma.LZMAError, zlib.error, OSError, ValueError, MemoryError, EOFError) as error:
            why = f"{_why(error)}, after {self._produced} bytes of output"
            raise damaged(self._where, self._kind, why) from error


_ENDS_TOO_SOON = (
    "Unexpected end of input",
    "premature end",
    "Unfinished stream",
    "decoding could not complete",
)
"""What xz, zstd and lz4 say of a stream without its end, in the C locale."""


def cut_short(where: str, kind: str, at: int | None = None) -> Malformed:
    """The error of compressed data that ends too soon, as a download that broke off does."""
    return Malformed(where, at, f"the rest of the {kind} data", "the end of the file", hint=CUT_SHORT)


def damaged(where: str, kind: str, why: str | Exception, at: int | None = None) -> Malformed:
    """The error of compressed data that cannot be expanded; `why` is the decoder's, or its program's."""
    reason = why if isinstance(why, str) else _why(why)
    if any(words in reason for words in _ENDS_TOO_SOON):
        return cut_short(where, kind, at)
    return Malformed(where, at, f"sound {kind} data", f"damage ({reason[:200]})", hint=DAMAGED)


def _why(error: Exception) -> str:
    return str(error)[:120] or type(error).__name__


class Recent:
    """What was decompressed last, by its content: one answer about an image reads the same kernel, and the
    same modules, many times.

    Hashing what is compressed takes a tenth of the time of zstd, and a hundredth of that of xz.
    """

    def __init__(self, most: int) -> None:
        """`most` bytes are kept, together; what is larger than that is not kept at all."""
        self._most = most
        self._kept: OrderedDict[tuple[str, bytes], bytes] = OrderedDict()
        self._size = 0
        self._lock = Lock()

    def decompressed(self, source: ByteSource, offset: int, size: int, kind: str, *, limit: int) -> bytes:
        """What `size` bytes from `offset` hold; raises `Malformed` as `Decompressed` does."""
        if size > self._most:
            return _decompressed(SourceStream(source, offset, size), kind, source.name, limit)
        packed = source.read(offset, size)
        key = kind, hashlib.sha256(packed).digest()
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        content = _decompressed(SourceStream(Bytes(packed, source.name)), kind, source.name, limit)
        if len(content) <= self._most:
            with self._lock:
                self._size += len(content) - len(self._kept.pop(key, b""))
                self._kept[key] = content
                while self._size > self._most:
                    self._size -= len(self._kept.popitem(last=False)[1])
        return content


def _decompressed(stream: Stream, kind: str, where: str, limit: int) -> bytes:
    return everything(Decompressed(stream, kind, where, limit=limit), limit=limit, where=where)


class Decoder(Protocol):
    """One compressed stream being taken apart, as `lzma.LZMADecompressor` does it."""

    @property
    def eof(self) -> bool:
        """Whether the stream has ended."""
        ...

    @property
    def needs_input(self) -> bool:
        """Whether nothing more comes out before more goes in."""
        ...

    @property
    def unused_data(self) -> bytes:
        """What was given beyond the end of the stream."""
        ...

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """About `max_length` bytes at most; the rest waits inside."""
        ...


class _Gzip:
    """`zlib` with the manners of `lzma.LZMADecompressor`."""

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        return self._inflate.eof

    @property
    def needs_input(self) -> bool:
        return not self._inflate.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._inflate.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._inflate.decompress(self._inflate.unconsumed_tail + data, max_length)


def decoder(kind: str, where: str) -> Decoder:
    """A decoder for one stream of `kind`; raises `Malformed` for a kind that cannot be read."""
    match kind:
        case "xz":
            return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_DECODER_MEMORY)
        case "lzma":
            return lzma.LZMADecompressor(lzma.FORMAT_ALONE, memlimit=_DECODER_MEMORY)
        case "gzip":
            return _Gzip()
        case "bzip2":
            return bz2.BZ2Decompressor()
        case "zstd":
            return zstd.decoder(window=_ZSTD_WINDOW)
        case _:
            raise Malformed(where, None, "gzip, xz, lzma, bzip2 or zstd", f"{kind} compression")


def compression(head: bytes) -> str | None:
    """The compression that the first bytes of a file announce, or None."""
    return next((kind for magic, kind in MAGICS if head.startswith(magic)), None)


def exactly(stream: Stream, size: int, where: str) -> bytes:
    """Exactly `size` bytes; raises `Malformed` when the stream ends before."""
    pieces: list[bytes] = []
    left = size
    while left:
        piece = stream.read(left)
        if not piece:
            raise Malformed(
                where,
                None,
                f"{size} bytes",
                f"the end after {size - left}",
                hint=CUT_SHORT,
            )
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)


def everything(stream: Stream, *, limit: int, where: str) -> bytes:
    """All that is left of a stream; raises `Malformed` beyond `limit` bytes."""
    pieces: list[bytes] = []
    total = 0
    while piece := stream.read(CHUNK):
        total += len(piece)
        if total > limit:
            raise Malformed(where, None, f"at most {limit} bytes", "more than that")
        pieces.append(piece)
    return b"".join(pieces)


def compression_of(source: ByteSource, offset: int = 0) -> str | None:
    """`xz`, `zstd`, `gzip`, `bzip2`, `lz4` or `lzma` from the magic at `offset`, or None."""
    start = source.read(offset, max(0, min(16, source.size - offset)))
    for name, magic in _ALL_MAGICS:
        if start.startswith(magic) and (name != "lzma" or _is_lzma(start)):
            return name
    return None


def _is_lzma(start: bytes) -> bool:
    """An .lzma header: a dictionary of 2^n bytes, and a sane or unknown length."""
    if len(start) < 13:
        return False
    dictionary = int.from_bytes(start[1:5], "little")
    length = int.from_bytes(start[5:13], "little")
    return (
        dictionary >= 4096
        and dictionary & (dictionary - 1) == 0
        and (length == (1 << 64) - 1 or length < 1 << 40)
    )
