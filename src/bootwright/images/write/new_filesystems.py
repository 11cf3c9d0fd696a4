"""Makes FAT file systems in files by mtools, without root; and what XFS and ext4 share with them.

Times are fixed, ids are given, files are written in the order of their paths.
"""

from __future__ import annotations

import os
import posixpath
import struct
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path

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
    allocate(path, size)
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
    folded = {folder.casefold() for folder in existing}
    new = [folder for folder in _directories(files) if folder.casefold() not in folded]
    for some in _batches(f"::{folder}" for folder in new):
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
                f"no space for the files in the FAT file system ({error.message})",
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
            raise Refused(f"{path!r} is not a name that FAT can store")
        if len(part) > 255 or part.endswith((".", " ")):
            raise Refused(f"{path!r} is not a name that FAT can store")


def _directories(files: Iterable[str]) -> list[str]:
    folders: set[str] = set()
    for name in files:
        above = posixpath.dirname(name)
        while above not in {"/", ""}:
            folders.add(above)
            above = posixpath.dirname(above)
    return sorted(folders)


def allocate(path: Path, size: int) -> None:
    """An empty file of `size` bytes, all of it a hole; raises `Missing` for a full disk."""
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
