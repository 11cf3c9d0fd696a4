"""Makes XFS file systems in files, without root and reproducibly, with owners, times and extended attributes.

mkfs.xfs makes the tree from a prototype, which knows types, links and device numbers. What it does not know
is put in afterwards: extended attributes are made in the right size by xfs_db, which leaves the values to
us; values, permissions, owners and times are then written into the inodes, with their checksums.
"""

from __future__ import annotations

import os
import posixpath
import re
import shutil
import stat
import struct
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from bootwright.formats.filesystems.attributes import Attributes, Times
from bootwright.formats.filesystems.filesystem import Unreadable, walk
from bootwright.formats.filesystems.xfs import Xfs
from bootwright.formats.filesystems.xfs_attributes import extended_attributes
from bootwright.formats.sources.bytesource import FileBytes
from bootwright.foundation import tools
from bootwright.foundation.errors import Refused, ToolFailed
from bootwright.images.write.new_filesystems import ENVIRONMENT, allocate
from bootwright.images.write.nodes import NEW, Node, with_parents

_LEAST = 300 << 20
"""xfsprogs 5.19 and later make none smaller."""

_SPACES = {"user.": "-u", "trusted.": "-r", "security.": "-s"}
_ATTRIBUTE = re.compile(r"[!#-&(-\[\]-~]{1,255}")
"""Printable ASCII that needs no quoting in xfs_db's language."""

_CHUNK = 64
"""Inodes that XFS allocates together, at a number that is a multiple of it."""
_BIGTIME_FROM = 1 << 31
_TYPES = {
    stat.S_IFREG: "-", stat.S_IFDIR: "d", stat.S_IFLNK: "l", stat.S_IFBLK: "b", stat.S_IFCHR: "c",
    stat.S_IFIFO: "p",
}  # fmt: skip


def make_xfs(
    path: Path,
    size: int,
    *,
    label: str,
    identity: str,
    nodes: Mapping[str, Node],
    features: Sequence[str] = (),
) -> None:
    """An XFS file system in `path` with `nodes` by absolute path, and the directories that hold them.

    `identity` is its UUID, `features` are of `recipe.XFS_FEATURES`; others are left out. Raises
    `Missing` without xfsprogs, `Refused` for a size below 300 MiB and for what
    mkfs.xfs and xfs_db cannot make: a name with blanks, a socket, an attribute with an odd name.
    """
    if size < _LEAST:
        raise Refused(
            f"an XFS file system needs {_LEAST >> 20} MiB, not {size >> 20}",
            hint="make the partition larger, or use vfat or ext4",
        )
    mkfs = tools.need("mkfs.xfs", purpose="make an XFS file system")
    tree = with_parents(nodes)
    allocate(path, size)
    # The prototype's words end at blanks, so the sources get plain names in the folder mkfs runs in.
    sources = path.with_name(path.name + ".sources")
    sources.mkdir()
    names: dict[str, str] = {}
    for number, (name, node) in enumerate(tree.items()):
        if node.source is not None:
            names[name] = f"f{number}"
            (sources / names[name]).symlink_to(node.source.resolve())
    prototype = "\n".join(("/dev/null", "0 0", *_prototype(tree, names))) + "\n"
    (sources / "proto").write_text(prototype, encoding="utf-8", errors="surrogateescape")
    # Spelt out, so that another version of mkfs makes the same; GRUB 2.12 reads all of these.
    rmapbt, nrext64 = (int(feature in features) for feature in ("rmapbt", "nrext64"))
    tools.run(
        [
            mkfs, "-q", "-f", *(("-L", label) if label else ()), "-p", "proto",
            "-m", f"crc=1,finobt=1,rmapbt={rmapbt},reflink=1,bigtime=1,inobtcount=1,uuid={identity}",
            "-i", f"size=512,sparse=1,nrext64={nrext64}", "-d", "sectsize=512,agcount=4", "-b", "size=4096",
            "-n", "size=4096,ftype=1", "-l", "internal=1,size=64m,lazy-count=1", path.resolve(),
        ],
        cwd=sources,
        env=ENVIRONMENT,
        timeout=600,
    )  # fmt: skip
    shutil.rmtree(sources)
    _complete(path, tree)


def _prototype(tree: Mapping[str, Node], names: Mapping[str, str]) -> Iterator[str]:
    """mkfs.xfs(8), "PROTOTYPE FILE": the tree in depth-first order, each directory ended by `$`."""
    yield "d--755 0 0"
    open_folders = ["/"]
    for path, node in tree.items():
        if path == "/":
            continue
        above, name = posixpath.split(path)
        while open_folders[-1] != above:
            open_folders.pop()
            yield "$"
        if any(char.isspace() for char in name) or name == "$" or name.startswith(":"):
            raise Refused(f"mkfs.xfs cannot make a file of the name {name!r}", hint="rename it")
        kind = _TYPES.get(node.kind)
        if kind is None:
            raise Refused(f"mkfs.xfs cannot make {path}, a socket", hint="remove it: --remove PARTITION:/…")
        words = [name, f"{kind}--{node.attributes.permissions & 0o777:03o}", "0", "0"]
        if kind == "l":
            target = node.target or ""
            if not target or any(char.isspace() for char in target):
                raise Refused(f"mkfs.xfs cannot make the symbolic link {path} to {target!r}")
            words.append(target)
        elif kind in "bc":
            words += map(str, node.attributes.device)
        elif kind == "-":
            words.append(names[path])
        yield " ".join(words)
        if kind == "d":
            open_folders.append(path)
    yield from "$" * len(open_folders)


