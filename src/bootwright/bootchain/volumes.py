"""The volumes a boot chain is read from, and how firmware tells which of them it looks at.

A volume is a file system with the partition it lies on. It may come from an opened disk image, or from an
artifact that was explored (a directory and an archive are one volume without a partition).
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from typing import Protocol

from attrs import frozen

from bootwright.formats.disks.partitions import Partition
from bootwright.formats.filesystems.filesystem import Entry, EntryKind, FileSystem, lookup
from bootwright.formats.sources.bytesource import ByteSource
from bootwright.foundation.errors import BootwrightError, Malformed

MOST_TEXT = 4 << 20
"""Bytes; a configuration file larger than this is refused."""

ESP_TYPES = frozenset({"c12a7328-f81f-11d2-ba4b-00a0c93ec93b", "0xef"})
"""EFI system partition: GPT type GUID (UEFI 2.10, table 5.7) and MBR type byte."""

XBOOTLDR_TYPES = frozenset({"bc13c2ff-59e6-4262-a352-b275fd6f7172", "0xea"})
"""Extended boot loader partition (Boot Loader Specification, section "The Partitions")."""

LEGACY_BOOT = 1 << 2
"""GPT attribute "legacy BIOS bootable" (UEFI 2.10, table 5.8)."""

_ACTIVE = 0x80
"""Status byte of an MBR entry that is marked bootable."""


class Volume(Protocol):
    """A file system that a boot loader may read."""

    @property
    def partition(self) -> Partition | None:
        """Where it lies; None for a directory, an archive or a bare file system."""
        ...

    @property
    def files(self) -> FileSystem:
        """Its files."""
        ...

    @property
    def title(self) -> str:
        """How a path on it begins: its partition's label, else its number; empty without a partition."""
        ...


@frozen(eq=False)
class PlainVolume:
    """A volume by its two parts."""

    files: FileSystem
    partition: Partition | None = None

    @property
    def title(self) -> str:
        """See `Volume.title`."""
        return title_of(self.partition)


def title_of(partition: Partition | None) -> str:
    """How a path on the partition begins."""
    return "" if partition is None else partition.label or str(partition.number)


def place(volume: Volume, path: str) -> str:
    """`BOOT:/A/vmlinuz`; the path alone where the volume has no partition."""
    return f"{volume.title}:{path}" if volume.title else path


def entry_at(volume: Volume, path: str) -> Entry | None:
    """The entry at a path, symlinks followed; None where there is none.

    A directory or archive of a FAT volume's files has lost that case does not matter there, so that without
    a partition a name in another case is found too.
    """
    exact = lookup(volume.files, path)
    if exact is not None or volume.partition is not None or volume.files.folds_case:
        return exact
    current = volume.files.root()
    for part in path.split("/"):
        if part in {"", "."}:
            continue
        if current.kind is not EntryKind.DIRECTORY:
            return None
        names = [entry for entry in volume.files.children(current) if entry.name.lower() == part.lower()]
        if len(names) != 1:
            return None
        current = names[0]
    return current if current.kind in {EntryKind.FILE, EntryKind.DIRECTORY} else None


def file_at(volume: Volume, path: str) -> Entry | None:
    """The same for a regular file."""
    entry = entry_at(volume, path)
    return entry if entry is not None and entry.kind is EntryKind.FILE else None


def open_at(volume: Volume, path: str) -> ByteSource | None:
    """The bytes of the file at a path; None where there is none."""
    entry = file_at(volume, path)
    return volume.files.open(entry) if entry is not None else None


def text_at(volume: Volume, path: str) -> bytes | None:
    """A small file; None where there is none. Raises `Malformed` for one of more than 4 MiB."""
    source = open_at(volume, path)
    if source is None:
        return None
    if source.size > MOST_TEXT:
        raise Malformed(source.name, None, f"at most {MOST_TEXT} bytes of text", f"{source.size} bytes")
    return source.read(0, source.size)


def text_or_none(volume: Volume, path: str) -> bytes | None:
    """The same; None also for a file that cannot be read, as a loader goes on without it."""
    try:
        return text_at(volume, path)
    except BootwrightError:
        return None


def files_in(volume: Volume, folder: str, suffix: str) -> list[Entry]:
    """The regular files of a folder whose names end so, in whatever case, sorted by path."""
    directory = entry_at(volume, folder)
    if directory is None or directory.kind is not EntryKind.DIRECTORY:
        return []
    names = [entry for entry in volume.files.children(directory) if entry.name.lower().endswith(suffix)]
    resolved = [file_at(volume, name.path) for name in sorted(names, key=lambda entry: entry.path)]
    return [entry for entry in resolved if entry is not None]


def below(folder: str, path: str) -> str:
    """A path as a configuration in `folder` means it: absolute on its volume, or beside the configuration."""
    return "/" + posixpath.normpath(posixpath.join("/", folder, path)).lstrip("/")


def absolute(path: str) -> str:
    """A path on its volume, however it is written (`EFI\\Linux\\x.efi` too)."""
    return below("/", path.replace("\\", "/"))


def efi_volumes(volumes: Sequence[Volume]) -> list[Volume]:
    """Those where UEFI looks for a program to start: EFI system partitions, then any other FAT volume.

    Files without a partition are taken for whatever they hold.
    """
    able = [volume for volume in volumes if volume.partition is None or volume.files.type == "vfat"]
    return sorted(able, key=lambda volume: not is_esp(volume))


def is_esp(volume: Volume) -> bool:
    """Whether its partition is of the type EFI system."""
    return volume.partition is not None and volume.partition.type in ESP_TYPES


def is_xbootldr(volume: Volume) -> bool:
    """Whether its partition is of the type extended boot loader."""
    return volume.partition is not None and volume.partition.type in XBOOTLDR_TYPES


def flagged_bootable(volume: Volume) -> bool:
    """Whether U-Boot counts its partition as bootable.

    GPT: the attribute "legacy BIOS bootable", or the type EFI system (disk/part_efi.c get_bootable, U-Boot
    2024.10); MBR: the active flag, or the type EFI system (disk/part_dos.c get_bootable).
    """
    partition = volume.partition
    if partition is None or is_esp(volume):
        return True
    if partition.type.startswith("0x"):
        return partition.attributes == _ACTIVE
    return bool(partition.attributes & LEGACY_BOOT)


def numbered(volumes: Sequence[Volume], number: int) -> Volume | None:
    """The volume on partition `number`."""
    fitting = (
        volume for volume in volumes if volume.partition is not None and volume.partition.number == number
    )
    return next(fitting, None)


def holders(volumes: Sequence[Volume], path: str) -> Iterator[Volume]:
    """The volumes that have a file at the path."""
    return (volume for volume in volumes if file_at(volume, path) is not None)
