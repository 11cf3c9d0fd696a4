"""Differences of firmware, disks and the files nothing more is known about."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from attrs import frozen

from bootwright.formats.filesystems.filesystem import Entry, EntryKind, FileSystem, lookup, walk
from bootwright.foundation.errors import BootwrightError
from bootwright.inspect.difference.content_words import changed_content
from bootwright.inspect.difference.model import (
    Area,
    Comparison,
    Difference,
    Placed,
    Side,
    normal,
    pairs,
    values,
)
from bootwright.inspect.facts import Item, ItemKind, Origin
from bootwright.inspect.files import FirmwareTree
from bootwright.inspect.registry import role_of

_MOST_COMPARED = 4 << 30
"""Bytes of files that are read to tell whether they differ."""
_MOST_FIRMWARE = 64 << 20
"""Bytes of a firmware file; Qualcomm's largest have 40 MB."""

_SIZES = ("type", "block_size", "sector_size", "page_size", "compression", "features", "fat_bits")
"""What a kernel must be able to do with a file system."""

_HOLDERS = (ItemKind.FILESYSTEM, ItemKind.INITRAMFS, ItemKind.PACKAGE, ItemKind.ARCHIVE, ItemKind.CONTAINER)


def firmware(before: Side, after: Side) -> Iterator[Difference]:
    """Device firmware and the board's own, by content."""
    for kind, area in ((ItemKind.FIRMWARE, Area.FIRMWARE), (ItemKind.BOARD_FIRMWARE, Area.BOARD_FIRMWARE)):
        before_files, after_files = _firmware(before, kind), _firmware(after, kind)
        for path in sorted(before_files.keys() | after_files.keys()):
            was, is_ = before_files.get(path), after_files.get(path)
            if was is None or is_ is None or was.size != is_.size:
                descriptions = [
                    f"{version.size} bytes" if version is not None else None for version in (was, is_)
                ]
            elif (digests := [version.digest() for version in (was, is_)])[0] != digests[1]:
                descriptions = [f"{is_.size} bytes, SHA-256 {digest or 'not read'}" for digest in digests]
            else:
                continue
            yield Difference(area, path, descriptions[0], descriptions[1])


@frozen
class _Blob:
    """A firmware file."""

    size: int
    files: FileSystem | None
    path: str

    def digest(self) -> str | None:
        """Of its content, in part; None where it cannot be read."""
        if self.files is None or self.size > _MOST_FIRMWARE:
            return None
        try:
            entry = lookup(self.files, self.path)
            source = self.files.open(entry) if entry is not None else None
            if source is None:
                return None
            digest = hashlib.sha256()
            for at in range(0, self.size, 1 << 20):
                digest.update(source.read(at, min(1 << 20, self.size - at)))
        except BootwrightError:
            return None
        return f"{digest.hexdigest()[:16]}…"


def _firmware(side: Side, kind: ItemKind) -> dict[str, _Blob]:
    return {
        path: _Blob(size, placed.item.files, f"{'/lib/firmware/' if kind is ItemKind.FIRMWARE else ''}{path}")
        for placed in side.of_kind(kind)
        if isinstance(placed.item.detail, FirmwareTree)
        for path, size in placed.item.detail.files
    }


def disks(before: Side, after: Side) -> Iterator[Difference]:
    """Partition tables, partitions, and what a kernel must support of file systems."""
    matched, _, _ = pairs(before.of_kind(ItemKind.DISK), after.of_kind(ItemKind.DISK))
    for old, new in matched:
        yield from values(Area.DISK, old, new, ("partition_table", "sector_size", "size"))
    matched, lost, gained = pairs(before.of_kind(ItemKind.PARTITION), after.of_kind(ItemKind.PARTITION))
    for old, new in matched:
        names = ("type", "size", "offset", "number")
        yield from values(Area.DISK, old, new, names, prefix=f"partition {_name(new)}: ")
    for placed in lost:
        type_ = placed.item.fact("type")
        yield Difference(Area.DISK, f"partition {_name(placed)}", type_, None, placed.item.origin)
    for placed in gained:
        type_ = placed.item.fact("type")
        yield Difference(Area.DISK, f"partition {_name(placed)}", None, type_, None, placed.item.origin)
    matched, _, _ = pairs(
        before.of_kind(ItemKind.FILESYSTEM, ItemKind.SWAP), after.of_kind(ItemKind.FILESYSTEM, ItemKind.SWAP)
    )
    for old, new in matched:
        yield from values(Area.DISK, old, new, _SIZES, prefix=f"{new.place.strip('/') or 'file system'}: ")


