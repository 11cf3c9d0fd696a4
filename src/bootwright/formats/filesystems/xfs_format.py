"""XFS on disk: the superblock, inodes, extent lists. Big-endian throughout.

Names and layouts as in "XFS Algorithms & Data Structures" (3rd edition) and fs/xfs/libxfs/xfs_format.h,
Linux 6.12, including the features that newer mkfs.xfs turns on: bigtime, nrext64 and parent pointers.
"""

from __future__ import annotations

import struct
import uuid

from attrs import frozen

from bootwright.formats.sources.bytesource import ByteSource
from bootwright.foundation.errors import Malformed, Refused

MAGIC = b"XFSB"

_INCOMPAT_FTYPE = 1 << 0
_INCOMPAT_KNOWN = {
    1 << 0: "ftype",
    1 << 1: "sparse inodes",
    1 << 2: "meta uuid",
    1 << 3: "bigtime",
    1 << 4: "needs repair",
    1 << 5: "nrext64",
    1 << 6: "exchange range",
    1 << 7: "parent pointers",
    1 << 8: "metadata directory",
}
_RO_COMPAT = {1 << 0: "finobt", 1 << 1: "rmapbt", 1 << 2: "reflink", 1 << 3: "inobtcount"}
_FEATURES2_FTYPE = 0x200
_VERSION_DIRV2 = 0x2000
_DIFLAG2_NREXT64 = 1 << 4

EXTENT = struct.Struct(">QQ")


@frozen
class Superblock:
    """The geometry and features of the file system. Sizes are in bytes where not said otherwise."""

    block_size: int
    blocks: int
    """Data blocks in all."""
    ag_blocks: int
    ag_count: int
    ag_block_bits: int
    inode_size: int
    inodes_per_block_bits: int
    directory_block_size: int
    root_inode: int
    version: int
    """4 or 5."""
    has_file_type: bool
    label: str | None
    uuid: str
    features: tuple[str, ...]
    """Those that a reader has to know."""
    kept: tuple[str, ...] = ()
    """Those that only who writes to it has to know: rmapbt, reflink and their like."""

    def byte_of_block(self, block: int) -> int:
        """The byte offset of a file system block number (allocation group and block in one number)."""
        group = block >> self.ag_block_bits
        within = block & ((1 << self.ag_block_bits) - 1)
        return (group * self.ag_blocks + within) * self.block_size

    def byte_of_inode(self, number: int) -> int:
        """The byte offset of an inode."""
        block = number >> self.inodes_per_block_bits
        slot = number & ((1 << self.inodes_per_block_bits) - 1)
        return self.byte_of_block(block) + slot * self.inode_size


def is_xfs(source: ByteSource) -> bool:
    """Whether the superblock's magic number is there."""
    return source.size >= 512 and source.read(0, 4) == MAGIC


