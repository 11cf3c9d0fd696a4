"""Where two disk images differ: file by file, each with the differences inside it that can be mixed
separately."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import define, field

from bootwright.bootchain.after_firmware import board_chains
from bootwright.bootchain.model import Chain, Part
from bootwright.bootchain.volumes import place
from bootwright.formats.filesystems.filesystem import Entry, EntryKind, walk
from bootwright.formats.sources.bytesource import ByteSource
from bootwright.foundation.errors import BootwrightError, Refused
from bootwright.images.change.edits import EDITORS
from bootwright.images.opened import OpenImage, Volume
from bootwright.isolate.files import (
    LoaderConfig,
    Mixed,
    TextFile,
    UkiFile,
    WholeFile,
    initramfs_file,
    tree_file,
    uki_file,
)

_WRITABLE = {"vfat", "xfs", "ext4"}
_CHUNK = 4 << 20
_MOST_FILE = 1 << 30


@define
class Compared:
    """What differs between two images."""

    files: dict[str, Mixed] = field(factory=dict)
    """By place in the good image: `BOOT:/A/vmlinuz`."""
    renamed: dict[str, str] = field(factory=dict)
    """Places that the bad image calls otherwise: the good one's → the bad one's."""
    notes: list[str] = field(factory=list)
    """What differs and cannot be mixed."""
    remarks: list[str] = field(factory=list)
    """What is taken whole, and why."""


def compare(good: OpenImage, bad: OpenImage) -> Compared:
    """Every file that differs, kernel and initramfs by what they are. Raises a `BootwrightError`."""
    comparison = _Comparison(good, bad)
    comparison.run()
    return comparison.to


@define
class _Comparison:
    good: OpenImage
    bad: OpenImage
    to: Compared = field(factory=Compared)
    _good_chain: Chain | None = None
    _bad_chain: Chain | None = None

    def run(self) -> None:
        self._good_chain = next(iter(_chains(self.good)), None)
        self._bad_chain = _counterpart(self._good_chain, _chains(self.bad))
        self.to.notes.extend(f"not mixed: {problem}" for problem in (*self.good.problems, *self.bad.problems))
        others = {volume.title: volume for volume in self.bad.volumes}
        for volume in self.good.volumes:
            other = others.pop(volume.title, None)
            if other is None:
                self.to.notes.append(f"not mixed: the bad image has no partition {volume.title}")
            else:
                self._volumes(volume, other)
        self.to.notes.extend(f"not mixed: the good image has no partition {title}" for title in others)
        self._raw_partitions()

    def _volumes(self, good: Volume, bad: Volume) -> None:
        ours, theirs = self._regular(good), self._regular(bad)
        renamed = self._renamed(good)
        self.to.renamed |= {good.path(ours): bad.path(theirs) for theirs, ours in renamed.items()}
        pairs: dict[str, tuple[Entry | None, Entry | None]] = {
            name: (entry, None) for name, entry in ours.items()
        }
        for name, entry in theirs.items():
            place = renamed.get(name, name)
            pairs[place] = (pairs.get(place, (None, None))[0], entry)
        different = [
            (name, a, b)
            for name, (a, b) in sorted(pairs.items())
            if a is None or b is None or not _same(good.files.open(a), bad.files.open(b))
        ]
        if different and good.files.type not in _WRITABLE:
            self.to.notes.append(
                f"not mixed: {len(different)} files of {good.title}, which is {good.files.type} "
                f"({', '.join(name for name, _, _ in different[:3])}, …)"
            )
            return
        for name, a, b in different:
            place = good.path(name)
            before = _bytes(good, a) if a is not None else None
            after = _bytes(bad, b) if b is not None else None
            self.to.files[place] = self._mixed(good, name, before, after)

    def _regular(self, volume: Volume) -> dict[str, Entry]:
        regular = {}
        for entry in walk(volume.files):
            if not isinstance(entry, Entry):
                self.to.notes.append(f"not mixed: {volume.path(entry.path)}: {entry.error.message}")
            elif entry.kind is EntryKind.FILE:
                regular[entry.path] = entry
        return regular

    def _mixed(self, volume: Volume, name: str, good: bytes | None, bad: bytes | None) -> Mixed:
        place, kind = volume.path(name), self._kind(volume, name)
        if good is None or bad is None:
            return WholeFile(kind, good, bad)
        chain, other = self._good_chain, self._bad_chain
        if kind == "boot menu" and chain is not None and other is not None:
            return LoaderConfig(
                chain.kind, good, self._with_our_names(bad), chain.arguments, other.arguments, place
            )
        if kind == "UKI":
            mixed = uki_file(good, bad, place)
            self.to.remarks += mixed.remarks if isinstance(mixed, UkiFile) else []
            return mixed
        if kind == "initramfs":
            parts, reason = initramfs_file(good, bad, place)
            self.to.remarks += [f"taken whole: {reason}"] if reason is not None else []
            return parts
        if kind == "config.txt":
            return TextFile(kind, good, bad)
        if kind in {"dtb", "overlays"}:
            return tree_file(kind, good, bad, place)
        return WholeFile(kind, good, bad)

    def _kind(self, volume: Volume, name: str) -> str:
        for chain in (self._good_chain, self._bad_chain):
            if chain is None:
                continue
            place = volume.path(name)
            if chain.uki is not None and place == chain.uki.place:
                return "UKI"
            if chain.kernel is not None and place == chain.kernel.place:
                return "kernel"
            if place in {part.place for part in chain.initramfs}:
                return "initramfs"
        for chain in (self._good_chain, self._bad_chain):
            if (
                chain
                and chain.kind in EDITORS
                and chain.config
                and (chain.config[0].title, chain.config[1]) == (volume.title, name)
            ):
                return "boot menu"
        return _kind_of_name(name)

    def _renamed(self, volume: Volume) -> dict[str, str]:
        """Where the bad image calls its kernel, initramfs or UKI otherwise: its name → the good one's."""
        ours, theirs = self._good_chain, self._bad_chain
        if ours is None or theirs is None:
            return {}
        pairs: list[tuple[Part | None, Part | None]] = [(theirs.uki, ours.uki)]
        if ours.uki is None and theirs.uki is None:
            pairs += [(theirs.kernel, ours.kernel), *zip(theirs.initramfs, ours.initramfs, strict=False)]
        return {
            a.path: b.path
            for a, b in pairs
            if a is not None
            and b is not None
            and a.path != b.path
            and a.volume.title == b.volume.title == volume.title
        }

    def _with_our_names(self, config: bytes) -> bytes:
        """The bad image's configuration with the names that kernel and initramfs have in the mixtures."""
        for volume in self.good.volumes:
            for theirs, ours in self._renamed(volume).items():
                config = config.replace(theirs.encode(), ours.encode())
        return config

    def _raw_partitions(self) -> None:
        mounted = {volume.partition.number for volume in self.good.volumes}
        others = {partition.number: partition for partition in self.bad.table.partitions}
        for partition in self.good.table.partitions:
            other = others.get(partition.number)
            if partition.number in mounted or other is None:
                continue
            if not _same(partition.open(self.good.source), other.open(self.bad.source)):
                title = partition.label or str(partition.number)
                self.to.notes.append(f"not mixed: partition {title}, which has no readable file system")


