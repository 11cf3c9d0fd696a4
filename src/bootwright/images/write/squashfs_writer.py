"""Makes squashfs images from a tar archive, without root: owners, device nodes and SELinux labels are kept.

mksquashfs (squashfs-tools 4.5) takes all of them from the archive, but for owner, time and extended
attributes of the root directory itself, which has no name there: those are put in afterwards.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path

from bootwright.formats.filesystems.attributes import Attributes
from bootwright.formats.filesystems.squashfs import SquashFs
from bootwright.formats.sources.bytesource import FileBytes
from bootwright.foundation import atomic, tools
from bootwright.foundation.errors import Malformed, Missing, Refused
from bootwright.images.write.new_filesystems import EPOCH

COMPRESSIONS: dict[str, tuple[str, ...]] = {
    "zstd": ("-comp", "zstd", "-Xcompression-level", "12"),
    "xz": ("-comp", "xz"),
    "gzip": ("-comp", "gzip"),
    "lzma": ("-comp", "lzma"),
    "lz4": ("-comp", "lz4"),
    "lzo": ("-comp", "lzo"),
}
"""How each is asked for."""

_METADATA = 8192
_PLAIN = 0x8000
"""Bit of a metadata block's length: it is not compressed."""

_NONE = (1 << 64) - 1
_NO_XATTR = 0x200
"""Flag of the superblock: no extended attributes."""

_DIRECTORY, _LARGE_DIRECTORY = 1, 8
_SPACES = {"user.": 0, "trusted.": 1, "security.": 2}


def make_squashfs(
    archive: Path, image: Path, compression: str, *, root: Attributes, block_size: int = 131072
) -> None:
    """A squashfs of a tar archive, the same bytes each time; `root` is what the root directory gets.

    Raises `Missing` without mksquashfs or for a compression that it does not have.
    """
    program = tools.need("mksquashfs", purpose="make the root file system")
    kind = COMPRESSIONS.get(compression)
    if kind is None:
        raise Missing(f"squashfs cannot be made with {compression} here", hint="use zstd, xz or gzip")
    image.unlink(missing_ok=True)
    with archive.open("rb") as file:
        tools.run(
            [
                *(program, "-", image, "-tar", "-quiet", "-no-progress", "-exit-on-error"),
                *("-mkfs-time", str(EPOCH), "-noappend"),
                *("-b", str(block_size), *kind, "-root-mode", f"{root.permissions:o}"),
            ],
            input_file=file,
            timeout=1800,
        )
    _finish_root(image, root)


