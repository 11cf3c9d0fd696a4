"""Random access into `.xz` files that were written in blocks.

The .xz File Format 1.2.1: header (2.1.1), footer (2.1.2), block headers (3.1), index (4). `xz -T0`
writes a block for every few MiB of input, so that any part can be decoded without what lies before it.
"""

from __future__ import annotations

import bisect
import lzma
import struct
import zlib
from collections import OrderedDict
from collections.abc import Mapping

from attrs import frozen

from bootwright.formats.sources.bytesource import ByteSource, check_range
from bootwright.foundation.errors import Malformed

_HEADER = 12
_CHECK_SIZES = (0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64)
_MAX_INDEX = 64 << 20
_MAX_DICTIONARY = 256 << 20
_KEPT_BYTES = 48 << 20

_LZMA2 = 0x21
_BCJ: Mapping[int, int] = {
    0x03: lzma.FILTER_DELTA,
    0x04: lzma.FILTER_X86,
    0x05: lzma.FILTER_POWERPC,
    0x06: lzma.FILTER_IA64,
    0x07: lzma.FILTER_ARM,
    0x08: lzma.FILTER_ARMTHUMB,
    0x09: lzma.FILTER_SPARC,
}


@frozen
class Block:
    """One block: `size` bytes from `start` of the expanded file, its header at `at` of the compressed one."""

    start: int
    size: int
    at: int
    unpadded: int
    """Bytes of header, data and check, without padding."""


@frozen
class XzIndex:
    """What the index at the end of the file says."""

    blocks: tuple[Block, ...]
    size: int
    """Bytes of the expanded file."""
    check: int


def read_index(source: ByteSource) -> XzIndex:
    """The index of a file of one stream without padding; raises `Malformed` for anything else."""
    length = source.size
    if length < 2 * _HEADER or source.read(0, 6) != b"\xfd7zXZ\0":
        raise Malformed(source.name, 0, "the .xz magic", "something else")
    crc, backward, flags, magic = struct.unpack("<II2s2s", source.read(length - _HEADER, _HEADER))
    footer = source.read(length - 8, 6)
    if magic != b"YZ" or zlib.crc32(footer) != crc or flags != source.read(6, 2):
        raise Malformed(source.name, length - _HEADER, "the .xz footer", "something else")
    index_size = (backward + 1) * 4
    start = length - _HEADER - index_size
    if index_size > _MAX_INDEX or start < _HEADER:
        raise Malformed(source.name, length - 8, "an index inside the file", f"{index_size} bytes")
    raw = source.read(start, index_size)
    if raw[0] != 0 or zlib.crc32(raw[:-4]) != int.from_bytes(raw[-4:], "little"):
        raise Malformed(source.name, start, "the .xz index", "something else")
    count, at = _number(raw, 1, source.name)
    blocks: list[Block] = []
    position, expanded = _HEADER, 0
    for _ in range(min(count, index_size)):
        unpadded, at = _number(raw, at, source.name)
        size, at = _number(raw, at, source.name)
        blocks.append(Block(expanded, size, position, unpadded))
        position += (unpadded + 3) // 4 * 4
        expanded += size
        if position > start:
            raise Malformed(
                source.name, start + at, "blocks inside the file", f"one that ends at {position:#x}"
            )
    if expanded >= 1 << 63:
        raise Malformed(source.name, start, "blocks of less than 8 EiB in all", f"{expanded} bytes")
    if position != start or count != len(blocks):
        raise Malformed(source.name, position, "the index after the last block", f"it at {start:#x}")
    return XzIndex(tuple(blocks), expanded, flags[1] & 0xF)


def _number(raw: bytes, at: int, where: str) -> tuple[int, int]:
    """A variable-length integer (section 1.2): 7 bits a byte, least significant first, at most 9 bytes."""
    value = 0
    for index in range(9):
        if at + index >= len(raw):
            break
        byte = raw[at + index]
        value |= (byte & 0x7F) << (7 * index)
        if not byte & 0x80:
            return value, at + index + 1
    raise Malformed(where, None, "an .xz integer of at most 9 bytes", "a longer one")


