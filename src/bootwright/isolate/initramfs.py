"""An initramfs of two images, taken apart: its archives' members, and the files of a squashfs root inside."""

from __future__ import annotations

import stat
from collections.abc import Callable

from attrs import define, field, frozen

from bootwright.formats.archives import cpio
from bootwright.formats.archives.initramfs import Segment, read_segments
from bootwright.formats.filesystems.attributes import Attributes
from bootwright.formats.filesystems.filesystem import Entry, EntryKind
from bootwright.formats.filesystems.squashfs import SquashFs, is_squashfs
from bootwright.formats.filesystems.squashfs_attributes import SquashAttributes
from bootwright.formats.sources.bytesource import Bytes, ByteSource
from bootwright.foundation.errors import BootwrightError, Malformed, Refused
from bootwright.foundation.processes.work_folder import temporary_folder
from bootwright.images.opened import all_files
from bootwright.images.parts.initramfs_part import compressed
from bootwright.images.write.nodes import NEW
from bootwright.images.write.squashfs_writer import make_squashfs
from bootwright.images.write.tar_writer import TarWriter
from bootwright.isolate.tree import Item, Items, TreePair

_MOST_ARCHIVE = 1 << 30
_MOST_ROOT = 4 << 30


@frozen
class _Root:
    """A squashfs root of both archives, at one path."""

    path: str
    good: SquashFs
    source: ByteSource
    pair: TreePair

    @property
    def prefix(self) -> str:
        return f"/{self.path}: "


@define
class _Archive:
    """One archive of the initramfs in both forms."""

    good: Segment
    bad: Segment
    pair: TreePair
    roots: list[_Root] = field(factory=list)


@define
class InitramfsMix:
    """Two initramfs; `names` are the differences that can be chosen, `needs` which bring others along."""

    good: bytes
    bad: bytes
    where: str
    names: list[str] = field(init=False, factory=list)
    needs: dict[str, frozenset[str]] = field(init=False, factory=dict)
    with_kernel: frozenset[str] = field(init=False, default=frozenset())
    _archives: list[_Archive] = field(init=False, factory=list)

    def __attrs_post_init__(self) -> None:
        """Raises `Malformed` where one cannot be read, `Refused` where they are built up differently."""
        ours, theirs = (
            read_segments(Bytes(data, f"{self.where} of the {side} image"), limit=_MOST_ARCHIVE)
            for data, side in ((self.good, "good"), (self.bad, "bad"))
        )
        if len(ours) != len(theirs):
            raise Refused(
                f"{self.where} has {len(ours)} archives in one image and {len(theirs)} in the other"
            )
        for number, (good, bad) in enumerate(zip(ours, theirs, strict=True)):
            self._enter(_archive(good, bad), f"archive {number + 1}: " if len(ours) > 1 else "")

    def _enter(self, archive: _Archive, prefix: str) -> None:
        self._archives.append(archive)
        roots = {f"/{root.path}" for root in archive.roots}
        for start, pair in (
            (prefix, archive.pair),
            *((prefix + root.prefix, root.pair) for root in archive.roots),
        ):
            names = [name for name in pair.names if pair is not archive.pair or name not in roots]
            self.names += [start + name for name in names]
            self.needs |= {
                start + name: frozenset(start + other for other in needed)
                for name, needed in pair.needs.items()
            }
            self.with_kernel |= {start + name for name in pair.with_kernel}

    def content(self, from_bad: frozenset[str]) -> bytes:
        """The initramfs with these differences as in the bad one; `Refused` where it cannot be made."""
        if not from_bad:
            return self.good
        if from_bad >= frozenset(self.names):
            return self.bad
        pieces = []
        for number, archive in enumerate(self._archives):
            start = f"archive {number + 1}: " if len(self._archives) > 1 else ""
            chosen = frozenset(name[len(start) :] for name in from_bad if name.startswith(start))
            pieces.append(self._written(archive, chosen))
        return b"".join(pieces)

    def _written(self, archive: _Archive, chosen: frozenset[str]) -> bytes:
        if not chosen:
            return self.good[archive.good.offset : archive.good.offset + archive.good.size]
        items = archive.pair.choose(chosen)
        for root in archive.roots:
            inner = frozenset(name[len(root.prefix) :] for name in chosen if name.startswith(root.prefix))
            if inner >= frozenset(root.pair.names):
                items[root.path] = archive.pair.bad[root.path]
            elif inner:
                data = _squashfs(root, inner)
                like = items[root.path]
                items[root.path] = Item(like.mode, len(data), lambda data=data: data)  # type: ignore[misc]
        members = [cpio.Member(path, item.read(), item.mode, item.device) for path, item in items.items()]
        data = cpio.write(members)
        if archive.good.compression is None:
            return data + bytes(-len(data) % 512)
        with temporary_folder() as folder:
            return compressed(data, archive.good.compression, folder / "packed").read_bytes()


