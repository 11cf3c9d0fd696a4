"""XFS, read only: directories of every form, files with extent lists and extent trees, symlinks.

For images, so a clean log is assumed: what only the log holds is not seen (`xfs_repair` and a mount
replay it). Attributes, quotas and the real-time device are not read.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from bootwright.formats.filesystems.filesystem import text_of
from bootwright.formats.filesystems.inode_files import InodeFiles
from bootwright.formats.filesystems.xfs_format import (
    EXTENT,
    FORMAT_BTREE,
    FORMAT_EXTENTS,
    FORMAT_LOCAL,
    Inode,
    read_inode,
    read_superblock,
)
from bootwright.formats.sources.bytesource import ByteSource
from bootwright.formats.sources.extents import BlockCache, Extent, Extents
from bootwright.foundation.errors import Malformed

_LEAF_OFFSET = 32 << 30
"""Directory data lies below this file offset, its indexes above (XFS_DIR2_LEAF_OFFSET)."""

_MAX_EXTENTS = 1 << 20
_MAX_TREE_DEPTH = 9
"""XFS_BTREE_MAXLEVELS, Linux 6.12."""

_MAX_DIRECTORY = 256 << 20
_MAX_SYMLINK = 1024
_DIRECTORY_MAGIC = {b"XD2B": 16, b"XDB3": 64, b"XD2D": 16, b"XDD3": 64}


class Xfs(InodeFiles[Inode]):
    """An XFS file system as a `FileSystem`. Raises `Malformed` from every method; see `read_superblock`."""

    def __init__(self, source: ByteSource) -> None:
        self.superblock = read_superblock(source)
        super().__init__(source, self.superblock.root_inode)
        self._cached = BlockCache(source)
        self._inodes: dict[int, Inode] = {}

    @property
    def type(self) -> str:
        """`xfs`."""
        return "xfs"

    @property
    def label(self) -> str | None:
        """The label."""
        return self.superblock.label

    @property
    def uuid(self) -> str | None:
        """The UUID."""
        return self.superblock.uuid

    @property
    def folds_case(self) -> bool:
        """XFS as Linux uses it does not."""
        return False

    def _data(self, inode: Inode, where: str) -> ByteSource:
        return Extents(self._source, self._extents(inode), inode.size, where)

    def _inode(self, number: int) -> Inode:
        inode = self._inodes.get(number)
        if inode is None:
            inode = read_inode(self._cached, self.superblock, number)
            if len(self._inodes) < 65536:
                self._inodes[number] = inode
        return inode

    def _target(self, inode: Inode) -> str:
        if inode.size > _MAX_SYMLINK:
            raise Malformed(
                self.name, inode.offset, f"a symlink of at most {_MAX_SYMLINK} bytes", str(inode.size)
            )
        if inode.format == FORMAT_LOCAL:
            return text_of(inode.fork[: inode.size])
        # Remote targets: version 5 puts a 56-byte header ('XSLM') in front of each block's part.
        parts: list[bytes] = []
        left = inode.size
        for extent in self._extents(inode):
            for block in range(0, extent.size, self.superblock.block_size):
                if extent.at is None or left <= 0:
                    break
                data = self._source.read(extent.at + block, self.superblock.block_size)
                data = data[56:] if data[:4] == b"XSLM" else data
                parts.append(data[:left])
                left -= len(parts[-1])
        return text_of(b"".join(parts))

    def _names(self, inode: Inode) -> Iterator[tuple[bytes, int, int]]:
        if inode.format == FORMAT_LOCAL:
            names = _short_form(inode, self.superblock.has_file_type, self.name)
        else:
            names = self._block_names(inode)
        for raw, number, at in names:
            if raw not in {b".", b".."}:
                yield raw, number, at

    def _block_names(self, inode: Inode) -> Iterator[tuple[bytes, int, int]]:
        size = self.superblock.directory_block_size
        below = [extent for extent in self._extents(inode) if extent.start < _LEAF_OFFSET]
        end = max((extent.start + extent.size for extent in below), default=0)
        if end > _MAX_DIRECTORY:
            raise Malformed(self.name, inode.offset, f"a directory below {_MAX_DIRECTORY} bytes", str(end))
        data = Extents(self._cached, below, end, self.name)
        for start in range(0, end - size + 1, size):
            block = data.read(start, size)
            at = next(
                (
                    e.at + start - e.start
                    for e in below
                    if e.at is not None and e.start <= start < e.start + e.size
                ),
                None,
            )
            if at is None:
                continue  # a hole: all its entries were removed
            yield from _block_entries(block, at, self.superblock.has_file_type, self.name)

    def _extents(self, inode: Inode) -> list[Extent]:
        if inode.format == FORMAT_EXTENTS:
            count = inode.extent_count
            if count * EXTENT.size > len(inode.fork):
                raise Malformed(
                    self.name, inode.offset, f"extents that fit into inode {inode.number}", f"{count} of them"
                )
            return [self._extent(inode.fork, 16 * index, inode.fork_offset) for index in range(count)]
        if inode.format == FORMAT_BTREE:
            extents: list[Extent] = []
            level, count = struct.unpack_from(">HH", inode.fork)
            most = (len(inode.fork) - 4) // 16
            if count > most or not 0 < level < _MAX_TREE_DEPTH:
                raise Malformed(
                    self.name,
                    inode.fork_offset,
                    "the root of an extent tree",
                    f"level {level}, {count} records",
                )
            seen: set[int] = set()
            for index in range(count):
                (block,) = struct.unpack_from(">Q", inode.fork, 4 + 8 * most + 8 * index)
                self._tree(block, level - 1, seen, extents)
            return extents
        raise Malformed(
            self.name, inode.offset + 5, "a data fork of extents or a tree", f"format {inode.format}"
        )

    def _tree(self, block: int, level: int, seen: set[int], extents: list[Extent]) -> None:
        super_ = self.superblock
        at = super_.byte_of_block(block)
        if block in seen or at + super_.block_size > self._source.size:
            raise Malformed(self.name, None, "an extent tree's block", f"block {block:#x} twice or outside")
        seen.add(block)
        raw = self._cached.read(at, super_.block_size)
        magic, stored, count = struct.unpack_from(">4sHH", raw)
        header = {b"BMAP": 24, b"BMA3": 72}.get(magic)
        if header is None or stored != level:
            raise Malformed(self.name, at, f"an extent tree's block of level {level}", f"{magic!r}, {stored}")
        most = (super_.block_size - header) // 16
        if count > most or len(extents) + count > _MAX_EXTENTS:
            raise Malformed(self.name, at + 6, f"at most {most} records", str(count))
        if level == 0:
            extents.extend(self._extent(raw, header + 16 * index, at) for index in range(count))
            return
        for index in range(count):
            (child,) = struct.unpack_from(">Q", raw, header + 8 * most + 8 * index)
            self._tree(child, level - 1, seen, extents)

    def _extent(self, raw: bytes, at: int, base: int) -> Extent:
        """One packed record: 1 bit unwritten, 54 bits file offset, 52 bits block, 21 bits length."""
        high, low = EXTENT.unpack_from(raw, at)
        unwritten = high >> 63
        start = (high >> 9) & ((1 << 54) - 1)
        block = ((high & 0x1FF) << 43) | (low >> 21)
        length = low & ((1 << 21) - 1)
        size = self.superblock.block_size
        offset = self.superblock.byte_of_block(block)
        if length == 0 or offset + length * size > self._source.size:
            raise Malformed(
                self.name, base + at, "an extent inside the file system", f"{length} blocks at {block:#x}"
            )
        return Extent(start * size, length * size, None if unwritten else offset)


def _short_form(inode: Inode, has_type: bool, where: str) -> Iterator[tuple[bytes, int, int]]:
    """Entries kept inside the inode (xfs_dir2_sf)."""
    fork = inode.fork[: inode.size]
    if len(fork) < 6:
        raise Malformed(where, inode.fork_offset, "a short-form directory", f"{len(fork)} bytes")
    count, wide = fork[0], fork[1]
    width = 8 if wide else 4
    count = max(count, wide) if wide else count
    at = 2 + width
    for _ in range(count):
        if at + 3 > len(fork):
            raise Malformed(where, inode.fork_offset + at, f"{count} entries", "the end of the directory")
        length = fork[at]
        end = at + 3 + length + has_type + width
        if end > len(fork):
            raise Malformed(where, inode.fork_offset + at, "an entry", "the end of the directory")
        number = int.from_bytes(fork[end - width : end], "big")
        yield fork[at + 3 : at + 3 + length], number, inode.fork_offset + at
        at = end


def _block_entries(block: bytes, base: int, has_type: bool, where: str) -> Iterator[tuple[bytes, int, int]]:
    """Entries of a directory's data block (xfs_dir2_data), the index at its end left out."""
    magic = block[:4]
    at = _DIRECTORY_MAGIC.get(magic)
    if at is None:
        raise Malformed(where, base, "a directory block", repr(magic))
    end = len(block)
    if magic in {b"XD2B", b"XDB3"}:
        (leaves,) = struct.unpack_from(">I", block, end - 8)
        end -= 8 + 8 * leaves
    while at + 4 <= end:
        free, length = struct.unpack_from(">HH", block, at)
        if free == 0xFFFF:
            if length < 8 or length % 8:
                raise Malformed(where, base + at + 2, "a free space of 8·n bytes", str(length))
            at += length
            continue
        if at + 12 > end:
            raise Malformed(where, base + at, "a directory entry", "the end of its block")
        number, size = struct.unpack_from(">QB", block, at)
        tail = at + 9 + size + has_type
        if tail + 2 > end:
            raise Malformed(where, base + at, "a directory entry", "one longer than its block")
        yield block[at + 9 : at + 9 + size], number, base + at
        at += (9 + size + has_type + 2 + 7) // 8 * 8