def _finish_root(image: Path, root: Attributes) -> None:
    """Give the root directory its owner, time and extended attributes.

    Its inode, the last of the table, is written again; what lies behind the table moves; the attributes
    are added to theirs, the last of the tables (fs/squashfs/squashfs_fs.h and xattr_id.c, Linux 6.12).
    """
    source = FileBytes(image)
    files = SquashFs(source)
    super_ = files.superblock
    data = bytearray(source.read(0, super_.bytes_used))
    sets = _sets(source, files)
    _put_root(data, files, _root_start(source, files, root), len(sets) // 16 if root.extended else None)
    if root.extended:
        _add_attributes(data, sets, *_last_pairs(source, files), root.extended)
    struct.pack_into("<Q", data, 40, len(data))
    atomic.write_bytes(image, bytes(data) + bytes(-len(data) % 4096))


def _root_start(source: FileBytes, files: SquashFs, root: Attributes) -> bytes:
    """What an inode says of owner (by its place in the table of owners) and time, from byte 4 to 12."""
    count, table = struct.unpack("<H", source.read(26, 2))[0], struct.unpack("<Q", source.read(48, 8))[0]
    (at,) = struct.unpack("<Q", source.read(table, 8))
    known = struct.unpack_from(f"<{min(count, 2048)}I", files.metadata(at)[0])
    for owner in (root.uid, root.gid):
        if owner not in known:
            raise Refused(
                f"the root directory belongs to {owner}, which owns nothing else; mksquashfs cannot write it",
                hint="change its owner to root",
            )
    seconds = max(root.times.modified // 1_000_000_000, 0) & 0xFFFFFFFF
    return struct.pack("<HHI", known.index(root.uid), known.index(root.gid), seconds)


def _put_root(data: bytearray, files: SquashFs, start_of_inode: bytes, attributes: int | None) -> None:
    super_ = files.superblock
    start = super_.inode_table + (super_.root >> 16)
    at, stream = start, b""
    while at < super_.directory_table:
        block, at = files.metadata(at)
        stream += block
    offset = super_.root & 0xFFFF
    old = stream[offset:]
    old = old[:4] + start_of_inode + old[12:]
    (kind,) = struct.unpack_from("<H", old)
    if attributes is None:
        new = old
    elif kind == _DIRECTORY and len(old) == 32:
        block_at, links, size, within, parent = struct.unpack_from("<IIHHI", old, 16)
        new = struct.pack("<H", _LARGE_DIRECTORY) + old[2:16]
        new += struct.pack("<IIIIHHI", links, size, block_at, parent, 0, within, attributes)
    elif kind == _LARGE_DIRECTORY and len(old) >= 40:
        new = old[:36] + struct.pack("<I", attributes) + old[40:]
    else:
        raise Malformed(files.name, start, "the root's inode at the end of its table", f"type {kind}")
    blocks = _blocks(stream[:offset] + new)
    moved = len(blocks) - (super_.directory_table - start)
    data[start : super_.directory_table] = blocks
    inodes, _, _, fragments = struct.unpack_from("<IIII", data, 4)
    (ids,) = struct.unpack_from("<H", data, 26)
    # Owners, attributes, directories, fragments, NFS export: where each table is, how long its index.
    indexes = {48: ids * 4, 56: 0, 72: 0, 80: fragments * 16, 88: inodes * 8}
    for field, table in indexes.items():
        (place,) = struct.unpack_from("<Q", data, field)
        if place != _NONE:
            struct.pack_into("<Q", data, field, place + moved)
            _move(data, place + moved, -(-table // _METADATA), moved)
    (place,) = struct.unpack_from("<Q", data, 56)
    if place != _NONE:
        (sets,) = struct.unpack_from("<I", data, place + 8)
        _move(data, place, 1, moved)
        _move(data, place + 16, -(-sets * 16 // _METADATA), moved)


def _move(data: bytearray, at: int, count: int, by: int) -> None:
    for index in range(count):
        (place,) = struct.unpack_from("<Q", data, at + 8 * index)
        struct.pack_into("<Q", data, at + 8 * index, place + by)


def _add_attributes(
    data: bytearray, sets: bytes, last_at: int, last: bytes, extended: Mapping[str, bytes]
) -> None:
    pairs = b""
    for name, value in sorted(extended.items()):
        space = next((prefix for prefix in _SPACES if name.startswith(prefix)), None)
        if space is None:
            raise Refused(f"the extended attribute {name!r} cannot be kept in a squashfs")
        raw = name.removeprefix(space).encode(errors="surrogateescape")
        pairs += struct.pack("<HH", _SPACES[space], len(raw)) + raw
        pairs += struct.pack("<I", len(value)) + value
    (table,) = struct.unpack_from("<Q", data, 56)
    first = len(data)
    if table != _NONE:
        # The old table of sets is the end of the image, and goes. The attributes themselves stay where they
        # are, but for the last block of them: only the very last may hold less than a whole one.
        first, _count, _ = struct.unpack_from("<QII", data, table)
        del data[first + last_at :]
    reference = last_at << 16 | len(last)
    if len(last) == _METADATA:
        reference = (last_at + 2 + _METADATA) << 16
    data += _blocks(last + pairs)
    sets += struct.pack("<QII", reference, len(extended), len(pairs))
    places = []
    for start in range(0, len(sets), _METADATA):
        places.append(len(data))
        data += _blocks(sets[start : start + _METADATA])
    (flags,) = struct.unpack_from("<H", data, 24)
    struct.pack_into("<H", data, 24, flags & ~_NO_XATTR)
    struct.pack_into("<Q", data, 56, len(data))
    data += struct.pack("<QII", first, len(sets) // 16, 0)
    data += b"".join(struct.pack("<Q", place) for place in places)


def _sets(source: FileBytes, files: SquashFs) -> bytes:
    """The table of the sets of attributes there are: 16 bytes each."""
    (table,) = struct.unpack("<Q", source.read(56, 8))
    sets = b""
    if table != _NONE:
        count, _, at = struct.unpack("<IIQ", source.read(table + 8, 16))
        while len(sets) < count * 16:
            block, at = files.metadata(at)
            sets += block
    return sets


def _last_pairs(source: FileBytes, files: SquashFs) -> tuple[int, bytes]:
    """The last block of names and values: where it lies behind the first of them, and what it holds."""
    (table,) = struct.unpack("<Q", source.read(56, 8))
    if table == _NONE:
        return 0, b""
    first, _count, _, end = struct.unpack("<QIIQ", source.read(table, 24))
    at, last = first, (0, b"")
    while at < end:
        block, following = files.metadata(at)
        last, at = (at - first, block), following
    return last


def _blocks(stream: bytes) -> bytes:
    """Metadata blocks, not compressed."""
    pieces = [stream[start : start + _METADATA] for start in range(0, len(stream), _METADATA)]
    return b"".join(struct.pack("<H", len(piece) | _PLAIN) + piece for piece in pieces)
