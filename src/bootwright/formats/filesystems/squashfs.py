"""squashfs 4.0, read only: any file without unpacking the rest, straight out of whatever holds the image.

Its own reader because `unsquashfs` needs the whole image as a file, and ours lies in an initramfs in an
XFS in a partition. Layout as in fs/squashfs/squashfs_fs.h, Linux 6.12. Data blocks may be up to 1 MiB;
metadata blocks hold 8 KiB.
"""

from __future__ import annotations

import struct
from collections import OrderedDict
from collections.abc import Callable

from attrs import frozen

from bootwright.formats.filesystems.filesystem import (
    MAX_ENTRIES,
    Entry,
    EntryKind,
    Unlabelled,
    join,
    safe_name,
    text_of,
)
from bootwright.formats.filesystems.squashfs_blocks import COMPRESSIONS, SquashFile, decompressor
from bootwright.formats.sources.bytesource import ByteSource
from bootwright.formats.sources.extents import BlockCache
from bootwright.foundation.errors import CUT_SHORT, Malformed

MAGIC = b"hsqs"
_SUPER = struct.Struct("<4sIIIIHHHHHHQQQQQQQQ")
_METADATA = 8192
_NO_FRAGMENT = 0xFFFFFFFF
_MAX_DIRECTORY = 64 << 20
_MAX_SYMLINK = 65536
_MAX_BLOCKS = 1 << 20
"""Of one file: 128 GiB at the usual 128 KiB, 4 GiB at the smallest size."""

_DIR, _FILE, _SYMLINK, _LDIR, _LFILE, _LSYMLINK = 1, 2, 3, 8, 9, 10


@frozen
class Superblock:
    """The image's geometry. Offsets and sizes are in bytes."""

    inodes: int
    block_size: int
    fragments: int
    compression: str
    """`gzip`, `xz`, `zstd`, `lzma`, `lz4` or `lzo`."""
    bytes_used: int
    root: int
    """Reference of the root inode: metadata block's offset << 16 | offset within it."""
    inode_table: int
    directory_table: int
    fragment_table: int
    modified: int
    """Seconds since 1970."""


def is_squashfs(source: ByteSource) -> bool:
    """Whether the superblock's magic number is there."""
    return source.size >= _SUPER.size and source.read(0, 4) == MAGIC


def read_superblock(source: ByteSource) -> Superblock:
    """The superblock; raises `Malformed`."""
    if source.size < _SUPER.size:
        raise Malformed(
            source.name, 0, f"a squashfs superblock of {_SUPER.size} bytes", f"{source.size} bytes"
        )
    (
        magic, inodes, modified, block_size, fragments, compression, block_log, _flags, _ids,
        major, minor, root, used, _id_table, _xattr, inode_table, directory_table, fragment_table, _export,
    ) = _SUPER.unpack(source.read(0, _SUPER.size))  # fmt: skip
    if magic != MAGIC or major != 4:
        raise Malformed(source.name, 0, "squashfs 4.0 ('hsqs')", f"{magic!r}, version {major}.{minor}")
    if not 12 <= block_log <= 20 or block_size != 1 << block_log:
        raise Malformed(source.name, 12, "blocks of 4 KiB to 1 MiB", f"{block_size} (log {block_log})")
    if compression not in COMPRESSIONS:
        raise Malformed(source.name, 20, "a known compression", str(compression))
    if used > source.size:
        raise Malformed(source.name, 40, f"at most {source.size:#x} bytes used", f"{used:#x}", hint=CUT_SHORT)
    return Superblock(
        inodes=inodes,
        block_size=block_size,
        fragments=fragments,
        compression=COMPRESSIONS[compression],
        bytes_used=used,
        root=root,
        inode_table=inode_table,
        directory_table=directory_table,
        fragment_table=fragment_table,
        modified=modified,
    )


@frozen
class _Inode:
    kind: EntryKind
    mode: int
    size: int = 0
    target: str | None = None
    # directories
    block: int = 0
    offset: int = 0
    # files
    start: int = 0
    fragment: int = _NO_FRAGMENT
    fragment_offset: int = 0
    blocks: tuple[int, ...] = ()


