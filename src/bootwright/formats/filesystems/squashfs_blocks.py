"""The blocks of a squashfs image: decompression with a bound, and files made of blocks."""

from __future__ import annotations

import lzma
import zlib
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence

from bootwright.formats.sources import zstd
from bootwright.formats.sources.bytesource import ByteSource, check_range
from bootwright.formats.sources.lz_blocks import lz4_block, lzo1x
from bootwright.foundation.errors import Malformed

COMPRESSIONS: Mapping[int, str] = {1: "gzip", 2: "lzma", 3: "lzo", 4: "xz", 5: "lz4", 6: "zstd"}
"""fs/squashfs/squashfs_fs.h, Linux 6.12."""

_KEPT_BYTES = 8 << 20


def decompressor(compression: str, where: str) -> Callable[[bytes, int], bytes]:
    """A function (stored bytes, most bytes it may yield) → bytes; raises `Malformed` beyond the bound."""
    if compression == "gzip":
        return lambda raw, most: _bounded(zlib.decompressobj().decompress, raw, most, where)
    if compression in {"xz", "lzma"}:
        form = lzma.FORMAT_XZ if compression == "xz" else lzma.FORMAT_ALONE

        def unpack(data: bytes, size: int) -> bytes:
            return lzma.LZMADecompressor(form, memlimit=64 << 20).decompress(data, size)

        return lambda raw, most: _bounded(unpack, raw, most, where)
    if compression == "zstd":
        return lambda raw, most: _bounded(_zstd, raw, most, where)
    plain = {"lz4": lz4_block, "lzo": lzo1x}[compression]
    return lambda raw, most: _bounded(plain, raw, most, where)


def _zstd(raw: bytes, most: int) -> bytes:
    return zstd.content(raw, most=most)


def _bounded(unpack: Callable[[bytes, int], bytes], raw: bytes, most: int, where: str) -> bytes:
    try:
        data = unpack(raw, most + 1)
    except (zlib.error, lzma.LZMAError, EOFError, ValueError) as error:
        raise Malformed(where, None, "a compressed block", str(error)) from error
    if len(data) > most:
        raise Malformed(where, None, f"a block of at most {most} bytes", "a longer one")
    return data


class SquashFile:
    """A file of a squashfs image as a `ByteSource`; the last blocks read are kept, at most 8 MiB."""

    def __init__(
        self,
        source: ByteSource,
        unpack: Callable[[bytes, int], bytes],
        name: str,
        *,
        start: int,
        stored: Sequence[int],
        block_size: int,
        size: int,
        tail: bytes,
    ) -> None:
        self._source = source
        self._unpack = unpack
        self._name = name
        self._stored = stored
        self._unit = block_size
        self._size = size
        self._tail = tail
        self._offsets: list[int] = []
        at = start
        for block in stored:
            self._offsets.append(at)
            at += block & 0xFFFFFF
        if at > source.size and stored:
            raise Malformed(name, start, "blocks inside the image", f"their end at {at:#x}")
        self._kept: OrderedDict[int, bytes] = OrderedDict()

    @property
    def name(self) -> str:
        """The name it was given."""
        return self._name

    @property
    def size(self) -> int:
        """See `ByteSource.size`."""
        return self._size

    def read(self, offset: int, size: int) -> bytes:
        """See `ByteSource.read`."""
        check_range(self._name, self._size, offset, size)
        pieces: list[bytes] = []
        position, end = offset, offset + size
        while position < end:
            index, within = divmod(position, self._unit)
            piece = self._block(index)[within : within + end - position]
            if not piece:
                raise Malformed(self._name, position, "a full block", "a short one")
            pieces.append(piece)
            position += len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _block(self, index: int) -> bytes:
        if index >= len(self._stored):
            return self._tail
        known = self._kept.get(index)
        if known is not None:
            return known
        stored = self._stored[index]
        length = stored & 0xFFFFFF
        expected = min(self._unit, self._size - index * self._unit)
        if length == 0:
            return bytes(expected)  # a hole
        if length > self._unit:
            raise Malformed(
                self._name, index * self._unit, f"a block of at most {self._unit} bytes", f"{length} bytes"
            )
        raw = self._source.read(self._offsets[index], length)
        data = raw if stored & 1 << 24 else self._unpack(raw, self._unit)
        if len(data) != expected:
            raise Malformed(self._name, index * self._unit, f"a block of {expected} bytes", f"{len(data)}")
        self._kept[index] = data
        while len(self._kept) > max(1, _KEPT_BYTES // self._unit):
            self._kept.popitem(last=False)
        return data