def _complete(path: Path, tree: Mapping[str, Node]) -> None:
    """Give every inode the attributes that it is to have."""
    files = Xfs(FileBytes(path))
    super_ = files.superblock
    wanted: dict[int, Attributes] = {super_.root_inode: tree["/"].attributes}
    for entry in walk(files):
        if isinstance(entry, Unreadable):
            raise entry.error
        wanted[entry.handle] = tree[entry.path].attributes
    _make_space(path, wanted)
    source = FileBytes(path)
    handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        for number, attributes in wanted.items():
            _put_values(handle, source, files, number, attributes)
        for number, attributes in sorted(wanted.items()):
            _put_inode(handle, super_.byte_of_inode(number), super_.inode_size, attributes.times, attributes)
        # The real-time bitmap and summary are inodes that no directory holds (superblock, bytes 64 and 72).
        for number in struct.unpack(">QQ", os.pread(handle, 16, 64)):
            _put_inode(handle, super_.byte_of_inode(number), super_.inode_size, NEW, None)
        _settle_generations(handle, files, wanted)
    finally:
        os.close(handle)


def _settle_generations(handle: int, files: Xfs, used: Mapping[int, Attributes]) -> None:
    """Give every inode generation 0, also the free ones of its chunk of 64.

    mkfs.xfs of xfsprogs 6.13 (unlike 6.1) draws them at random, and the same files would not make the same
    image twice. They tell an NFS server's clients that a number was used again, which has not
    happened in a new file system. xfs_format.h, Linux 6.12: XFS_INODES_PER_CHUNK, di_gen, di_ino.
    """
    super_ = files.superblock
    for chunk in sorted({number & ~(_CHUNK - 1) for number in used}):
        for number in range(chunk, chunk + _CHUNK):
            at = super_.byte_of_inode(number)
            raw = os.pread(handle, super_.inode_size, at)
            # A sparse chunk has places that hold no inode.
            if raw[:2] == b"IN" and raw[152:160] == struct.pack(">Q", number):
                os.pwrite(handle, bytes(4), at + 92)
                _checksum(handle, at, super_.inode_size, 100)


def _make_space(path: Path, wanted: Mapping[int, Attributes]) -> None:
    """Attributes of the right names and sizes (xfs_db(8), attr_set); their values come later."""
    commands: list[str] = []
    for number, attributes in sorted(wanted.items()):
        if attributes.extended:
            commands.append(f"inode {number}")
        for name, value in sorted(attributes.extended.items()):
            space = next((prefix for prefix in _SPACES if name.startswith(prefix)), None)
            # A value of no bytes is how xfs_db is told to remove an attribute.
            if space is None or not value or not _ATTRIBUTE.fullmatch(name.removeprefix(space)):
                raise Refused(
                    f"the extended attribute {name!r} cannot be kept in XFS", hint="remove it from the file"
                )
            commands.append(f"attr_set {_SPACES[space]} -v {len(value)} {name.removeprefix(space)}")
    if commands:
        program = tools.need("xfs_db", purpose="keep extended attributes in XFS")
        text = "".join(f"{command}\n" for command in (*commands, "quit"))
        tools.run([program, "-x", "-f", path.resolve()], input_bytes=text.encode(), timeout=300)


def _put_values(handle: int, source: FileBytes, files: Xfs, number: int, attributes: Attributes) -> None:
    if not attributes.extended:
        return
    made = {attribute.name: attribute for attribute in extended_attributes(source, files.superblock, number)}
    for name, value in attributes.extended.items():
        place = made.get(name)
        if place is None or len(place.value) != len(value):
            raise ToolFailed("xfs_db", f"it did not write attribute {name} of {len(value)} bytes")
        done = 0
        for piece in place.places:
            os.pwrite(handle, value[done : done + piece.size], piece.at)
            done += piece.size
            _checksum(handle, piece.block, piece.block_size, piece.checksum)


def _put_inode(handle: int, at: int, size: int, times: Times, attributes: Attributes | None) -> None:
    """xfs_format.h, struct xfs_dinode, version 3 with "bigtime" (Linux 6.12)."""
    raw = bytearray(os.pread(handle, size, at))
    fields = ((32, times.accessed), (40, times.modified), (48, times.changed), (144, times.created))
    for field, nanoseconds in fields:
        # 1901 to 2486; what lies outside is moved to the border.
        stamp = min(max(nanoseconds + _BIGTIME_FROM * 1_000_000_000, 0), (1 << 64) - 1)
        struct.pack_into(">Q", raw, field, stamp)
    if attributes is not None:
        (mode,) = struct.unpack_from(">H", raw, 2)
        struct.pack_into(">H", raw, 2, stat.S_IFMT(mode) | attributes.permissions)
        struct.pack_into(">II", raw, 8, attributes.uid, attributes.gid)
    os.pwrite(handle, raw, at)
    _checksum(handle, at, size, 100)


def _checksum(handle: int, at: int, size: int, field: int) -> None:
    raw = bytearray(os.pread(handle, size, at))
    raw[field : field + 4] = bytes(4)
    os.pwrite(handle, struct.pack("<I", crc32c(raw)), at + field)


def _table() -> tuple[int, ...]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return tuple(table)


_CRC_TABLE = _table()


def crc32c(data: bytes | bytearray) -> int:
    """CRC-32C (RFC 3720, appendix B.4)."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC_TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF
