"""ext2, ext3 and ext4, read only: extents and block maps, 64-bit, inline data, directories of any form.

Layout as in Documentation/filesystems/ext4/ (Linux 6.12). Hashed directories are read as the plain lists
they also are. A journal that was not replayed is not looked at; what is encrypted is refused.
"""

from __future__ import annotations

import stat
import struct
import uuid
from collections.abc import Iterator

from attrs import frozen

from bootwright.formats.filesystems.filesystem import text_of
from bootwright.formats.filesystems.inode_files import InodeFiles
from bootwright.formats.sources.bytesource import Bytes, ByteSource
from bootwright.formats.sources.extents import BlockCache, Extent, Extents
from bootwright.foundation.errors import Malformed, Refused

_SUPER_AT = 1024
_MAGIC = 0xEF53
_ROOT = 2
_MAX_DIRECTORY = 256 << 20
_MAX_EXTENTS = 1 << 20
_MAX_DEPTH = 5
"""EXT4_MAX_EXTENT_DEPTH, fs/ext4/ext4_extents.h."""

_INCOMPAT_COMPRESSION, _INCOMPAT_64BIT, _INCOMPAT_META_BG = 0x1, 0x80, 0x10
_INCOMPAT_KNOWN = {
    0x2: "filetype",
    0x4: "needs recovery",
    0x10: "meta_bg",
    0x40: "extent",
    0x80: "64bit",
    0x100: "mmp",
    0x200: "flex_bg",
    0x400: "ea_inode",
    0x1000: "dirdata",
    0x2000: "csum_seed",
    0x4000: "largedir",
    0x8000: "inline_data",
    0x10000: "encrypt",
    0x20000: "casefold",
}
_FLAG_ENCRYPTED, _FLAG_EXTENTS, _FLAG_INLINE = 0x800, 0x80000, 0x10000000


@frozen
class Superblock:
    """The geometry of the file system; sizes in bytes."""

    block_size: int
    blocks: int
    first_block: int
    inodes: int
    inodes_per_group: int
    blocks_per_group: int
    inode_size: int
    descriptor_size: int
    meta_bg_from: int | None
    """Group descriptor blocks from this one on lie in their own groups (meta_bg)."""
    type: str
    label: str | None
    uuid: str
    features: tuple[str, ...]


def is_ext(source: ByteSource) -> bool:
    """Whether the superblock's magic number is there."""
    return source.size >= 2048 and source.read(_SUPER_AT + 56, 2) == b"\x53\xef"


def read_superblock(source: ByteSource) -> Superblock:
    """The superblock. Raises `Malformed`, or `Refused` for an unsupported feature that changes the format."""
    if not is_ext(source):
        raise Malformed(source.name, _SUPER_AT + 56, "the ext magic 0xef53", "something else")
    raw = source.read(_SUPER_AT, 1024)
    inodes, blocks_low = struct.unpack_from("<II", raw, 0)
    first_block, log_block = struct.unpack_from("<II", raw, 20)
    blocks_per_group, _clusters, inodes_per_group = struct.unpack_from("<III", raw, 32)
    (revision,) = struct.unpack_from("<I", raw, 76)
    (inode_size,) = struct.unpack_from("<H", raw, 88)
    compat, incompat, _ro = struct.unpack_from("<III", raw, 92)
    (descriptor_size,) = struct.unpack_from("<H", raw, 254)
    (first_meta,) = struct.unpack_from("<I", raw, 260)
    (blocks_high,) = struct.unpack_from("<I", raw, 336)
    wide = bool(incompat & _INCOMPAT_64BIT)
    inode_size = inode_size if revision else 128
    blocks = blocks_low | (blocks_high << 32 if wide else 0)
    good = (
        log_block <= 6
        and inodes_per_group > 0
        and blocks_per_group > 0
        and blocks > first_block
        and 128 <= inode_size <= 1024 << log_block
        and inode_size & (inode_size - 1) == 0
        and (not wide or 32 <= descriptor_size <= 1024)
    )
    if not good:
        raise Malformed(
            source.name,
            _SUPER_AT,
            "an ext geometry that agrees with itself",
            f"{blocks} blocks of 2^{10 + log_block}, inodes of {inode_size}",
        )
    unknown = incompat & ~sum(_INCOMPAT_KNOWN)
    if unknown:
        raise Refused(
            f"{source.name}: ext4 with unknown incompatible features {unknown:#x}",
            hint="inspect the files from a mounted copy instead, and please report it",
        )
    features = tuple(text for bit, text in _INCOMPAT_KNOWN.items() if incompat & bit)
    journal = bool(compat & 4)
    modern = {"extent", "64bit", "flex_bg", "inline_data"} & set(features)
    return Superblock(
        block_size=1024 << log_block,
        blocks=blocks,
        first_block=first_block,
        inodes=inodes,
        inodes_per_group=inodes_per_group,
        blocks_per_group=blocks_per_group,
        inode_size=inode_size,
        descriptor_size=descriptor_size if wide else 32,
        meta_bg_from=first_meta if incompat & _INCOMPAT_META_BG else None,
        type="ext4" if modern else "ext3" if journal else "ext2",
        label=raw[120:136].rstrip(b"\0").decode("utf-8", "surrogateescape") or None,
        uuid=str(uuid.UUID(bytes=raw[104:120])),
        features=features,
    )


