"""File systems, archives and directories as items: which of their files matter to booting."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping

from attrs import field, frozen

from bootwright.formats.filesystems.filesystem import (
    MAX_ENTRIES,
    Entry,
    EntryKind,
    FileSystem,
    Unreadable,
    lookup,
    walk,
)
from bootwright.formats.sources.bytesource import ByteSource
from bootwright.foundation.errors import BootwrightError, Malformed
from bootwright.inspect.facts import Item, ItemKind, Origin, Problem, Value, facts_at
from bootwright.inspect.format import Context

_CERTAIN = re.compile(r"(.*/)?([^/.][^/]*\.dtbo?|vmlinu[xz](-\d[^/]*)?)", re.IGNORECASE)
"""Names that are used for nothing else: bytes of an unrecognised format are a problem, not passed over."""

_MODULES = re.compile(r"(?P<tree>(?:/usr)?/lib/modules/(?P<release>[^/]+))/(?P<rest>.+)")
_FIRMWARE = re.compile(r"(?:/usr)?/lib/firmware/(?P<rest>.+)")
_MODULE = re.compile(r"(?P<name>[^/]+)\.ko(?:\.(?:xz|zst|gz))?\Z")
_BOARD_FIRMWARE = re.compile(
    r"/(u-boot[^/]*\.(bin|img|itb)|start[^/]*\.elf|fixup[^/]*\.dat|bootcode\.bin|armstub[^/]*\.bin"
    r"|(recovery|pieeprom[^/]*)\.bin|[^/]*tfa[^/]*\.bin|bl31[^/]*\.(bin|elf))\Z",
    re.IGNORECASE,
)


@frozen
class ModuleTree:
    """The modules of one kernel release in a file system."""

    release: str
    path: str
    files: tuple[Entry, ...]
    """The `.ko` files."""
    tables: tuple[str, ...]
    """The `modules.*` files beside them."""

    @property
    def names(self) -> dict[str, Entry]:
        """Module name (with `_`, as lsmod shows it) → file."""
        modules: dict[str, Entry] = {}
        for entry in self.files:
            match = _MODULE.search(entry.path)
            if match:
                modules[match["name"].replace("-", "_")] = entry
        return modules


@frozen
class FirmwareTree:
    """The device firmware in a file system: paths below `/lib/firmware`."""

    files: tuple[tuple[str, int], ...]
    """(path, bytes)."""


@frozen
class _Found:
    entries: list[Entry] = field(factory=list)
    roles: list[tuple[Entry, str]] = field(factory=list)
    modules: dict[str, list[Entry]] = field(factory=dict)
    tables: dict[str, list[str]] = field(factory=dict)
    releases: dict[str, str] = field(factory=dict)
    firmware: list[tuple[str, int]] = field(factory=list)
    board_firmware: list[tuple[str, int]] = field(factory=list)
    problems: list[Problem] = field(factory=list)


def described(
    explorer: Context,
    files: FileSystem,
    name: str,
    depth: int,
    *,
    source: ByteSource | None = None,
    more: Mapping[str, Value] | None = None,
    kind: ItemKind = ItemKind.FILESYSTEM,
) -> Item:
    """A file system with what matters to booting in it: files that formats name, modules, firmware."""
    origin = Origin(files.name, 0, source.size if source is not None else None)
    seen = _look_through(explorer, files)
    children = [
        *_os(explorer, files, seen),
        *_opened(explorer, files, seen, depth),
        *_module_items(files, seen),
        *_firmware_items(files, seen),
    ]
    values: dict[str, Value] = {
        "type": files.type,
        "label": files.label,
        "uuid": files.uuid,
        **(more or {}),
        "files": sum(1 for entry in seen.entries if entry.kind is EntryKind.FILE),
        "bytes": sum(entry.size for entry in seen.entries),
    }
    return Item(
        kind=kind,
        name=name,
        origin=origin,
        facts=facts_at(origin, values),
        children=tuple(child for child in children if child is not None),
        problems=tuple(seen.problems),
        detail=files,
        source=source,
        files=files,
    )


def is_module_path(path: str) -> bool:
    """Whether a file of that path is a module of the root file system it lies in."""
    return _MODULES.match(path) is not None and _MODULE.search(path) is not None


def _look_through(explorer: Context, files: FileSystem) -> _Found:
    seen = _Found()
    for entry in walk(files, limit=min(MAX_ENTRIES, explorer.entries_left)):
        explorer.entries_left -= 1
        if isinstance(entry, Unreadable):
            seen.problems.append(Problem.of(entry.error, f"{files.name}:{entry.path}"))
            continue
        seen.entries.append(entry)
        if entry.kind is not EntryKind.FILE:
            continue
        path = entry.path
        modules = _MODULES.match(path)
        if modules and _MODULE.search(path):
            seen.modules.setdefault(modules["tree"], []).append(entry)
            seen.releases[modules["tree"]] = modules["release"]
            continue
        if modules and modules["rest"].startswith("modules."):
            seen.tables.setdefault(modules["tree"], []).append(modules["rest"])
            seen.releases[modules["tree"]] = modules["release"]
            continue
        firmware = _FIRMWARE.match(path)
        if firmware:
            seen.firmware.append((firmware["rest"], entry.size))
            continue
        if _BOARD_FIRMWARE.search(path):
            seen.board_firmware.append((path, entry.size))
        role = explorer.role_of(path)
        if role is not None:
            seen.roles.append((entry, role))
    return seen


def _os(explorer: Context, files: FileSystem, seen: _Found) -> list[Item | None]:
    """os-release is often a symlink, which the walk does not open."""
    if any(role == "os-release" for _, role in seen.roles):
        return []
    try:
        entry = lookup(files, "/etc/os-release")
        if entry is None or entry.kind is not EntryKind.FILE:
            return []
        return [explorer.follow(files.open(entry), "/etc/os-release", 0, role="os-release")]
    except BootwrightError as error:
        problem = Problem.of(error, files.name)
        return [Item(ItemKind.OS_RELEASE, "/etc/os-release", Origin(files.name), problems=(problem,))]


def _opened(explorer: Context, files: FileSystem, seen: _Found, depth: int) -> list[Item | None]:
    """The files with a role, described; DTBs of one folder together under it."""
    items: list[Item | None] = []
    folders: dict[str, list[Item]] = {}
    for entry, role in seen.roles:
        if role == "os-release" and entry.size == 0:
            continue
        try:
            source = files.open(entry)
        except BootwrightError as error:
            where = f"{files.name}:{entry.path}"
            items.append(
                Item(ItemKind(role), entry.path, Origin(where), problems=(Problem.of(error, where),))
            )
            continue
        whole = explorer.describe_file(role, files, source, entry.path)
        if whole is not None:
            items.append(whole)
            continue
        item = explorer.follow(source, entry.path, depth + 1, role=role)
        if item is None and role == "kernel" and _is_x86_kernel(source):
            origin = Origin(source.name, 0, source.size)
            items.append(Item(ItemKind(role), entry.path, origin, facts_at(origin, {"architecture": "x86"})))
            continue
        if item is None and _CERTAIN.fullmatch(entry.path) and not explorer.exhausted:
            start = source.read(0, min(8, source.size)).hex(" ") or "an empty file"
            unknown = Malformed(
                source.name, 0, f"a {role}", start, hint="it is damaged, or not what it is called"
            )
            item = Item(
                ItemKind(role), entry.path, Origin(source.name), problems=(Problem.of(unknown, source.name),)
            )
        if item is None or not explorer.fits(role, item.kind):
            continue
        if role == "devicetree":
            folders.setdefault(posixpath.dirname(entry.path), []).append(item)
        else:
            items.append(item)
    for folder, trees in folders.items():
        origin = Origin(f"{files.name}:{folder}")
        kinds = {tree.kind for tree in trees}
        facts = facts_at(
            origin,
            {
                "devicetrees": sum(tree.kind == ItemKind.DEVICETREE for tree in trees),
                "overlays": sum(tree.kind == ItemKind.OVERLAY for tree in trees),
            },
        )
        kind = ItemKind.OVERLAYS if kinds == {ItemKind.OVERLAY} else ItemKind.DEVICETREES
        items.append(Item(kind, folder, origin, facts, tuple(trees)))
    if explorer.exhausted:
        message = f"more than {explorer.limits.items} items; the rest is left out"
        seen.problems.append(Problem(message, None, Origin(files.name)))
    return items


def _is_x86_kernel(source: ByteSource) -> bool:
    """Whether it has the boot header of x86 (Documentation/arch/x86/boot.rst, Linux 6.12)."""
    return source.size > 0x206 and source.read(0x202, 4) == b"HdrS"


def _module_items(files: FileSystem, seen: _Found) -> list[Item]:
    items: list[Item] = []
    for path in sorted(seen.releases):
        tree = ModuleTree(
            release=seen.releases[path],
            path=path,
            files=tuple(seen.modules.get(path, ())),
            tables=tuple(sorted(seen.tables.get(path, ()))),
        )
        origin = Origin(f"{files.name}:{path}")
        values: dict[str, Value] = {
            "release": tree.release,
            "modules": len(tree.files),
            "bytes": sum(entry.size for entry in tree.files),
            "tables": list(tree.tables),
            "names": sorted(tree.names),
        }
        items.append(Item(ItemKind.MODULES, path, origin, facts_at(origin, values), detail=tree, files=files))
    return items


def _firmware_items(files: FileSystem, seen: _Found) -> list[Item]:
    items: list[Item] = []
    if seen.firmware:
        tree = FirmwareTree(tuple(sorted(seen.firmware)))
        origin = Origin(f"{files.name}:/lib/firmware")
        values: dict[str, Value] = {
            "files": len(tree.files),
            "bytes": sum(size for _, size in tree.files),
            "names": [path for path, _ in tree.files],
        }
        items.append(
            Item(
                ItemKind.FIRMWARE, "/lib/firmware", origin, facts_at(origin, values), detail=tree, files=files
            )
        )
    if seen.board_firmware:
        tree = FirmwareTree(tuple(sorted(seen.board_firmware)))
        origin = Origin(files.name)
        values = {"files": dict(tree.files)}
        items.append(
            Item(
                ItemKind.BOARD_FIRMWARE,
                "boot firmware",
                origin,
                facts_at(origin, values),
                detail=tree,
                files=files,
            )
        )
    return items