_NAMES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("dtb", (".dtb",)),
    ("overlays", (".dtbo", "overlay_map.dtb", "/overlays/readme")),
    ("config.txt", ("/config.txt",)),
    ("command line", ("/cmdline.txt",)),
    ("firmware", (".elf", ".dat", "bootcode.bin", "armstub8-2712.bin", "recovery.bin", "pieeprom.upd")),
    ("boot loader", (".efi", "u-boot.bin", ".mod", ".lst", "/grubenv")),
)


def _kind_of_name(name: str) -> str:
    lower = name.lower()
    return next((kind for kind, ends in _NAMES if lower.endswith(ends)), "other files")


def _chains(image: OpenImage) -> list[Chain]:
    """How it boots; then what its boot loaders would start if they were reached, which they may not be."""
    chains: list[Chain] = []
    for ask in (image.chains, lambda: board_chains(image.volumes)):
        try:
            chains += ask()
        except BootwrightError:
            continue
    return chains


def _counterpart(good: Chain | None, bad: list[Chain]) -> Chain | None:
    """The bad image's chain that is mixed with the good one's: of the same configuration, or kind."""
    if good is None:
        return next(iter(bad), None)
    config = place(*good.config) if good.config else None
    same = [chain for chain in bad if config and chain.config and place(*chain.config) == config]
    return next(iter((*same, *(chain for chain in bad if chain.kind == good.kind), *bad)), None)


def _bytes(volume: Volume, entry: Entry) -> bytes:
    if entry.size > _MOST_FILE:
        raise Refused(
            f"{volume.path(entry.path)} has {entry.size} bytes, more than isolate can mix ({_MOST_FILE})"
        )
    source = volume.files.open(entry)
    return source.read(0, source.size)


def _chunks(source: ByteSource) -> Iterator[bytes]:
    for start in range(0, source.size, _CHUNK):
        yield source.read(start, min(_CHUNK, source.size - start))


def _same(source: ByteSource, other: ByteSource) -> bool:
    return source.size == other.size and all(
        a == b for a, b in zip(_chunks(source), _chunks(other), strict=True)
    )
