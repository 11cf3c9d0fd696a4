"""An image on this machine: its partitions, their file systems, and what its boot loader starts."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from pathlib import Path

from attrs import field, frozen

from bootwright.boards.model import Board
from bootwright.bootchain.chains import chains
from bootwright.bootchain.model import Chain, started
from bootwright.bootchain.raspberrypi import config_volume
from bootwright.bootchain.volumes import place, title_of
from bootwright.formats.disks.mbr import read_partition_table
from bootwright.formats.disks.partitions import Partition, PartitionTable
from bootwright.formats.filesystems.ext4 import Ext, is_ext
from bootwright.formats.filesystems.fat import Fat, is_fat
from bootwright.formats.filesystems.filesystem import Entry, EntryKind, FileSystem, Unreadable, walk
from bootwright.formats.filesystems.xfs import Xfs
from bootwright.formats.filesystems.xfs_format import is_xfs
from bootwright.formats.os_release import read_command_line
from bootwright.formats.sources.bytesource import ByteSource, FileBytes
from bootwright.formats.sources.spool import Renamed
from bootwright.foundation.choices import no_such
from bootwright.foundation.errors import BootwrightError, Malformed, Missing, Refused
from bootwright.foundation.progress import Progress, Silent
from bootwright.images.write.raw_image import raw_image

MOST_BYTES = 32 << 30
"""More than this in one file system of an image is not read."""


@frozen(eq=False)
class Volume:
    """A partition with a file system that can be read."""

    partition: Partition
    files: FileSystem
    source: ByteSource

    @property
    def title(self) -> str:
        """How a path on it begins in manifests and options: its label, else its number."""
        return title_of(self.partition)

    def path(self, name: str) -> str:
        """`BOOT:/A/vmlinuz`."""
        return place(self, name)


@frozen(eq=False)
class OpenImage:
    """A disk image; make one with `open_image`."""

    path: Path
    source: ByteSource
    table: PartitionTable
    volumes: tuple[Volume, ...]
    raw: Path
    """The bytes themselves: `path`, or its expanded form in the cache."""
    problems: tuple[str, ...] = field(factory=tuple)
    """Partitions whose file system is there and cannot be read."""

    def volume(self, title: str) -> Volume:
        """By label or number; raises `Refused`."""
        for volume in self.volumes:
            if title in {volume.title, str(volume.partition.number)}:
                return volume
        message = f"{self.path} has no partition {title!r} that can be read"
        raise no_such(message, title, [volume.title for volume in self.volumes], kind="partitions")

    def place(self, text: str) -> tuple[Volume, str]:
        """`BOOT:/A/vmlinuz` → volume and path; raises `Refused` for another form."""
        title, colon, name = text.partition(":")
        if not colon or not name.startswith("/") or ".." in name.split("/"):
            raise Refused(f"{text!r} is not a place in an image", hint="write it as PARTITION:/path")
        return self.volume(title), posixpath.normpath(name)

    def trees(self) -> Iterator[tuple[Volume, Entry]]:
        """The devicetree blobs and overlays on its volumes."""
        for volume in self.volumes:
            for entry in walk(volume.files):
                if isinstance(entry, Unreadable) or entry.kind is not EntryKind.FILE:
                    continue
                if entry.path.lower().endswith((".dtb", ".dtbo")):
                    yield volume, entry

    def config_txt(self) -> Volume | None:
        """The volume with the Raspberry Pi's config.txt."""
        config = config_volume(self.volumes)
        return next((volume for volume in self.volumes if volume is config), None)

    def chains(self, board: Board | None = None) -> tuple[Chain, ...]:
        """The ways it boots, what starts by itself first; raises `Malformed`."""
        return chains(self.volumes, board)

    def chain(self, board: Board | None = None) -> Chain:
        """The way it boots by itself.

        Raises `Missing` where none is found, `Refused` where that depends on the board, or is not known.
        """
        chains = started(self.chains(board))
        if not chains:
            raise Missing(
                f"{self.path}: no boot configuration was found",
                hint="GRUB, extlinux, boot scripts, loader entries, UKIs and config.txt are known",
            )
        if len(chains) > 1:
            answers = "; ".join(
                f"{chain.kernel.place if chain.kernel else chain.name} on {', '.join(chain.boards)}"
                for chain in chains
            )
            raise Refused(f"{self.path}: what boots depends on the board: {answers}", hint="give --board")
        if chains[0].kernel is None:
            raise Refused(f"{self.path}: {'; '.join(chains[0].unknown)}", hint="name the files with --file")
        return chains[0]


def open_image(path: Path, progress: Progress | None = None) -> OpenImage:
    """A compressed image is expanded into the cache; raises `Malformed` for what is not a disk image."""
    source = FileBytes(path)
    if not source.size:
        raise Malformed(str(path), 0, "a disk image", "an empty file")
    raw = raw_image(path, source, progress or Silent())
    whole: ByteSource = source if raw == path else Renamed(FileBytes(raw), f"{path} (expanded)")
    table = read_partition_table(whole)
    volumes: list[Volume] = []
    problems: list[str] = []
    for partition in table.partitions:
        try:
            inside = partition.open(whole)
            files = _file_system(inside)
        except BootwrightError as error:
            problems.append(error.message)
            continue
        if files is not None:
            volumes.append(Volume(partition, files, inside))
    return OpenImage(path, whole, table, tuple(volumes), raw, tuple(problems))


def _file_system(source: ByteSource) -> FileSystem | None:
    if is_xfs(source):
        return Xfs(source)
    if is_ext(source):
        return Ext(source)
    if is_fat(source):
        return Fat(source)
    return None


def all_files(files: FileSystem, *, limit: int = MOST_BYTES) -> Iterator[Entry]:
    """Every entry of a file system, parents first; raises the error of the first part that cannot be read.

    Also raises `Malformed` for a name that leads elsewhere, and `Refused` where the files say that they hold
    more than `limit` bytes together: sparse or compressed, so much could never be read.
    """
    total = 0
    for entry in walk(files):
        if isinstance(entry, Unreadable):
            raise entry.error
        if entry.name in {".", ".."}:
            raise Malformed(
                files.name,
                None,
                "names below the root",
                repr(entry.path[:80]),
                hint="it tries to write outside its root; do not trust it",
            )
        total += entry.size
        if total > limit:
            raise Refused(
                f"{files.name}: its files hold more than {limit >> 30} GiB together",
                hint="a decompression bomb?",
            )
        yield entry


def argument_names(text: str) -> list[str]:
    """The arguments of a command line, as text."""
    return [str(argument) for argument in read_command_line(text)]
