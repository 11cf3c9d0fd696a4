"""Mixtures of two disk images: what differs, part by part and inside the parts, and images made of a choice.

The good image is the base: its partitions stay, files of the bad one take the place of its own. Written by
`images.swap`, in a copy. What cannot be mixed (a partition without a file system, one that cannot be written)
is told, and then the bad image itself is never taken for the mixture of everything.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from attrs import define, field, frozen

from bootwright.artifacts.bytesource import ByteSource
from bootwright.artifacts.filesystem import Entry, EntryKind, walk
from bootwright.foundation.atomic import write_bytes
from bootwright.foundation.errors import BootwrightError, Refused
from bootwright.foundation.progress import Progress, Silent
from bootwright.images.changes import Changes
from bootwright.images.manifest_model import beside
from bootwright.images.opened import Chain, OpenImage, Volume, open_image
from bootwright.images.swap import swap
from bootwright.investigate.isolate_files import (
    WHOLE,
    LoaderConfig,
    Mixed,
    Piece,
    TextFile,
    UkiFile,
    WholeFile,
    initramfs_file,
    tree_file,
    uki_file,
)
from bootwright.investigate.isolate_model import Element

_WRITABLE = {"vfat", "xfs", "ext4"}
_CHUNK = 4 << 20
_MOST_FILE = 1 << 30
_TOGETHER = "kernel and its modules"


@frozen
class _Leaf:
    """A piece of a file at a place of the good image."""

    place: str
    piece: Piece


@define
class ImageHybrids:
    """See `isolate_model.Hybrids`. Both images are raw files; `room` is for what is made on the way."""

    good: Path
    bad: Path
    room: Path
    progress: Progress = field(factory=Silent)
    notes: list[str] = field(factory=list)
    """What differs and cannot be mixed."""
    remarks: list[str] = field(factory=list)
    """What is taken whole, and why."""
    _files: dict[str, Mixed] = field(factory=dict)
    _children: dict[str, list[str]] = field(factory=dict)
    _leaves: dict[str, list[_Leaf]] = field(factory=dict)
    _kinds: dict[str, str] = field(factory=dict)
    _needs: dict[str, frozenset[str]] = field(factory=dict)
    _with_kernel: set[str] = field(factory=set)
    """Elements that travel with the kernel, and the kernel itself."""
    _renamed: dict[str, str] = field(factory=dict)
    """Places that the bad image calls otherwise: the good one's → the bad one's."""

    def __attrs_post_init__(self) -> None:
        good, bad = open_image(self.good), open_image(self.bad)
        _Comparison(self, good, bad).run()
        self._grow()

    @property
    def complete(self) -> bool:
        """Whether the mixture of everything is the bad image."""
        return not self.notes

    def elements(self) -> Sequence[Element]:
        """See `Hybrids.elements`."""
        tops = [name for name in self._leaves if name == self._kinds[name]]
        return [self._element(name) for name in tops]

    def inside(self, element: Element) -> Sequence[Element]:
        """See `Hybrids.inside`."""
        return [self._element(name) for name in self._children.get(element.name, ())]

    def build(self, from_bad: frozenset[str], out: Path) -> None:
        """See `Hybrids.build`."""
        files, removed = self._changed(from_bad, self.room / "parts")
        if not files and not removed:
            raise Refused("nothing is taken from the bad image", hint="use the good image itself")
        swap(self.good, out, Changes(files=files, removed=removed), progress=Silent())
        beside(out).unlink(missing_ok=True)

    def mend(self, culprit: frozenset[str]) -> str:
        """See `Hybrids.mend`; the files it needs are written to `room`/mend."""
        rest = frozenset(self._leaves) - self._covered(culprit)
        chosen = frozenset(leaf for name in rest if name not in self._children for leaf in self._leaves[name])
        words = ["bootwright", "image", "swap", str(self.bad)]
        for place in sorted({leaf.place for name in culprit for leaf in self._leaves[name]}):
            pieces = frozenset(leaf.piece for leaf in chosen if leaf.place == place)
            content = self._files[place].content(pieces)
            there = self._renamed.get(place, place)
            if content is None:
                words += ["--remove", there]
                continue
            if isinstance(self._files[place], LoaderConfig):
                for ours, theirs in self._renamed.items():
                    content = content.replace(
                        ours.partition(":")[2].encode(), theirs.partition(":")[2].encode()
                    )
            path = self.room / "mend" / place.replace(":", "").replace("/", "_").strip("_")
            write_bytes(path, content)
            words += ["--file", f"{there}={path}"]
        return shlex.join([*words, "-o", "mended.img"])

    def _covered(self, names: frozenset[str]) -> frozenset[str]:
        """`names` with everything inside them and everything they are all of."""
        leaves = {leaf for name in names for leaf in self._leaves[name]}
        return frozenset(name for name, own in self._leaves.items() if set(own) & leaves)

    def _changed(
        self, from_bad: frozenset[str], room: Path
    ) -> tuple[tuple[tuple[str, Path], ...], tuple[str, ...]]:
        chosen: dict[str, set[Piece]] = {}
        for name in from_bad:
            for leaf in self._leaves[name]:
                chosen.setdefault(leaf.place, set()).add(leaf.piece)
        files: list[tuple[str, Path]] = []
        removed: list[str] = []
        for number, (place, pieces) in enumerate(sorted(chosen.items())):
            before = self._files[place].content(frozenset())
            content = self._files[place].content(frozenset(pieces))
            if content is None:
                removed += [place] if before is not None else []
            elif content != before:
                path = room / f"part-{number}"
                write_bytes(path, content)
                files.append((place, path))
        return tuple(files), tuple(removed)

    def _element(self, name: str) -> Element:
        kind = self._kinds[name]
        group = _TOGETHER if name in self._with_kernel else None
        return Element(name, kind, group, self._needs.get(name, frozenset()))

    @property
    def finest(self) -> int:
        """How many differences there are at the finest."""
        return len({leaf for leaves in self._leaves.values() for leaf in leaves})

    def places(self, name: str) -> frozenset[str]:
        """Where in the good image the differences of an element are: `BOOT:/A/vmlinuz`."""
        return frozenset(leaf.place for leaf in self._leaves.get(name, ()))

    def _grow(self) -> None:
        """The tree of names: kind, then file where there are several, then piece."""
        by_kind: dict[str, dict[str, list[Piece]]] = {}
        for place, mixed in self._files.items():
            for piece in mixed.pieces():
                by_kind.setdefault(piece.kind, {}).setdefault(place, []).append(piece)
        for kind, places in by_kind.items():
            self._name(kind, kind, [_Leaf(place, piece) for place, some in places.items() for piece in some])
            split = len(places) > 1
            for place, pieces in places.items():
                above = kind
                if split:
                    above = f"{kind}: {place.rpartition('/')[2]}"
                    above = above if above not in self._leaves else f"{kind}: {place}"
                    self._name(above, kind, [_Leaf(place, piece) for piece in pieces])
                    self._children.setdefault(kind, []).append(above)
                for piece in pieces:
                    if piece.name != WHOLE and (split or len(places) == 1):
                        name = f"{above}: {piece.name}"
                        self._name(name, kind, [_Leaf(place, piece)])
                        self._children.setdefault(above, []).append(name)
                        if piece.needs:
                            self._needs[name] = frozenset(f"{above}: {each}" for each in piece.needs)

        self._travel()

    def _travel(self) -> None:
        """A kernel takes only modules of its own build: what holds them comes and goes with it."""
        holding = {
            name for name, leaves in self._leaves.items() if any(leaf.piece.with_kernel for leaf in leaves)
        }
        if holding and "kernel" in self._leaves:
            self._with_kernel = holding | {name for name, kind in self._kinds.items() if kind == "kernel"}

    def _name(self, name: str, kind: str, leaves: list[_Leaf]) -> None:
        self._leaves[name] = leaves
        self._kinds[name] = kind


@define
class _Comparison:
    """Finds what differs and enters it into the hybrids."""

    to: ImageHybrids
    good: OpenImage
    bad: OpenImage
    _good_chain: Chain | None = None
    _bad_chain: Chain | None = None

    def run(self) -> None:
        self._good_chain, self._bad_chain = _chain(self.good), _chain(self.bad)
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
        self.to._renamed |= {good.path(ours): bad.path(theirs) for theirs, ours in renamed.items()}  # noqa: SLF001
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
            self.to._files[place] = self._mixed(good, name, before, after)  # noqa: SLF001 - one thing in two classes

    def _regular(self, volume: Volume) -> dict[str, Entry]:
        found = {}
        for entry in walk(volume.files):
            if not isinstance(entry, Entry):
                self.to.notes.append(f"not mixed: {volume.path(entry.path)}: {entry.error.message}")
            elif entry.kind is EntryKind.FILE:
                found[entry.path] = entry
        return found

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
            if chain is None or chain.volume.title != volume.title:
                continue
            if name == chain.kernel:
                return "kernel"
            if name in chain.initramfs:
                return "initramfs"
            if name == chain.uki:
                return "UKI"
        for chain in (self._good_chain, self._bad_chain):
            if chain and chain.config and (chain.config[0].title, chain.config[1]) == (volume.title, name):
                return "boot menu"
        return _kind_of_name(name)

    def _renamed(self, volume: Volume) -> dict[str, str]:
        """Where the bad image calls its kernel, initramfs or UKI otherwise: its name → the good one's."""
        ours, theirs = self._good_chain, self._bad_chain
        if ours is None or theirs is None:
            return {}
        if ours.volume.title != volume.title or theirs.volume.title != volume.title:
            return {}
        pairs = [(theirs.kernel, ours.kernel), (theirs.uki, ours.uki)]
        pairs += list(zip(theirs.initramfs, ours.initramfs, strict=False))
        return {a: b for a, b in pairs if a is not None and b is not None and a != b}

    def _with_our_names(self, config: bytes) -> bytes:
        """The bad image's configuration with the names that kernel and initramfs have in the mixtures."""
        for volume in self.good.volumes:
            for theirs, ours in self._renamed(volume).items():
                config = config.replace(theirs.encode(), ours.encode())
        return config

    def _raw_partitions(self) -> None:
        mounted = {volume.partition.number for volume in self.good.volumes}
        others = {each.number: each for each in self.bad.table.partitions}
        for partition in self.good.table.partitions:
            other = others.get(partition.number)
            if partition.number in mounted or other is None:
                continue
            if not _same(partition.open(self.good.source), other.open(self.bad.source)):
                title = partition.label or str(partition.number)
                self.to.notes.append(f"not mixed: partition {title}, which has no file system that is read")


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


def _chain(image: OpenImage) -> Chain | None:
    try:
        chains = image.chains()
    except BootwrightError:
        return None
    return chains[0] if chains else None


def _bytes(volume: Volume, entry: Entry) -> bytes:
    if entry.size > _MOST_FILE:
        raise Refused(
            f"{volume.path(entry.path)} has {entry.size} bytes, more than can be mixed ({_MOST_FILE})"
        )
    source = volume.files.open(entry)
    return source.read(0, len(source))


def _chunks(source: ByteSource) -> Iterator[bytes]:
    for start in range(0, len(source), _CHUNK):
        yield source.read(start, min(_CHUNK, len(source) - start))


def _same(one: ByteSource, other: ByteSource) -> bool:
    return len(one) == len(other) and all(a == b for a, b in zip(_chunks(one), _chunks(other), strict=True))