def _name(placed: Placed) -> str:
    return str(placed.item.fact("label") or placed.item.fact("number"))


def others(before: Side, after: Side) -> Iterator[Difference]:
    """Files that mean nothing more to us: gained, lost, or other bytes."""
    matched, _, _ = pairs(before.of_kind(*_HOLDERS), after.of_kind(*_HOLDERS))
    budget = _MOST_COMPARED
    for old, new in matched:
        if old.item.files is None or new.item.files is None:
            continue
        before_files = _files(old.item, before.releases)
        after_files = _files(new.item, after.releases)
        area = Area.INITRAMFS if new.item.kind == ItemKind.INITRAMFS else Area.FILES
        for path in sorted(before_files.keys() | after_files.keys()):
            was, is_ = before_files.get(path), after_files.get(path)
            origins = (
                Origin(f"{old.item.files.name}:{was.path}") if was else None,
                Origin(f"{new.item.files.name}:{is_.path}") if is_ else None,
            )
            if was is None or is_ is None:
                descriptions = [_description(version) if version else None for version in (was, is_)]
                yield Difference(area, path, descriptions[0], descriptions[1], *origins)
                continue
            if was.size == is_.size and was.kind is EntryKind.FILE:
                budget -= was.size
            if budget > 0 and not _same(was, is_, old.item.files, new.item.files):
                same_size = was.size == is_.size and was.kind is is_.kind and was.target == is_.target
                changed = (_description(was), "other bytes" if same_size else _description(is_))
                if was.kind is is_.kind is EntryKind.FILE:
                    changed = _content(was, is_, old.item.files, new.item.files) or changed
                yield Difference(area, path, *changed, *origins)


def _files(item: Item, releases: tuple[str, ...]) -> dict[str, Entry]:
    """Path (releases left out) → what is there, without what other comparisons tell of."""
    assert item.files is not None  # noqa: S101  (checked by the caller)
    files_by_path: dict[str, Entry] = {}
    described = {child.name for child in item.walk() if child is not item}
    for entry in walk(item.files):
        if not isinstance(entry, Entry) or entry.kind is EntryKind.DIRECTORY:
            continue
        path = entry.path
        if "/lib/modules/" in path or "/lib/firmware/" in path:
            continue
        if path in described or role_of(path) == "devicetree":
            continue
        files_by_path[normal(path, releases)] = entry
    return files_by_path


def _content(was: Entry, is_: Entry, before: FileSystem, after: FileSystem) -> tuple[str, str] | None:
    """What of two files differs in meaning, where they are texts or programs."""
    try:
        return changed_content(before.open(was), after.open(is_))
    except BootwrightError:
        return None


def _description(entry: Entry) -> str:
    if entry.kind is EntryKind.SYMLINK:
        return f"→ {entry.target}"
    return f"{entry.size} bytes" if entry.kind is EntryKind.FILE else entry.kind.value


def _same(was: Entry, is_: Entry, before: FileSystem, after: FileSystem) -> bool:
    if was.kind is not is_.kind or was.size != is_.size or was.target != is_.target:
        return False
    if was.kind is not EntryKind.FILE:
        return True
    try:
        before_bytes, after_bytes = before.open(was), after.open(is_)
        step = 1 << 20
        return all(
            before_bytes.read(at, min(step, was.size - at)) == after_bytes.read(at, min(step, was.size - at))
            for at in range(0, was.size, step)
        )
    except BootwrightError:
        return False


COMPARISONS: tuple[Comparison, ...] = (firmware, disks, others)
