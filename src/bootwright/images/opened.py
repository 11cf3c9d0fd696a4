"""An image on this machine: its partitions, their file systems, and what its boot loader starts."""

from __future__ import annotations

import fnmatch
import posixpath
from collections.abc import Iterator
from pathlib import Path

from attrs import field, frozen

from bootwright.bootchain.boot_config import BootEntry, BootMenu, read_extlinux, read_grub_config
from bootwright.firmware.config_txt import read_config_txt
from bootwright.formats.disks.mbr import read_partition_table
from bootwright.formats.disks.partitions import Partition, PartitionTable
from bootwright.formats.filesystems.ext4 import Ext, is_ext
from bootwright.formats.filesystems.fat import Fat, is_fat
from bootwright.formats.filesystems.filesystem import (
    Entry,
    EntryKind,
    FileSystem,
    Unreadable,
    lookup,
    read_small,
    walk,
)
from bootwright.formats.filesystems.xfs import Xfs
from bootwright.formats.filesystems.xfs_format import is_xfs
from bootwright.formats.kernel.pe import PeFile, open_section, read_pe
from bootwright.formats.os_release import read_command_line
from bootwright.formats.sources.bytesource import ByteSource, FileBytes
from bootwright.formats.sources.spool import Renamed
from bootwright.foundation.choices import no_such
from bootwright.foundation.errors import BootwrightError, Malformed, Missing, Refused
from bootwright.foundation.progress import Progress, Silent
from bootwright.images.write.raw_image import raw_image

GRUB_CONFIGS = ("/grub/grub.cfg", "/boot/grub/grub.cfg", "/boot/grub2/grub.cfg", "/EFI/*/grub.cfg")
EXTLINUX_CONFIGS = ("/extlinux/extlinux.conf", "/boot/extlinux/extlinux.conf")
UKI_FOLDER = "/EFI/Linux"
MOST_BYTES = 32 << 30
"""More than this in one file system of an image is not read."""

_MOST_TEXT = 4 << 20


@frozen(eq=False)
class Volume:
    """A partition with a file system that can be read."""

    partition: Partition
    files: FileSystem
    source: ByteSource

    @property
    def title(self) -> str:
        """How a path on it begins in manifests and options: its label, else its number."""
        return self.partition.label or str(self.partition.number)

    def path(self, name: str) -> str:
        """`BOOT:/A/vmlinuz`."""
        return f"{self.title}:{name}"


@frozen(eq=False)
class Chain:
    """One way the image boots."""

    kind: str
    """`grub`, `extlinux`, `uki` or `firmware` (config.txt names the kernel itself)."""
    volume: Volume
    """Where kernel and initramfs, or the UKI, lie."""
    config: tuple[Volume, str] | None
    """The file with the command line; None for a UKI, which holds its own."""
    entry: BootEntry | None
    kernel: str | None
    """Path on the volume."""
    initramfs: tuple[str, ...]
    uki: str | None = None
    arguments: str = ""


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
            raise Refused(f"{text!r} is no place in an image", hint="write it as PARTITION:/path")
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
        for volume in self.volumes:
            if lookup(volume.files, "/config.txt") is not None:
                return volume
        return None

    def chains(self, *, every: bool = False) -> list[Chain]:
        """The ways it boots, the one most certain to be taken first; raises `Malformed`.

        Of a menu only the entry that is started by itself, unless `every` (Talos has one each for A and B).
        """
        found: list[Chain] = []
        for volume in self.volumes:
            found += _grub(self, volume, every=every)
            found += _extlinux(volume, every=every)
            found += _ukis(volume)
        return found or _firmware(self)

    def chain(self) -> Chain:
        """The way it boots; raises `Missing` where none is found."""
        chains = self.chains()
        if not chains:
            raise Missing(
                f"{self.path}: no boot configuration was found",
                hint="GRUB, extlinux, UKIs in EFI/Linux and config.txt with its own kernel are known",
            )
        return chains[0]


def open_image(path: Path, progress: Progress | None = None) -> OpenImage:
    """A compressed image is expanded into the cache; raises `Malformed` for what is no disk image."""
    source = FileBytes(path)
    if not len(source):
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


def _matches(volume: Volume, patterns: tuple[str, ...]) -> Iterator[str]:
    for pattern in patterns:
        if "*" not in pattern:
            if lookup(volume.files, pattern) is not None:
                yield pattern
            continue
        folder = lookup(volume.files, pattern.split("/*", 1)[0])
        for entry in walk(volume.files, start=folder) if folder is not None else ():
            if isinstance(entry, Entry) and fnmatch.fnmatch(entry.path.lower(), pattern.lower()):
                yield entry.path