@frozen
class _Inode:
    number: int
    mode: int
    size: int
    flags: int
    map: bytes
    """The 60 bytes of i_block."""
    inline: bytes
    """What an inline file has beyond them, in the attribute `system.data`."""
    offset: int


class Ext(InodeFiles[_Inode]):
    """An ext2/3/4 file system as a `FileSystem`. Raises `Malformed` from every method."""

    def __init__(self, source: ByteSource) -> None:
        self.superblock = read_superblock(source)
        super().__init__(source, _ROOT)
        self._cached = BlockCache(source)

    @property
    def type(self) -> str:
        """`ext4`, `ext3` or `ext2`."""
        return self.superblock.type

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
        """Only in directories marked so, which is not honoured here."""
        return False

    def _names(self, inode: _Inode) -> Iterator[tuple[bytes, int, int]]:
        _check_plain(inode, self.name)
        if inode.size > _MAX_DIRECTORY:
            raise Malformed(
                self.name, inode.offset, f"a directory below {_MAX_DIRECTORY} bytes", str(inode.size)
            )
        if inode.flags & _FLAG_INLINE:
            # The first 4 bytes are the parent's inode number; then entries, here and in the attribute.
            blocks = [inode.map[4:60], inode.inline]
        else:
            data = self._data(inode, self.name)
            size = self.superblock.block_size
            blocks = [data.read(start, min(size, data.size - start)) for start in range(0, data.size, size)]
        for block in blocks:
            at = 0
            while at + 8 <= len(block):
                number, length, name_length = struct.unpack_from("<IHB", block, at)
                length = length or 65536  # a 64 KiB block's only entry
                if length < 8 or length % 4 or at + length > len(block) or 8 + name_length > length:
                    if inode.flags & _FLAG_INLINE and not number:
                        break
                    raise Malformed(self.name, inode.offset, "a directory entry", f"one of {length} bytes")
                name = block[at + 8 : at + 8 + name_length]
                if number and name not in {b".", b".."} and name_length:
                    yield name, number, inode.offset
                at += length

    def _target(self, inode: _Inode) -> str | None:
        if inode.flags & _FLAG_ENCRYPTED:
            return None
        if inode.size > 4096:
            raise Malformed(self.name, inode.offset, "a symlink below 4 KiB", f"{inode.size} bytes")
        if inode.flags & _FLAG_INLINE or (inode.size < 60 and not inode.flags & _FLAG_EXTENTS):
            return text_of((inode.map + inode.inline)[: inode.size])
        return text_of(self._data(inode, self.name).read(0, inode.size))

    def _inode(self, number: int) -> _Inode:
        super_ = self.superblock
        if not 1 <= number <= super_.inodes:
            raise Malformed(self.name, None, f"an inode from 1 to {super_.inodes}", str(number))
        group, index = divmod(number - 1, super_.inodes_per_group)
        descriptor = self._cached.read(self._descriptor_at(group), super_.descriptor_size)
        (table,) = struct.unpack_from("<I", descriptor, 8)
        if super_.descriptor_size >= 64:
            table |= struct.unpack_from("<I", descriptor, 40)[0] << 32
        offset = table * super_.block_size + index * super_.inode_size
        raw = self._cached.read(offset, super_.inode_size)
        (mode,) = struct.unpack_from("<H", raw, 0)
        (size_low,) = struct.unpack_from("<I", raw, 4)
        (flags,) = struct.unpack_from("<I", raw, 32)
        (size_high,) = struct.unpack_from("<I", raw, 108)
        # In a directory of an old file system these bytes are an ACL.
        size = size_low | (size_high << 32 if stat.S_ISREG(mode) or super_.type == "ext4" else 0)
        return _Inode(
            number=number,
            mode=mode,
            size=size,
            flags=flags,
            map=raw[40:100],
            inline=_inline_attribute(raw) if flags & _FLAG_INLINE else b"",
            offset=offset,
        )

    def _descriptor_at(self, group: int) -> int:
        """Where the descriptor of a group is (Documentation/filesystems/ext4/blockgroup.rst, meta_bg)."""
        super_ = self.superblock
        per_block = super_.block_size // super_.descriptor_size
        block = group // per_block
        within = group % per_block * super_.descriptor_size
        if super_.meta_bg_from is None or block < super_.meta_bg_from:
            # Behind the superblock, which is at byte 1024; bigalloc counts blocks of 1 KiB from 0.
            return (1024 // super_.block_size + 1 + block) * super_.block_size + within
        first = super_.first_block + block * per_block * super_.blocks_per_group
        if block == 0:
            first = 1024 // super_.block_size
        return (first + _has_backup(block * per_block)) * super_.block_size + within

    def _data(self, inode: _Inode, where: str) -> ByteSource:
        _check_plain(inode, where)
        if inode.flags & _FLAG_INLINE:
            data = (inode.map + inode.inline)[: inode.size]
            return Bytes(data.ljust(min(inode.size, 4096), b"\0"), where)
        if inode.flags & _FLAG_EXTENTS:
            extents = list(self._tree(inode.map, inode, _MAX_DEPTH, set()))
        else:
            extents = list(self._block_map(inode))
        return Extents(self._source, extents, inode.size, where)

    def _tree(self, raw: bytes, inode: _Inode, depth_left: int, seen: set[int]) -> Iterator[Extent]:
        magic, count, most, depth = struct.unpack_from("<HHHH", raw)
        if magic != 0xF30A or count > most or 12 + 12 * count > len(raw) or depth > depth_left:
            raise Malformed(
                self.name,
                inode.offset,
                "an extent tree's node",
                f"magic {magic:#x}, {count} records, depth {depth}",
            )
        size = self.superblock.block_size
        for index in range(count):
            at = 12 + 12 * index
            if depth == 0:
                first, length, high, low = struct.unpack_from("<IHHI", raw, at)
                unwritten = length > 32768
                blocks = length - 32768 if unwritten else length
                yield Extent(first * size, blocks * size, None if unwritten else ((high << 32) | low) * size)
                continue
            _, low, high = struct.unpack_from("<IIH", raw, at)
            block = high << 32 | low
            if block in seen or len(seen) > _MAX_EXTENTS:
                raise Malformed(self.name, inode.offset, "an extent tree", f"block {block} twice in it")
            seen.add(block)
            yield from self._tree(self._cached.read(block * size, size), inode, depth - 1, seen)

    def _block_map(self, inode: _Inode) -> Iterator[Extent]:
        """ext2's map: 12 blocks, then single, double and triple indirect ones."""
        size = self.superblock.block_size
        total = -(-inode.size // size)
        if total > _MAX_EXTENTS * 64:
            raise Malformed(
                self.name, inode.offset, "a file that its block map can hold", f"{inode.size} bytes"
            )
        pointers = struct.unpack("<15I", inode.map)
        position = 0
        for block in pointers[:12]:
            if position >= total:
                return
            if block:
                yield Extent(position * size, size, block * size)
            position += 1
        for level, block in enumerate(pointers[12:], start=1):
            if position >= total:
                return
            yield from self._indirect(block, level, position, total)
            position += (size // 4) ** level

    def _indirect(self, block: int, level: int, position: int, total: int) -> Iterator[Extent]:
        size = self.superblock.block_size
        if not block or position >= total:
            return
        count = size // 4
        span = count ** (level - 1)
        for index, pointer in enumerate(struct.unpack(f"<{count}I", self._cached.read(block * size, size))):
            first = position + index * span
            if first >= total:
                return
            if not pointer:
                continue
            if level == 1:
                yield Extent(first * size, size, pointer * size)
            else:
                yield from self._indirect(pointer, level - 1, first, total)


def _has_backup(group: int) -> int:
    """1 where a group begins with a copy of the superblock (sparse_super: 0, 1, powers of 3, 5, 7)."""
    if group <= 1:
        return 1
    for base in (3, 5, 7):
        power = base
        while power < group:
            power *= base
        if power == group:
            return 1
    return 0


def _check_plain(inode: _Inode, where: str) -> None:
    if inode.flags & _FLAG_ENCRYPTED:
        raise Refused(f"{where}: inode {inode.number} is encrypted (fscrypt)", hint="its key is not at hand")


def _inline_attribute(raw: bytes) -> bytes:
    """The value of `system.data` among the attributes kept inside an inode (name index 7, name `data`)."""
    if len(raw) <= 132:
        return b""
    (extra,) = struct.unpack_from("<H", raw, 128)
    start = 128 + extra
    if start + 4 > len(raw) or struct.unpack_from("<I", raw, start)[0] != 0xEA020000:
        return b""
    first = start + 4
    at = first
    while at + 16 <= len(raw) and raw[at : at + 4] != b"\0\0\0\0":
        name_length, index, value_at, _inum, size = struct.unpack_from("<BBHII", raw, at)
        if index == 7 and raw[at + 16 : at + 16 + name_length] == b"data":
            return raw[first + value_at : first + value_at + size]
        at += (16 + name_length + 3) & ~3
    return b""
