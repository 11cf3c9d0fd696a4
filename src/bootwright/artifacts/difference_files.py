"""Differences of modules, firmware, disks and the files nothing more is known about."""

from __future__ import annotations

from collections.abc import Iterator

from bootwright.artifacts.difference import Area, Comparison, Difference, Placed, Side, normal, pairs, values
from bootwright.artifacts.explore_files import FirmwareTree, ModuleTree, role_of
from bootwright.artifacts.facts import Item, Origin
from bootwright.artifacts.filesystem import Entry, EntryKind, FileSystem, read_small, walk
from bootwright.artifacts.modinfo import read_modinfo
from bootwright.foundation.errors import BootwrightError

_MOST_COMPARED = 4 << 30
"""Bytes of files that are read to tell whether they differ."""
_MOST_DESCRIBED = 40
"""Modules whose aliases are read, of those gained and lost."""

_SIZES = ("type", "block_size", "sector_size", "page_size", "compression", "features", "fat_bits")
"""What a kernel must be able to do with a file system."""

_HOLDERS = ("filesystem", "initramfs", "package", "archive", "container")


def modules(before: Side, after: Side) -> Iterator[Difference]:
    """Modules gained, lost, built in or moved between initramfs and root."""
    one, other = _modules(before), _modules(after)
    if not one and not other:
        return
    described = 0
    for name in sorted(one.keys() | other.keys()):
        was, is_ = one.get(name), other.get(name)
        if (was and was[0]) == (is_ and is_[0]):
            continue
        told = [was[0] if was else None, is_[0] if is_ else None]
        for index, module in enumerate((was, is_)):
            if module and module[1] and described < _MOST_DESCRIBED and None in told:
                described += 1
                told[index] = f"{module[0]}{_aliases(module[1], module[2])}"
        yield Difference(
            Area.MODULES,
            name,
            told[0],
            told[1],
            was[3] if was else None,
            is_[3] if is_ else None,
        )


_Module = tuple[str, FileSystem | None, Entry | None, Origin]


def _modules(side: Side) -> dict[str, _Module]:
    """Module name → (where it is: `initramfs`, `root`, `built in`; its file; origin)."""
    found: dict[str, _Module] = {}
    for placed in side.of_kind("modules"):
        tree, files = placed.item.detail, placed.item.files
        if not isinstance(tree, ModuleTree) or files is None:
            continue
        place = "in the initramfs" if files.type == "cpio" else "in the root file system"
        for name in _built_in(files, tree):
            found.setdefault(name, ("built in", None, None, placed.item.origin))
        for name, entry in tree.names.items():
            known = found.get(name)
            if known is not None and known[1] is not None and known[0] != place:
                place = "in the initramfs and the root file system"
            found[name] = (place, files, entry, Origin(f"{files.name}:{entry.path}"))
    return found


def _built_in(files: FileSystem, tree: ModuleTree) -> list[str]:
    try:
        data = read_small(files, f"{tree.path}/modules.builtin")
    except BootwrightError:
        return []
    lines = (data or b"").decode("utf-8", "replace").splitlines()
    return [line.rpartition("/")[2].partition(".ko")[0].replace("-", "_") for line in lines if line]


def _aliases(files: FileSystem | None, entry: Entry | None) -> str:
    """What the module drives, in its own words."""
    if files is None or entry is None:
        return ""
    try:
        aliases = read_modinfo(files.open(entry)).aliases
    except BootwrightError:
        return ""
    compatibles = [each.partition("C")[2] for each in aliases if each.startswith("of:N*T*C")]
    shown = [each for each in compatibles if not each.endswith("*")] or list(aliases)
    return f": {', '.join(shown[:4])}" + (", …" if len(shown) > 4 else "") if shown else ""


def firmware(before: Side, after: Side) -> Iterator[Difference]:
    """Device firmware and the board's own, by name and size."""
    for kind, area in (("firmware", Area.FIRMWARE), ("board-firmware", Area.BOARD_FIRMWARE)):
        one, other = _firmware(before, kind), _firmware(after, kind)
        for path in sorted(one.keys() | other.keys()):
            if one.get(path) != other.get(path):
                yield Difference(area, path, one.get(path), other.get(path))