def _text(volume: Volume, path: str) -> bytes:
    return read_small(volume.files, path, _MOST_TEXT) or b""


def _entries(menu: BootMenu, *, every: bool) -> list[BootEntry]:
    """The entry that is started by itself, then (with `every`) those a user may choose."""
    first = menu.started()
    others = [entry for entry in menu.entries if entry is not first] if every else []
    return [entry for entry in (first, *others) if entry is not None and entry.kernel is not None]


def _holder(image: OpenImage, first: Volume, path: str) -> Volume:
    """The volume that has the file: the configuration's own, or the one GRUB's `search` would find."""
    return next((each for each in (first, *image.volumes) if lookup(each.files, path) is not None), first)


def _grub(image: OpenImage, volume: Volume, *, every: bool) -> Iterator[Chain]:
    for path in _matches(volume, GRUB_CONFIGS):
        menu = read_grub_config(
            _text(volume, path),
            volume.path(path),
            load=lambda name: read_small(volume.files, name, _MOST_TEXT),
            folder=posixpath.dirname(path),
        )
        for entry in _entries(menu, every=every):
            kernel = _without_device(entry.kernel or "")
            initrds = tuple(_without_device(each) for each in entry.initrds)
            holder = _holder(image, volume, kernel)
            yield Chain("grub", holder, (volume, path), entry, kernel, initrds, arguments=entry.arguments)


def _extlinux(volume: Volume, *, every: bool) -> Iterator[Chain]:
    for path in _matches(volume, EXTLINUX_CONFIGS):
        menu = read_extlinux(_text(volume, path), volume.path(path))
        folder = posixpath.dirname(path)
        for entry in _entries(menu, every=every):
            # U-Boot loads everything from the partition that holds the file.
            kernel = posixpath.normpath(posixpath.join(folder, entry.kernel or ""))
            initrds = tuple(posixpath.normpath(posixpath.join(folder, each)) for each in entry.initrds)
            yield Chain("extlinux", volume, (volume, path), entry, kernel, initrds, arguments=entry.arguments)


def _ukis(volume: Volume) -> Iterator[Chain]:
    folder = lookup(volume.files, UKI_FOLDER)
    if folder is None or folder.kind is not EntryKind.DIRECTORY:
        return
    # systemd-boot takes the entry that sorts last by version (UAPI.10); names serve where versions do not.
    for entry in sorted(volume.files.children(folder), key=lambda each: each.path, reverse=True):
        if entry.kind is EntryKind.FILE and entry.path.lower().endswith(".efi"):
            source = volume.files.open(entry)
            headers = read_pe(source)
            if headers.is_uki:
                text = section_bytes(source, headers, ".cmdline").rstrip(b"\0\n")
                arguments = text.decode("utf-8", "replace").strip()
                yield Chain("uki", volume, None, None, None, (), uki=entry.path, arguments=arguments)


def section_bytes(source: ByteSource, headers: PeFile, name: str) -> bytes:
    """The bytes of a UKI's section; empty where it has none."""
    section = headers.section(name)
    return open_section(source, section).read(0, section.size) if section is not None else b""


def _firmware(image: OpenImage) -> list[Chain]:
    """A config.txt that names a kernel itself, as Raspberry Pi OS has it."""
    volume = image.config_txt()
    if volume is None:
        return []
    config = read_config_txt(
        _text(volume, "/config.txt"),
        volume.path("/config.txt"),
        load=lambda name: read_small(volume.files, f"/{name}"),
    )
    names = [each.value for each in config.values("kernel")] + ["kernel_2712.img", "kernel8.img"]
    kernel = next((f"/{each}" for each in names if lookup(volume.files, f"/{each}") is not None), None)
    if kernel is None:
        return []
    initrds = tuple(
        f"/{each.value.split()[0]}"
        for each in (*config.values("initramfs"), *config.values("ramfsfile"))
        if each.value
    )[-1:]
    name = next((each.value for each in config.values("cmdline")), "cmdline.txt")
    arguments = _text(volume, f"/{name}").decode("utf-8", "replace").strip()
    return [Chain("firmware", volume, (volume, f"/{name}"), None, kernel, initrds, arguments=arguments)]


def _without_device(path: str) -> str:
    """`($root)/A/vmlinuz` and `(hd0,gpt3)/A/vmlinuz` are `/A/vmlinuz` on some volume."""
    if path.startswith("("):
        path = path.partition(")")[2]
    return path if path.startswith("/") else f"/{path}"


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
                hint="it tries to write elsewhere; do not trust it",
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
    return [str(each) for each in read_command_line(text)]
