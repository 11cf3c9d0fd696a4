"""The volumes of an artifact that was explored, and its items by the files that a chain names."""

from __future__ import annotations

from collections.abc import Iterator

from bootwright.bootchain.model import Part
from bootwright.bootchain.volumes import PlainVolume, file_at
from bootwright.formats.disks.partitions import Partition
from bootwright.inspect.facts import Item, ItemKind

_WRAPPINGS = frozenset({ItemKind.COMPRESSED, ItemKind.OCI_IMAGE})
_TREES = frozenset({ItemKind.FILESYSTEM, ItemKind.ARCHIVE, ItemKind.CONTAINER, ItemKind.PACKAGE})


def volume_sets(root: Item) -> Iterator[list[PlainVolume]]:
    """The volumes of the artifact itself, then those of each disk image that is a file in it."""
    own = list(_volumes(root))
    if own:
        yield own
    for item in root.walk():
        if item.kind == ItemKind.DISK and item is not _disk(root):
            inside = list(_volumes(item))
            if inside:
                yield inside


def require_whole(root: Item) -> None:
    """Raise `Malformed` where the artifact is a disk image that ends before one of its partitions does.

    The first partitions of a download that broke off can be read: what boots would be judged by half of it.
    """
    disk = _disk(root)
    if disk is None or disk.source is None:
        return
    for partition in disk.children:
        if isinstance(partition.detail, Partition):
            partition.detail.open(disk.source)


def _disk(root: Item) -> Item | None:
    """The artifact's own disk, which may be compressed."""
    item: Item | None = root
    while item is not None and item.kind == ItemKind.COMPRESSED:
        item = next(iter(item.children), None)
    return item if item is not None and item.kind == ItemKind.DISK else None


def _volumes(item: Item) -> Iterator[PlainVolume]:
    if item.kind == ItemKind.DISK:
        for partition in item.children:
            inside = next((child for child in partition.children if child.files is not None), None)
            if isinstance(partition.detail, Partition) and inside is not None and inside.files is not None:
                yield PlainVolume(inside.files, partition.detail)
    elif item.kind in _WRAPPINGS:
        for child in item.children:
            yield from _volumes(child)
    elif item.kind in _TREES and item.files is not None:
        yield PlainVolume(item.files)


def item_of(root: Item, part: Part) -> Item | None:
    """The item of a file that a chain names; None where the explorer did not describe it."""
    entry = file_at(part.volume, part.path)
    if entry is None:
        return None
    holder = next((item for item in root.walk() if item.files is part.volume.files), None)
    if holder is None:
        return None
    whole = next((item for item in _own(holder) if item.name == entry.path), None)
    if whole is None or not part.section:
        return whole
    return next((child for child in whole.children if child.name == part.section), None)


def _own(holder: Item) -> Iterator[Item]:
    """The items of a file system's files; devicetrees of a folder are together under it."""
    for child in holder.children:
        yield child
        if child.kind in {ItemKind.DEVICETREES, ItemKind.OVERLAYS}:
            yield from child.children