class XzBlocks:
    """The expanded file as a `ByteSource`; the last blocks are kept, at most 48 MiB.

    The CRC32 or CRC64 of blocks is not checked (the decoder notices damage to the stream itself).
    """

    def __init__(self, source: ByteSource, index: XzIndex, name: str) -> None:
        self._source = source
        self._index = index
        self._name = name
        self._starts = [block.start for block in index.blocks]
        largest = max((block.size for block in index.blocks), default=1)
        self._limit = max(2, _KEPT_BYTES // max(largest, 1))
        self._kept: OrderedDict[int, bytes] = OrderedDict()

    @property
    def name(self) -> str:
        """The name it was given."""
        return self._name

    @property
    def size(self) -> int:
        """See `ByteSource.size`."""
        return self._index.size

    def read(self, offset: int, size: int) -> bytes:
        """See `ByteSource.read`."""
        check_range(self._name, self._index.size, offset, size)
        pieces: list[bytes] = []
        position, end = offset, offset + size
        index = bisect.bisect_right(self._starts, position) - 1
        while position < end:
            block = self._index.blocks[index]
            within = position - block.start
            if within < block.size:
                piece = self._decoded(index)[within : within + end - position]
                pieces.append(piece)
                position += len(piece)
            index += 1
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _decoded(self, index: int) -> bytes:
        known = self._kept.get(index)
        if known is not None:
            self._kept.move_to_end(index)
            return known
        data = decode_block(self._source, self._index.blocks[index], self._index.check)
        self._kept[index] = data
        if len(self._kept) > self._limit:
            self._kept.popitem(last=False)
        return data


def decode_block(source: ByteSource, block: Block, check: int) -> bytes:
    """One block's bytes; raises `Malformed`."""
    raw = source.read(block.at, block.unpadded)
    if len(raw) < 8:
        raise Malformed(source.name, block.at, "an .xz block header", f"{len(raw)} bytes")
    header_size = (raw[0] + 1) * 4
    data_end = len(raw) - _CHECK_SIZES[check]
    if raw[0] == 0 or header_size > data_end:
        raise Malformed(source.name, block.at, "an .xz block header", f"{header_size} bytes")
    header = raw[:header_size]
    if zlib.crc32(header[:-4]) != int.from_bytes(header[-4:], "little"):
        raise Malformed(source.name, block.at, "a block header with a good CRC32", "a bad one")
    decoder = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=_filters(header, source.name, block.at))
    try:
        data = decoder.decompress(raw[header_size:data_end], block.size + 1)
    except (lzma.LZMAError, EOFError, MemoryError) as error:
        raise Malformed(source.name, block.at, "an .xz block", str(error)) from error
    if len(data) != block.size:
        raise Malformed(source.name, block.at, f"a block of {block.size} bytes", f"{len(data)} bytes")
    return data


def _filters(header: bytes, where: str, offset: int) -> list[dict[str, int]]:
    flags = header[1]
    at = 2
    for present in (flags & 0x40, flags & 0x80):  # compressed size, uncompressed size
        if present:
            _, at = _number(header, at, where)
    filters: list[dict[str, int]] = []
    for _ in range((flags & 3) + 1):
        kind, at = _number(header, at, where)
        length, at = _number(header, at, where)
        properties = header[at : at + length]
        at += length
        if kind == _LZMA2 and len(properties) == 1 and properties[0] <= 40:
            bits = properties[0]
            dictionary = 0xFFFFFFFF if bits == 40 else (2 | (bits & 1)) << (bits // 2 + 11)
            if dictionary > _MAX_DICTIONARY:
                raise Malformed(where, offset, f"a dictionary of at most {_MAX_DICTIONARY}", str(dictionary))
            filters.append({"id": lzma.FILTER_LZMA2, "dict_size": dictionary})
        elif kind == 0x03 and len(properties) == 1:
            filters.append({"id": lzma.FILTER_DELTA, "dist": properties[0] + 1})
        elif kind in _BCJ and len(properties) in {0, 4}:
            filters.append({"id": _BCJ[kind], "start_offset": int.from_bytes(properties, "little")})
        else:
            raise Malformed(where, offset, "an .xz filter that liblzma 5.2 knows", f"{kind:#x}")
    return filters