def _archive(good: Segment, bad: Segment) -> _Archive:
    pair = TreePair(_members(good), _members(bad))
    roots = []
    for name in pair.names:
        path = name.lstrip("/")
        if path in pair.good and path in pair.bad and path.endswith(".sqsh"):
            root = _root(path, pair)
            if root is not None and root.pair.names:
                roots.append(root)
    return _Archive(good, bad, pair, roots)


def _members(segment: Segment) -> Items:
    """Later members replace earlier ones, in their place."""
    items: Items = {}
    for entry in cpio.read(segment.archive):
        parts = [part for part in entry.name.split("/") if part not in {"", "."}]
        if ".." in parts:
            raise Malformed(
                segment.archive.name, entry.offset, "a name below the root", repr(entry.name[:80])
            )
        items["/".join(parts) or "."] = Item(
            entry.mode,
            entry.size,
            lambda entry=entry: segment.archive.read(entry.offset, entry.size),  # type: ignore[misc]
            entry.device,
        )
    return items


def _root(path: str, pair: TreePair) -> _Root | None:
    """None where one of them cannot be read: it is taken whole then."""
    sides = [Bytes(side[path].read(), path) for side in (pair.good, pair.bad)]
    if not all(is_squashfs(side) for side in sides):
        return None
    try:
        good, bad = (SquashFs(side) for side in sides)
        return _Root(path, good, sides[0], TreePair(_files(good, sides[0]), _files(bad, sides[1])))
    except BootwrightError:
        return None


def _files(files: SquashFs, source: ByteSource) -> Items:
    attributes = SquashAttributes(files, source)
    items: Items = {}
    for entry in all_files(files, limit=_MOST_ROOT):
        path = entry.path.strip("/")
        if path:
            own = attributes.of(entry.handle)
            extended = tuple(sorted(own.extended.items()))
            items[path] = Item(
                own.mode, entry.size, _reader(files, entry), own.device, (own.uid, own.gid), extended
            )
    return items


def _reader(files: SquashFs, entry: Entry) -> Callable[[], bytes]:
    def read() -> bytes:
        if entry.kind is EntryKind.FILE:
            source: ByteSource = files.open(entry)
            return source.read(0, source.size)
        return (entry.target or "").encode("utf-8", "surrogateescape")

    return read


def _squashfs(root: _Root, chosen: frozenset[str]) -> bytes:
    """A squashfs of the mixture, packed as the good one."""
    items = root.pair.choose(chosen)
    superblock = root.good.superblock
    with temporary_folder() as folder:
        archive, image = folder / "root.tar", folder / "image"
        with TarWriter(archive) as writer:
            # Parents first: what the bad image added stands at the end.
            for path, item in sorted(items.items()):
                attributes = Attributes(
                    item.mode, *item.owner, NEW, device=item.device, extended=dict(item.extended)
                )
                if stat.S_ISLNK(item.mode):
                    writer.add(f"/{path}", attributes, target=item.read().decode("utf-8", "surrogateescape"))
                elif stat.S_ISREG(item.mode):
                    writer.add(f"/{path}", attributes, content=Bytes(item.read(), path))
                else:
                    writer.add(f"/{path}", attributes)
        make_squashfs(
            archive,
            image,
            superblock.compression,
            root=SquashAttributes(root.good, root.source).of(superblock.root),
            block_size=superblock.block_size,
        )
        return image.read_bytes()