def read_superblock(source: ByteSource) -> Superblock:
    """The superblock. Raises `Malformed`, or `Refused` for an unsupported feature that changes the format."""
    if not is_xfs(source):
        raise Malformed(
            source.name, 0, "the XFS superblock magic 'XFSB'", repr(source.read(0, min(4, source.size)))
        )
    raw = source.read(0, 512)
    (block_size, blocks) = struct.unpack_from(">IQ", raw, 4)
    (root_inode,) = struct.unpack_from(">Q", raw, 56)
    ag_blocks, ag_count = struct.unpack_from(">II", raw, 84)
    version_bits, sector_size, inode_size, _per_block, label = struct.unpack_from(">HHHH12s", raw, 100)
    block_log, _, inode_log, per_block_log, ag_log = struct.unpack_from(">5B", raw, 120)
    directory_log = raw[192]
    features2, _bad2, _compat, ro_compat, incompat = struct.unpack_from(">5I", raw, 200)
    version = version_bits & 0xF
    good = (
        version in {4, 5}
        and 9 <= block_log <= 16
        and block_size == 1 << block_log
        and 8 <= inode_log <= 11
        and inode_size == 1 << inode_log
        and per_block_log == block_log - inode_log
        and 0 < ag_blocks <= 1 << ag_log
        and ag_log < 32
        and ag_count > 0
        and (ag_count - 1) * ag_blocks < blocks <= ag_count * ag_blocks
        and sector_size >= 512
        and block_log + directory_log <= 16
    )
    if not good:
        raise Malformed(
            source.name,
            4,
            "an XFS geometry that agrees with itself",
            f"version {version}, blocks of {block_size}, {ag_count} groups of {ag_blocks}, "
            f"inodes of {inode_size}",
        )
    if version == 4 and not version_bits & _VERSION_DIRV2:
        raise Refused(f"{source.name}: XFS with version 1 directories (before 2001) is not read")
    features: list[str] = []
    if version == 5:
        features = [text for bit, text in _INCOMPAT_KNOWN.items() if incompat & bit]
        unknown = incompat & ~sum(_INCOMPAT_KNOWN)
        if unknown:
            raise Refused(
                f"{source.name}: XFS with unknown incompatible features {unknown:#x}",
                hint="the image was made by a newer mkfs.xfs than this reader knows; please report it",
            )
    has_file_type = bool(incompat & _INCOMPAT_FTYPE) if version == 5 else bool(features2 & _FEATURES2_FTYPE)
    return Superblock(
        block_size=block_size,
        blocks=blocks,
        ag_blocks=ag_blocks,
        ag_count=ag_count,
        ag_block_bits=ag_log,
        inode_size=inode_size,
        inodes_per_block_bits=per_block_log,
        directory_block_size=block_size << directory_log,
        root_inode=root_inode,
        version=version,
        has_file_type=has_file_type,
        label=label.rstrip(b"\0").decode("utf-8", "surrogateescape") or None,
        uuid=str(uuid.UUID(bytes=raw[32:48])),
        features=tuple(features),
        kept=tuple(text for bit, text in _RO_COMPAT.items() if version == 5 and ro_compat & bit),
    )


FORMAT_LOCAL, FORMAT_EXTENTS, FORMAT_BTREE = 1, 2, 3


@frozen
class Inode:
    """An inode's core and its data fork."""

    number: int
    mode: int
    """POSIX mode with the file type bits."""
    format: int
    size: int
    extent_count: int
    fork: bytes
    """The data fork as stored in the inode."""
    offset: int
    """Where the inode is, in bytes from the start of the file system."""
    fork_offset: int
    """Where its data fork is."""


def read_inode(source: ByteSource, super_: Superblock, number: int) -> Inode:
    """Raises `Malformed` when there is no inode of that number."""
    offset = super_.byte_of_inode(number)
    if offset + super_.inode_size > source.size:
        raise Malformed(source.name, None, "an inode inside the file system", f"inode {number}")
    raw = source.read(offset, super_.inode_size)
    magic, mode, version, form = struct.unpack_from(">2sHBB", raw)
    if magic != b"IN" or version not in {1, 2, 3}:
        raise Malformed(source.name, offset, f"inode {number} ('IN')", repr(magic))
    core = 176 if version == 3 else 100
    (size,) = struct.unpack_from(">Q", raw, 56)
    (extent_count,) = struct.unpack_from(">I", raw, 76)
    if version == 3:
        (own,) = struct.unpack_from(">Q", raw, 152)
        (flags2,) = struct.unpack_from(">Q", raw, 120)
        if own != number:
            raise Malformed(source.name, offset + 152, f"inode number {number}", str(own))
        if flags2 & _DIFLAG2_NREXT64:
            (extent_count,) = struct.unpack_from(">Q", raw, 24)
    attribute_fork = raw[82] * 8
    if core + attribute_fork > super_.inode_size or super_.inode_size <= core:
        raise Malformed(source.name, offset + 82, "a fork inside the inode", f"offset {attribute_fork}")
    end = core + attribute_fork if attribute_fork else super_.inode_size
    return Inode(
        number=number,
        mode=mode,
        format=form,
        size=size,
        extent_count=extent_count,
        fork=raw[core:end],
        offset=offset,
        fork_offset=offset + core,
    )