class SquashFs(Unlabelled):
    """A squashfs image as a `FileSystem`. Raises `Malformed` from every method."""

    def __init__(self, source: ByteSource) -> None:
        self.superblock = read_superblock(source)
        self._source = source
        self._raw = BlockCache(source)
        self._unpack: Callable[[bytes, int], bytes] = decompressor(self.superblock.compression, source.name)
        self._metadata: OrderedDict[int, tuple[bytes, int]] = OrderedDict()
        self._fragments: OrderedDict[int, bytes] = OrderedDict()

    @property
    def name(self) -> str:
        """The image's container path."""
        return self._source.name

    @property
    def type(self) -> str:
        """`squashfs`."""
        return "squashfs"

    def root(self) -> Entry:
        """See `FileSystem.root`."""
        inode = self._inode(self.superblock.root)
        if inode.kind is not EntryKind.DIRECTORY:
            raise Malformed(self.name, 32, "a directory as root", inode.kind.value)
        return Entry("/", EntryKind.DIRECTORY, 0, inode.mode, handle=self.superblock.root)

    def children(self, directory: Entry) -> list[Entry]:
        """See `FileSystem.children`."""
        inode = self._inode(directory.handle)
        if inode.kind is not EntryKind.DIRECTORY:
            raise Malformed(self.name, None, f"a directory at {directory.path}", inode.kind.value)
        # The stored size counts 3 bytes for `.` and `..`, which are not there.
        left = inode.size - 3
        if left > _MAX_DIRECTORY:
            raise Malformed(self.name, None, f"a directory below {_MAX_DIRECTORY} bytes", f"{left} bytes")
        cursor = _Cursor(self, self.superblock.directory_table + inode.block, inode.offset)
        entries: list[Entry] = []
        while left >= 12:
            count, start, _base = struct.unpack("<III", cursor.take(12))
            left -= 12
            if count > 255:
                raise Malformed(self.name, cursor.at, "at most 256 entries under one header", str(count + 1))
            for _ in range(count + 1):
                offset, _delta, _type, length = struct.unpack("<HhHH", cursor.take(8))
                raw = cursor.take(length + 1)
                left -= 8 + length + 1
                reference = start << 16 | offset
                node = self._inode(reference)
                entries.append(
                    Entry(
                        path=join(directory, safe_name(raw, self.name, cursor.at)),
                        kind=node.kind,
                        size=0 if node.kind is EntryKind.DIRECTORY else node.size,
                        mode=node.mode,
                        target=node.target,
                        handle=reference,
                    )
                )
            if left < 0 or len(entries) > MAX_ENTRIES:
                raise Malformed(self.name, cursor.at, "entries within the directory's size", "more")
        return entries

    def open(self, file: Entry) -> ByteSource:
        """See `FileSystem.open`."""
        inode = self._inode(file.handle, with_blocks=True)
        where = f"{self.name}:{file.path}"
        if inode.kind is not EntryKind.FILE:
            raise Malformed(where, None, "a regular file", inode.kind.value)
        tail = b""
        size = self.superblock.block_size
        if inode.fragment != _NO_FRAGMENT and inode.size % size:
            block = self._fragment(inode.fragment)
            tail = block[inode.fragment_offset :][: inode.size % size]
            if len(tail) != inode.size % size:
                raise Malformed(where, None, "a tail inside its fragment", f"{len(tail)} bytes of it")
        return SquashFile(
            self._source,
            self._unpack,
            where,
            start=inode.start,
            stored=inode.blocks,
            block_size=size,
            size=inode.size,
            tail=tail,
        )

    def _inode(self, reference: int, *, with_blocks: bool = False) -> _Inode:
        cursor = _Cursor(self, self.superblock.inode_table + (reference >> 16), reference & 0xFFFF)
        kind, mode = struct.unpack("<HH", cursor.take(16)[:4])
        if kind == _DIR:
            block, _links, size, offset, _parent = struct.unpack("<IIHHI", cursor.take(16))
            return _Inode(EntryKind.DIRECTORY, mode, size, block=block, offset=offset)
        if kind == _LDIR:
            _links, size, block, _parent, _count, offset, _xattr = struct.unpack("<IIIIHHI", cursor.take(24))
            return _Inode(EntryKind.DIRECTORY, mode, size, block=block, offset=offset)
        if kind in {_FILE, _LFILE}:
            if kind == _FILE:
                start, fragment, at, size = struct.unpack("<IIII", cursor.take(16))
            else:
                start, size, _sparse, _links, fragment, at, _xattr = struct.unpack(
                    "<QQQIIII", cursor.take(40)
                )
            blocks: tuple[int, ...] = ()
            if with_blocks:
                unit = self.superblock.block_size
                count = size // unit if fragment != _NO_FRAGMENT else -(-size // unit)
                if count > _MAX_BLOCKS:
                    raise Malformed(
                        self.name, cursor.at, "an inode with space for its block list", f"{size} bytes"
                    )
                blocks = struct.unpack(f"<{count}I", cursor.take(4 * count))
            return _Inode(
                EntryKind.FILE, mode, size, start=start, fragment=fragment, fragment_offset=at, blocks=blocks
            )
        if kind in {_SYMLINK, _LSYMLINK}:
            _links, size = struct.unpack("<II", cursor.take(8))
            if size > _MAX_SYMLINK:
                raise Malformed(self.name, cursor.at, "a symlink below 64 KiB", f"{size} bytes")
            return _Inode(EntryKind.SYMLINK, mode, 0, target=text_of(cursor.take(size)))
        if 1 <= kind <= 14:
            return _Inode(EntryKind.OTHER, mode)
        raise Malformed(self.name, cursor.at, "an inode type from 1 to 14", str(kind))

    def _fragment(self, index: int) -> bytes:
        known = self._fragments.get(index)
        if known is not None:
            self._fragments.move_to_end(index)
            return known
        if index >= self.superblock.fragments:
            raise Malformed(
                self.name, None, f"a fragment below {self.superblock.fragments}", f"fragment {index}"
            )
        (table,) = struct.unpack("<Q", self._raw.read(self.superblock.fragment_table + index // 512 * 8, 8))
        start, stored, _ = struct.unpack("<QII", _Cursor(self, table, index % 512 * 16).take(16))
        data = self.data_block(start, stored)
        self._fragments[index] = data
        if len(self._fragments) > 8:
            self._fragments.popitem(last=False)
        return data

    def data_block(self, start: int, stored: int) -> bytes:
        """One data or fragment block: bit 24 of `stored` says it is not compressed."""
        length = stored & 0xFFFFFF
        size = self.superblock.block_size
        if length > size:
            raise Malformed(self.name, start, f"a block of at most {size} bytes", f"{length} bytes")
        raw = self._source.read(start, length)
        return raw if stored & 1 << 24 else self._unpack(raw, size)

    def metadata(self, at: int) -> tuple[bytes, int]:
        """The metadata block at byte `at` (8 KiB at most) and where the next one is."""
        known = self._metadata.get(at)
        if known is not None:
            self._metadata.move_to_end(at)
            return known
        (header,) = struct.unpack("<H", self._raw.read(at, 2))
        length = header & 0x7FFF
        if length > _METADATA or not length:
            raise Malformed(self.name, at, "a metadata block of 1 to 8192 bytes", f"{length} bytes")
        raw = self._raw.read(at + 2, length)
        data = raw if header & 0x8000 else self._unpack(raw, _METADATA)
        self._metadata[at] = (data, at + 2 + length)
        if len(self._metadata) > 512:
            self._metadata.popitem(last=False)
        return self._metadata[at]


class _Cursor:
    """Reads on over the borders of metadata blocks."""

    def __init__(self, image: SquashFs, at: int, offset: int) -> None:
        self._image = image
        self.at = at
        self._offset = offset

    def take(self, size: int) -> bytes:
        if size > _MAX_DIRECTORY:
            raise Malformed(self._image.name, self.at, "metadata of sane length", f"{size} bytes")
        pieces: list[bytes] = []
        while size > 0:
            data, following = self._image.metadata(self.at)
            piece = data[self._offset : self._offset + size]
            if not piece:
                if self._offset > len(data):
                    raise Malformed(
                        self._image.name, self.at, "a reference into its block", f"offset {self._offset}"
                    )
                self.at, self._offset = following, 0
                continue
            pieces.append(piece)
            self._offset += len(piece)
            size -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)
