"""Makes file systems in files, without root and reproducibly: FAT by mtools, XFS by mkfs.xfs.

Times are fixed, ids are given, files are written in the order of their paths. `mkfs.xfs -p` has no switch
for the time (xfsprogs 6.1), so the inodes' time stamps are set afterwards.
"""

from __future__ import annotations

import os
import posixpath
import shutil
import struct
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path

from bootwright.artifacts.bytesource import FileBytes
from bootwright.artifacts.filesystem import Unreadable, walk
from bootwright.artifacts.xfs import Xfs
from bootwright.foundation import atomic, tools
from bootwright.foundation.errors import Refused, ToolFailed

EPOCH = 1704067200
"""Seconds since 1970 that everything made here is dated: 2024-01-01."""

ENVIRONMENT = {
    "SOURCE_DATE_EPOCH": str(EPOCH),
    "TZ": "UTC",
    "MTOOLS_SKIP_CHECK": "1",
    "MTOOLSRC": "/dev/null",
}

_FAT32_FROM = 64 << 20
_FAT16_FROM = 16 << 20
_LEAST_XFS = 300 << 20
"""xfsprogs 5.19 and later make none smaller."""

_ARGUMENTS = 200
_FORBIDDEN = frozenset('"*/:<>?\\|')


def make_vfat(
    path: Path, size: int, *, label: str, volume_id: str, files: Mapping[str, Path], work: Path
) -> None:
    """A FAT32 (below 64 MiB: FAT16, below 16: FAT12) volume in `path` with `files` by absolute path.

    `volume_id` is 8 hexadecimal digits. Raises `Missing` without mtools and dosfstools, `Refused` for a
    name FAT cannot hold, `ToolFailed` when the files do not fit.
    """
    mkfs = tools.need("mkfs.vfat", purpose="make a FAT file system")
    need_mtools()
    _allocate(path, size)
    bits = "32" if size >= _FAT32_FROM else "16" if size >= _FAT16_FROM else "12"
    # Without `--invariant` the label is dated now (dosfstools 4.2); with it, the id is always the same.
    tools.run([mkfs, "--invariant", "-F", bits, "-n", label.upper(), path], env=ENVIRONMENT)
    _set_volume_id(path, int(volume_id, 16), fat32=bits == "32")
    put_fat_files(path, 0, files, work, existing=frozenset())


def _set_volume_id(path: Path, volume_id: int, *, fat32: bool) -> None:
    """fatgen103: BS_VolID at byte 67 (FAT32) or 39; FAT32 keeps a copy of its boot sector."""
    handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        places = [39]
        if fat32:
            sector, copy = (
                struct.unpack("<H", os.pread(handle, 2, 11))[0],
                struct.unpack("<H", os.pread(handle, 2, 50))[0],
            )
            places = [67, copy * sector + 67]
        for at in places:
            os.pwrite(handle, struct.pack("<I", volume_id), at)
    finally:
        os.close(handle)


def need_mtools() -> None:
    """Raises `Missing` when mtools are not installed."""
    tools.need("mcopy", purpose="write files to a FAT file system")


def put_fat_files(
    image: Path, offset: int, files: Mapping[str, Path], work: Path, *, existing: frozenset[str]
) -> None:
    """Write files into the FAT volume at `offset` (bytes) of `image`, replacing those of the same name.

    `existing` are the directories that are there, with `/` in front and in the case they are stored.
    """
    for name in files:
        _check_fat_name(name)
    drive = f"{image}@@{offset}"
    folded = {each.casefold() for each in existing}
    new = [each for each in _directories(files) if each.casefold() not in folded]
    for some in _batches(f"::{each}" for each in new):
        _mtool("mmd", ["-i", drive, *some])
    by_folder: dict[str, dict[str, Path]] = {}
    for name, source in files.items():
        by_folder.setdefault(posixpath.dirname(name), {})[posixpath.basename(name)] = source
    for number, (folder, contents) in enumerate(sorted(by_folder.items())):
        # mcopy takes names from its sources, so these are links of the right names.
        links = work / f"fat-{number}"
        links.mkdir(parents=True)
        sources = []
        for name, source in sorted(contents.items()):
            link = links / name
            link.symlink_to(source.resolve())
            sources.append(str(link))
        for some in _batches(sources):
            _mtool("mcopy", ["-i", drive, "-o", "-Q", *some, f"::{folder.rstrip('/')}/"])


def delete_fat_files(image: Path, offset: int, names: Iterable[str]) -> None:
    """Remove files from the FAT volume at `offset` of `image`."""
    for some in _batches(f"::{name}" for name in sorted(names)):
        _mtool("mdel", ["-i", f"{image}@@{offset}", *some])


def _mtool(name: str, arguments: list[str]) -> None:
    try:
        tools.run([tools.need(name, purpose="write to a FAT file system"), *arguments], env=ENVIRONMENT)
    except ToolFailed as error:
        if "full" in error.output.lower():
            raise Refused(
                f"the FAT file system has no room for the files ({error.message})",
                hint="make its partition larger in the recipe, or leave files out",
            ) from error
        raise


def _batches(items: Iterable[str]) -> Iterable[list[str]]:
    batch: list[str] = []
    for item in items:
        batch.append(item)
        if len(batch) == _ARGUMENTS:
            yield batch
            batch = []
    if batch:
        yield batch


def _check_fat_name(path: str) -> None:
    for part in path.strip("/").split("/"):
        if not part or part in {".", ".."} or _FORBIDDEN & set(part) or not part.isprintable():
            raise Refused(f"{path!r} is no name that a FAT file system can hold")
        if len(part) > 255 or part.endswith((".", " ")):
            raise Refused(f"{path!r} is no name that a FAT file system can hold")


