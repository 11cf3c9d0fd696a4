"""XFS: owners, times, device numbers and extended attributes of an inode, and where on the disk they lie.

Layouts as in fs/xfs/libxfs/xfs_format.h and xfs_da_format.h, Linux 6.12. Attributes are read in all three
forms: in the inode, in leaf blocks, and with values in blocks of their own.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from attrs import frozen

from bootwright.formats.filesystems.attributes import Attributes, Times
from bootwright.formats.filesystems.filesystem import text_of
from bootwright.formats.filesystems.xfs_format import EXTENT, FORMAT_EXTENTS, FORMAT_LOCAL, Superblock
from bootwright.formats.sources.bytesource import ByteSource
from bootwright.foundation.errors import Malformed, Refused

_CORE = 176
"""Bytes of a version 3 inode before its forks."""
_BIGTIME = 1 << 3
_NREXT64 = 1 << 4
_EPOCH_SHIFT = 1 << 31
"""Seconds by which a "bigtime" stamp counts from earlier than 1970."""
_ROOT, _SECURE, _PARENT, _INCOMPLETE = 0x02, 0x04, 0x08, 0x80
_LOCAL = 0x01
_LEAF_MAGIC, _NODE_MAGIC = 0x3BEE, 0x3EBE
_LEAF_HEADER, _REMOTE_HEADER = 80, 56
_MOST_BLOCKS = 4096
_MOST_VALUE = 65536
"""XFS_XATTR_SIZE_MAX, as Linux's XATTR_SIZE_MAX."""


@frozen
class Place:
    """A range of bytes on the disk, and the checksummed block it belongs to."""

    at: int
    size: int
    block: int
    """Where the block begins whose checksum covers it."""
    block_size: int
    checksum: int
    """Where in the block its CRC32C is."""


@frozen
class Attribute:
    """One extended attribute."""

    name: str
    value: bytes
    places: tuple[Place, ...]
    """Where its value lies, piece by piece."""


def read_attributes(source: ByteSource, super_: Superblock, number: int) -> Attributes:
    """Of inode `number`; raises `Malformed`, or `Refused` for XFS version 4, which has another inode."""
    raw = _inode(source, super_, number)
    (mode,) = struct.unpack_from(">H", raw, 2)
    uid, gid, links = struct.unpack_from(">III", raw, 8)
    (flags2,) = struct.unpack_from(">Q", raw, 120)
    times = Times(*(_time(raw, at, big=bool(flags2 & _BIGTIME)) for at in (32, 40, 48, 144)))
    device = (0, 0)
    if raw[5] == 0:  # XFS_DINODE_FMT_DEV
        (number_of_device,) = struct.unpack_from(">I", raw, _CORE)
        device = (number_of_device >> 18, number_of_device & 0x3FFFF)
    extended = {
        extended_attribute.name: extended_attribute.value
        for extended_attribute in extended_attributes(source, super_, number)
    }
    return Attributes(mode, uid, gid, times, device, extended, links)


def extended_attributes(source: ByteSource, super_: Superblock, number: int) -> Iterator[Attribute]:
    """Of inode `number`, in the order they are stored; raises as `read_attributes`."""
    raw = _inode(source, super_, number)
    offset = super_.byte_of_inode(number)
    start = _CORE + raw[82] * 8
    if not raw[82]:
        return
    if start >= len(raw):
        raise Malformed(source.name, offset + 82, "an attribute fork inside the inode", f"offset {start}")
    if raw[83] == FORMAT_LOCAL:
        yield from _short_form(raw, start, offset, source.name)
    elif raw[83] == FORMAT_EXTENTS:
        yield from _in_blocks(source, super_, raw, start, offset)
    else:
        raise Refused(
            f"{source.name}: inode {number} has so many extended attributes that they lie in a tree",
            hint="they cannot be read here",
        )


def _inode(source: ByteSource, super_: Superblock, number: int) -> bytes:
    if super_.version != 5:
        raise Refused(
            f"{source.name}: owners and attributes of XFS version {super_.version} are not read",
            hint="mkfs.xfs makes version 5 since 2015 (-m crc=1)",
        )
    offset = super_.byte_of_inode(number)
    if offset + super_.inode_size > source.size:
        raise Malformed(source.name, None, "an inode inside the file system", f"inode {number}")
    raw = source.read(offset, super_.inode_size)
    if raw[:2] != b"IN" or raw[4] != 3:
        raise Malformed(source.name, offset, f"inode {number} ('IN', version 3)", repr(raw[:2]))
    return raw


def _time(raw: bytes, at: int, *, big: bool) -> int:
    if big:
        (stamp,) = struct.unpack_from(">Q", raw, at)
        return int(stamp) - _EPOCH_SHIFT * 1_000_000_000
    seconds, fraction = struct.unpack_from(">iI", raw, at)
    return int(seconds) * 1_000_000_000 + int(fraction)