def _firmware(side: Side, kind: str) -> dict[str, str]:
    return {
        path: f"{size} bytes"
        for placed in side.of_kind(kind)
        if isinstance(placed.item.detail, FirmwareTree)
        for path, size in placed.item.detail.files
    }


def disks(before: Side, after: Side) -> Iterator[Difference]:
    """Partition tables, partitions, and what a kernel must support of file systems."""
    matched, _, _ = pairs(before.of_kind("disk"), after.of_kind("disk"))
    for old, new in matched:
        yield from values(Area.DISK, old, new, ("partition_table", "sector_size", "size"))
    matched, lost, gained = pairs(before.of_kind("partition"), after.of_kind("partition"))
    for old, new in matched:
        names = ("type", "size", "offset", "number")
        yield from values(Area.DISK, old, new, names, prefix=f"partition {_name(new)}: ")
    for each in lost:
        type_ = each.item.fact("type")
        yield Difference(Area.DISK, f"partition {_name(each)}", type_, None, each.item.origin)
    for each in gained:
        type_ = each.item.fact("type")
        yield Difference(Area.DISK, f"partition {_name(each)}", None, type_, None, each.item.origin)
    matched, _, _ = pairs(before.of_kind("filesystem", "swap"), after.of_kind("filesystem", "swap"))
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
        one = _files(old.item, before.releases)
        other = _files(new.item, after.releases)
        area = Area.INITRAMFS if new.item.kind == "initramfs" else Area.FILES
        for path in sorted(one.keys() | other.keys()):
            was, is_ = one.get(path), other.get(path)
            origins = (
                Origin(f"{old.item.files.name}:{was.path}") if was else None,
                Origin(f"{new.item.files.name}:{is_.path}") if is_ else None,
            )
            if was is None or is_ is None:
                told = [_told(each) if each else None for each in (was, is_)]
                yield Difference(area, path, told[0], told[1], *origins)
                continue
            if was.size == is_.size and was.kind is EntryKind.FILE:
                budget -= was.size
            if budget > 0 and not _same(was, is_, old.item.files, new.item.files):
                same_size = was.size == is_.size and was.kind is is_.kind and was.target == is_.target
                after_ = "other bytes" if same_size else _told(is_)
                yield Difference(area, path, _told(was), after_, *origins)


def _files(item: Item, releases: tuple[str, ...]) -> dict[str, Entry]:
    """Path (releases left out) → what is there, without what other comparisons tell of."""
    assert item.files is not None  # noqa: S101  (checked by the caller)
    found: dict[str, Entry] = {}
    told = {child.name for child in item.walk() if child is not item}
    for entry in walk(item.files):
        if not isinstance(entry, Entry) or entry.kind is EntryKind.DIRECTORY:
            continue
        path = entry.path
        if "/lib/modules/" in path or "/lib/firmware/" in path:
            continue
        if path in told or role_of(path) == "devicetree":
            continue
        found[normal(path, releases)] = entry
    return found


def _told(entry: Entry) -> str:
    if entry.kind is EntryKind.SYMLINK:
        return f"→ {entry.target}"
    return f"{entry.size} bytes" if entry.kind is EntryKind.FILE else entry.kind.value


def _same(was: Entry, is_: Entry, before: FileSystem, after: FileSystem) -> bool:
    if was.kind is not is_.kind or was.size != is_.size or was.target != is_.target:
        return False
    if was.kind is not EntryKind.FILE:
        return True
    try:
        one, other = before.open(was), after.open(is_)
        step = 1 << 20
        return all(
            one.read(at, min(step, was.size - at)) == other.read(at, min(step, was.size - at))
            for at in range(0, was.size, step)
        )
    except BootwrightError:
        return False


COMPARISONS: tuple[Comparison, ...] = (modules, firmware, disks, others)
