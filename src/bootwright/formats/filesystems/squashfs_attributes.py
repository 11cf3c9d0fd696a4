"""squashfs: owners, times, device numbers and extended attributes of an inode.

Layouts as in fs/squashfs/squashfs_fs.h, xattr_id.c and id.c, Linux 6.12.
"""

from __future__ import annotations

import stat
import struct
from collections.abc import Iterator

from bootwright.formats.filesystems.attributes import Attributes, Times
from bootwright.formats.filesystems.filesystem import text_of
from bootwright.formats.filesystems.squashfs import SquashFs
from bootwright.formats.sources.bytesource import ByteSource
from bootwright.foundation.errors import Malformed

_NONE = (1 << 64) - 1
_NO_ATTRIBUTES = 0xFFFFFFFF
_SPACES = {0: "user.", 1: "trusted.", 2: "security."}
_ELSEWHERE = 0x100
_MOST_VALUE = 65536
_MOST_ATTRIBUTES, _MOST_TOTAL = 4096, 1 << 20
_TYPES = {
    1: stat.S_IFDIR, 2: stat.S_IFREG, 3: stat.S_IFLNK, 4: stat.S_IFBLK,
    5: stat.S_IFCHR, 6: stat.S_IFIFO, 7: stat.S_IFSOCK,
}  # fmt: skip
_LARGE = 7
"""What is added to a type's number where the inode has a field for attributes."""


class SquashAttributes:
    """The attributes of the entries of an image; every method raises `Malformed`."""

    def __init__(self, files: SquashFs, source: ByteSource) -> None:
        self._files = files
        self._source = source
        tables = struct.unpack("<QQ", source.read(48, 16))
        self._ids = tables[0]
        (count,) = struct.unpack("<H", source.read(26, 2))
        self._id_count = count
        self._pairs, self._sets, self._sets_at = 0, 0, 0
        if tables[1] != _NONE:
            self._pairs, self._sets, _ = struct.unpack("<QII", source.read(tables[1], 16))
            self._sets_at = tables[1] + 16

    def of(self, reference: int) -> Attributes:
        """Of the inode at a reference (`Entry.handle`)."""
        super_ = self._files.superblock
        cursor = _Cursor(self._files, super_.inode_table + (reference >> 16), reference & 0xFFFF)
        kind, mode, owner, group, modified, _number = struct.unpack("<HHHHII", cursor.take(16))
        large = kind > _LARGE
        base = kind - _LARGE if large else kind
        if base not in _TYPES:
            raise Malformed(self._files.name, cursor.at, "an inode type from 1 to 14", str(kind))
        device, attributes, links = (0, 0), _NO_ATTRIBUTES, 1
        if base == 1 and large:
            (attributes,) = struct.unpack("<I", cursor.take(24)[20:])
        elif base == 2 and large:
            rest = struct.unpack("<QQQIIII", cursor.take(40))
            links, attributes = rest[3], rest[6]
        elif base == 3:
            links, size = struct.unpack("<II", cursor.take(8))
            if large and size <= _MOST_VALUE:
                cursor.take(size)
                (attributes,) = struct.unpack("<I", cursor.take(4))
        elif base in {4, 5}:
            links, number = struct.unpack("<II", cursor.take(8))
            # include/linux/kdev_t.h, new_decode_dev
            device = (number >> 8 & 0xFFF, number & 0xFF | number >> 12 & 0xFFF00)
        elif base in {6, 7}:
            (links,) = struct.unpack("<I", cursor.take(4))
        if base > 3 and large:
            (attributes,) = struct.unpack("<I", cursor.take(4))
        return Attributes(
            _TYPES[base] | mode & 0o7777,
            self._id(owner),
            self._id(group),
            Times.all_at(modified),
            device,
            dict(self._extended(attributes)) if attributes != _NO_ATTRIBUTES else {},
            links,
        )

    def _id(self, index: int) -> int:
        if index >= self._id_count:
            raise Malformed(self._files.name, None, f"an owner below {self._id_count}", str(index))
        (block,) = struct.unpack("<Q", self._source.read(self._ids + index // 2048 * 8, 8))
        return int(struct.unpack("<I", _Cursor(self._files, block, index % 2048 * 4).take(4))[0])

    def _extended(self, index: int) -> Iterator[tuple[str, bytes]]:
        if index >= self._sets:
            raise Malformed(self._files.name, None, f"attributes below {self._sets}", str(index))
        (block,) = struct.unpack("<Q", self._source.read(self._sets_at + index // 512 * 8, 8))
        place, count, _size = struct.unpack("<QII", _Cursor(self._files, block, index % 512 * 16).take(16))
        if count > _MOST_ATTRIBUTES:
            raise Malformed(self._files.name, None, f"at most {_MOST_ATTRIBUTES} attributes", str(count))
        cursor = self._at(place)
        total = 0
        for _ in range(count):
            kind, size = struct.unpack("<HH", cursor.take(4))
            space = _SPACES.get(kind & 0xFF)
            if space is None:
                raise Malformed(self._files.name, cursor.at, "user, trusted or security", f"{kind:#x}")
            name = space + text_of(cursor.take(size))
            value = self._value(cursor)
            if kind & _ELSEWHERE:
                value = self._value(self._at(struct.unpack("<Q", value.ljust(8, b"\0")[:8])[0]))
            total += len(value)
            if total > _MOST_TOTAL:
                raise Malformed(self._files.name, cursor.at, f"at most {_MOST_TOTAL} bytes of values", "more")
            yield name, value

    def _at(self, reference: int) -> _Cursor:
        return _Cursor(self._files, self._pairs + (reference >> 16), reference & 0xFFFF)

    def _value(self, cursor: _Cursor) -> bytes:
        (size,) = struct.unpack("<I", cursor.take(4))
        if size > _MOST_VALUE:
            raise Malformed(self._files.name, cursor.at, "a value of at most 64 KiB", f"{size} bytes")
        return cursor.take(size)


class _Cursor:
    """Reads on over the borders of metadata blocks."""

    def __init__(self, files: SquashFs, at: int, offset: int) -> None:
        self._files = files
        self.at = at
        self._offset = offset

    def take(self, size: int) -> bytes:
        pieces: list[bytes] = []
        while size > 0:
            data, following = self._files.metadata(self.at)
            piece = data[self._offset : self._offset + size]
            if not piece:
                if self._offset > len(data):
                    raise Malformed(self._files.name, self.at, "a reference into its block", "one beyond it")
                self.at, self._offset = following, 0
                continue
            pieces.append(piece)
            self._offset += len(piece)
            size -= len(piece)
        return b"".join(pieces)