def _full_name(raw: bytes, flags: int) -> str:
    space = "trusted." if flags & _ROOT else "security." if flags & _SECURE else "user."
    return space + text_of(raw)


def _short_form(raw: bytes, start: int, offset: int, where: str) -> Iterator[Attribute]:
    size, count = struct.unpack_from(">HB", raw, start)
    at, end = start + 4, start + size
    if end > len(raw):
        raise Malformed(where, offset + start, "attributes inside the inode", f"{size} bytes")
    for _ in range(count):
        if at + 3 > end or at + 3 + raw[at] + raw[at + 1] > end:
            raise Malformed(where, offset + at, "an attribute", "the end of the attributes")
        name_size, value_size, flags = raw[at], raw[at + 1], raw[at + 2]
        value = at + 3 + name_size
        if not flags & _PARENT:
            place = Place(offset + value, value_size, offset, len(raw), 100)
            name = _full_name(raw[at + 3 : value], flags)
            yield Attribute(name, raw[value : value + value_size], (place,))
        at = value + value_size


def _in_blocks(
    source: ByteSource, super_: Superblock, raw: bytes, start: int, offset: int
) -> Iterator[Attribute]:
    blocks = _blocks(source, super_, raw, start, offset)
    size = super_.block_size
    for at in [blocks[key] for key in sorted(blocks)]:
        block = source.read(at, size)
        (magic,) = struct.unpack_from(">H", block, 8)
        if magic == _LEAF_MAGIC:
            yield from _leaf(source, block, at, blocks)
        elif magic != _NODE_MAGIC and block[:4] != b"XARM":
            raise Malformed(source.name, at, "a block of attributes", f"magic {magic:#x}")


def _blocks(source: ByteSource, super_: Superblock, raw: bytes, start: int, offset: int) -> dict[int, int]:
    """Number of each block of the attribute fork → where it lies."""
    (flags2,) = struct.unpack_from(">Q", raw, 120)
    (count,) = struct.unpack_from(">I", raw, 76) if flags2 & _NREXT64 else struct.unpack_from(">H", raw, 80)
    if start + count * EXTENT.size > len(raw):
        raise Malformed(source.name, offset + start, "extents inside the inode", f"{count} of them")
    blocks: dict[int, int] = {}
    for index in range(count):
        high, low = EXTENT.unpack_from(raw, start + index * EXTENT.size)
        first = (high >> 9) & ((1 << 54) - 1)
        block = ((high & 0x1FF) << 43) | (low >> 21)
        length = low & ((1 << 21) - 1)
        at = super_.byte_of_block(block)
        if length + len(blocks) > _MOST_BLOCKS or at + length * super_.block_size > source.size:
            raise Malformed(
                source.name, offset + start, "attributes in blocks of the file system", f"{length} at {block}"
            )
        blocks.update((first + number, at + number * super_.block_size) for number in range(length))
    return blocks


def _leaf(source: ByteSource, block: bytes, at: int, blocks: dict[int, int]) -> Iterator[Attribute]:
    (count,) = struct.unpack_from(">H", block, 56)
    if _LEAF_HEADER + 8 * count > len(block):
        raise Malformed(source.name, at + 56, "entries inside the block", f"{count} of them")
    for index in range(count):
        _hash, where, flags = struct.unpack_from(">IHB", block, _LEAF_HEADER + 8 * index)
        if flags & (_INCOMPLETE | _PARENT):
            continue
        if where + 9 > len(block):
            raise Malformed(source.name, at + where, "an attribute inside its block", "one beyond it")
        if flags & _LOCAL:
            value_size, name_size = struct.unpack_from(">HB", block, where)
            name, value = where + 3, where + 3 + name_size
            if value + value_size > len(block):
                raise Malformed(source.name, at + where, "an attribute inside its block", "a longer one")
            place = Place(at + value, value_size, at, len(block), 12)
            yield Attribute(_full_name(block[name:value], flags), block[value : value + value_size], (place,))
            continue
        first, value_size, name_size = struct.unpack_from(">IIB", block, where)
        if value_size > _MOST_VALUE or where + 9 + name_size > len(block):
            raise Malformed(source.name, at + where, "a value of at most 64 KiB", f"{value_size} bytes")
        places = tuple(_remote(source, blocks, first, value_size, len(block)))
        data = b"".join(source.read(place.at, place.size) for place in places)
        yield Attribute(_full_name(block[where + 9 : where + 9 + name_size], flags), data, places)


def _remote(
    source: ByteSource, blocks: dict[int, int], first: int, left: int, block_size: int
) -> Iterator[Place]:
    number = first
    while left > 0:
        at = blocks.get(number)
        if at is None or source.read(at, 4) != b"XARM":
            raise Malformed(source.name, at, "a block with an attribute's value ('XARM')", "none")
        size = min(left, block_size - _REMOTE_HEADER)
        yield Place(at + _REMOTE_HEADER, size, at, block_size, 12)
        left -= size
        number += 1