def _directories(files: Iterable[str]) -> list[str]:
    found: set[str] = set()
    for name in files:
        above = posixpath.dirname(name)
        while above not in {"/", ""}:
            found.add(above)
            above = posixpath.dirname(above)
    return sorted(found)


def make_xfs(
    path: Path,
    size: int,
    *,
    label: str,
    identity: str,
    files: Mapping[str, Path],
    folders: Mapping[str, int] | None = None,
    modes: Mapping[str, int] | None = None,
    links: Mapping[str, str] | None = None,
) -> None:
    """An XFS file system in `path` with `files` by absolute path; all owned by root.

    `identity` is its UUID; `folders` are further directories with their permission bits, `modes` those of
    files (by default 0644), `links` symbolic links with their targets. Raises `Missing` without xfsprogs,
    `Refused` for a size below 300 MiB or a name with blanks (mkfs.xfs cannot take it).
    """
    if size < _LEAST_XFS:
        raise Refused(
            f"an XFS file system needs {_LEAST_XFS >> 20} MiB, not {size >> 20}",
            hint="make the partition larger, or use vfat",
        )
    mkfs = tools.need("mkfs.xfs", purpose="make an XFS file system")
    _allocate(path, size)
    # The prototype's words end at blanks, so the sources get plain names in the folder mkfs runs in.
    room = path.with_name(path.name + ".sources")
    room.mkdir()
    names: dict[str, str] = {}
    for number, (name, source) in enumerate(sorted(files.items())):
        names[name] = f"f{number}"
        (room / names[name]).symlink_to(source.resolve())
    (room / "proto").write_text(_prototype(names, folders or {}, modes or {}, links or {}))
    # Spelt out, so that another version of mkfs makes the same; GRUB 2.12 reads all of these.
    tools.run(
        [
            mkfs, "-q", "-f", "-L", label, "-p", "proto",
            "-m", f"crc=1,finobt=1,rmapbt=0,reflink=1,bigtime=1,inobtcount=1,uuid={identity}",
            "-i", "size=512,sparse=1,nrext64=0", "-d", "sectsize=512,agcount=4", "-b", "size=4096",
            "-n", "size=4096,ftype=1", "-l", "internal=1,size=64m,lazy-count=1", path.resolve(),
        ],
        cwd=room,
        env=ENVIRONMENT,
        timeout=600,
    )  # fmt: skip
    shutil.rmtree(room)
    _date_inodes(path)


def _prototype(
    files: Mapping[str, str], folders: Mapping[str, int], modes: Mapping[str, int], links: Mapping[str, str]
) -> str:
    """mkfs.xfs(8), "PROTOTYPE FILE": boot image, blocks, then the tree in depth-first order."""
    below: dict[str, set[str]] = {"/": set()}

    def add(path: str) -> None:
        while path != "/":
            above = posixpath.dirname(path)
            known = above in below
            below.setdefault(above, set()).add(path)
            if known:
                return
            path = above

    for path in folders:
        if path != "/":
            below.setdefault(path, set())
            add(path)
    for path in (*files, *links):
        add(path)
    lines = ["/dev/null", "0 0", f"d--{folders.get('/', 0o755):03o} 0 0"]

    def describe(folder: str) -> None:
        for path in sorted(below[folder]):
            name = posixpath.basename(path)
            if not name or any(char.isspace() for char in name) or name == "$" or name.startswith(":"):
                raise Refused(f"mkfs.xfs cannot make a file of the name {name!r}", hint="rename it")
            if path in below:
                lines.append(f"{name} d--{folders.get(path, 0o755):03o} 0 0")
                describe(path)
                lines.append("$")
            elif path in links:
                if any(char.isspace() for char in links[path]) or not links[path]:
                    raise Refused(f"mkfs.xfs cannot make the symbolic link {path} to {links[path]!r}")
                lines.append(f"{name} l--777 0 0 {links[path]}")
            else:
                lines.append(f"{name} ---{modes.get(path, 0o644):03o} 0 0 {files[path]}")

    describe("/")
    lines.append("$")
    return "\n".join(lines) + "\n"


def _date_inodes(path: Path) -> None:
    """Set all time stamps to `EPOCH` (xfs_format.h, struct xfs_dinode, version 3 inodes; Linux 6.12)."""
    files = Xfs(FileBytes(path))
    super_ = files.superblock
    numbers = {super_.root_inode}
    for entry in walk(files):
        if isinstance(entry, Unreadable):
            raise entry.error
        numbers.add(entry.handle)
    handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        # The real-time bitmap and summary are inodes that no directory holds (superblock, bytes 64 and 72).
        numbers.update(struct.unpack(">QQ", os.pread(handle, 16, 64)))
        stamp = struct.pack(">Q", (EPOCH + (1 << 31)) * 1_000_000_000)
        for number in sorted(numbers):
            at = super_.byte_of_inode(number)
            raw = bytearray(os.pread(handle, super_.inode_size, at))
            for field in (32, 40, 48, 144):  # access, modification, change, creation
                raw[field : field + 8] = stamp
            raw[100:104] = b"\0\0\0\0"
            raw[100:104] = struct.pack("<I", crc32c(raw))
            os.pwrite(handle, raw, at)
    finally:
        os.close(handle)


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


def _allocate(path: Path, size: int) -> None:
    try:
        with path.open("wb") as file:
            file.truncate(size)
    except OSError as error:
        raise atomic.explained(error, path) from error


def identity(*names: str) -> str:
    """A UUID that depends on `names` alone (RFC 9562, version 8: an own hash)."""
    import hashlib

    digest = bytearray(hashlib.sha256("\0".join(names).encode()).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x80
    digest[8] = digest[8] & 0x3F | 0x80
    return str(uuid.UUID(bytes=bytes(digest)))
