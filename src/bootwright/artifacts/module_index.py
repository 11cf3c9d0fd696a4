"""A kernel's modules tree: every module's aliases, dependencies and drivers, and what is built in.

Reads the `.ko` files themselves (Debian packages carry no modules.alias), on two cores, and keeps the
result in the cache under a fingerprint of the tree, so that the second time costs one directory walk.
"""

from __future__ import annotations

import fnmatch
import hashlib
import json
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any

from attrs import define, field, frozen

from bootwright.artifacts.module_file import (
    ModuleDriver,
    ModuleFacts,
    module_name,
    read_module,
    unpack_module,
)
from bootwright.foundation.atomic import write_bytes
from bootwright.foundation.errors import BootwrightError, Missing
from bootwright.foundation.places import cache_dir

_FORMAT = 8
_SUFFIXES = (".ko", ".ko.xz", ".ko.zst", ".ko.gz")
_NEVER = ("acpi", "dmi", "fs-", "net-pf", "crypto-", "char-major", "devname:")
"""Aliases that no device of a devicetree machine has."""
_CHUNK = 48
_WILD = re.compile(r"[*?\[]")

# A module's row in the table: everything but its aliases, which only a recording of truth needs whole.
_PATH, _DEPENDS, _SOFTDEPS, _CALLS, _DRIVERS, _FIRMWARE, _VERMAGIC = range(7)


@frozen
class Unreadable:
    """A module file that could not be read, and why."""

    path: str
    reason: str


@define(eq=False, slots=False)
class ModuleIndex:
    """The modules of one kernel. Paths are relative to the tree (`/lib/modules/RELEASE`)."""

    _table: dict[str, Any]
    _aliases_at: Path
    _kinds: dict[tuple[str, str], dict[str, list[list[str]]]] = field(factory=dict, init=False)

    @property
    def names(self) -> Iterable[str]:
        """Every module's name."""
        rows: dict[str, Any] = self._table["modules"]
        return rows.keys()

    def path(self, name: str) -> str:
        """Where a module's file is, relative to the tree."""
        return str(self._table["modules"][name][_PATH])

    def __contains__(self, name: object) -> bool:
        return name in self._table["modules"]

    @cached_property
    def built_in(self) -> frozenset[str]:
        """Names of built-in modules (modules.builtin)."""
        return frozenset(self._table["built_in"])

    @property
    def unreadable(self) -> tuple[Unreadable, ...]:
        """Files that are no readable modules."""
        return tuple(Unreadable(path, reason) for path, reason in self._table["unreadable"])

    def by_compatible(self, compatible: str) -> tuple[str, ...]:
        """Modules that udev would load for this compatible (`of:` aliases)."""
        return tuple(self._table["of"].get(compatible, ()))

    def built_in_by_compatible(self, compatible: str) -> tuple[str, ...]:
        """Built-in modules with this compatible, by modules.builtin.modinfo: from Linux 6.18 on."""
        return tuple(self._table["built_in_of"].get(compatible, ()))

    def by_alias(self, modalias: str) -> tuple[str, ...]:
        """Modules whose alias matches a `pci:`, `mdio:`, `usb:`, `i2c:`, … modalias."""
        return _matching(self._kind("aliases", modalias), modalias)

    def built_in_by_alias(self, modalias: str) -> tuple[str, ...]:
        """The same for built-in modules."""
        return _matching(self._kind("built_in_aliases", modalias), modalias)

    def _kind(self, table: str, modalias: str) -> dict[str, list[list[str]]]:
        """The aliases of one bus, kept as text until they are asked for: PCI alone has thousands."""
        kind = modalias.partition(":")[0]
        known = self._kinds.get((table, kind))
        if known is None:
            known = self._kinds[table, kind] = json.loads(self._table[table].get(kind, "{}"))
        return known

    def drivers(self, compatible: str) -> tuple[tuple[str, ModuleDriver], ...]:
        """(module, driver) for every driver in every module with this compatible, in aliases or not."""
        return tuple(
            (module, _driver(self._table["modules"][module][_DRIVERS][number]))
            for module, number in self._table["drivers"].get(compatible, ())
        )

    def calls(self, name: str) -> tuple[str, ...]:
        """What a module calls of the driver core, itself or through the modules it depends on."""
        rows = self._table["modules"]
        found: dict[str, None] = {}
        for one in (name, *self.closure(name, soft=False)):
            if one in rows:
                found.update(dict.fromkeys(rows[one][_CALLS]))
        return tuple(found)

    def closure(self, name: str, *, soft: bool = True) -> tuple[str, ...]:
        """The modules that loading `name` loads first, soft dependencies included, in load order."""
        rows = self._table["modules"]
        order: list[str] = []
        stack = [(name, False)]
        seen: set[str] = set()
        while stack:
            current, done = stack.pop()
            if done:
                order.append(current)
                continue
            if current in seen:
                continue
            seen.add(current)
            stack.append((current, True))
            row = rows.get(current)
            if row is not None:
                needed = (*row[_SOFTDEPS], *row[_DEPENDS]) if soft else row[_DEPENDS]
                stack.extend((other, False) for other in reversed(needed) if other not in seen)
        return tuple(other for other in order if other != name)

    @cached_property
    def modules(self) -> dict[str, ModuleFacts]:
        """Everything about every module, aliases included: slower than the questions above."""
        aliases = json.loads(self._aliases_at.read_bytes())
        return {
            name: ModuleFacts(
                name=name,
                aliases=tuple(aliases.get(name, ())),
                depends=tuple(row[_DEPENDS]),
                softdeps=tuple(row[_SOFTDEPS]),
                firmware=tuple(row[_FIRMWARE]),
                vermagic=row[_VERMAGIC],
                drivers=tuple(_driver(one) for one in row[_DRIVERS]),
                calls=tuple(row[_CALLS]),
            )
            for name, row in self._table["modules"].items()
        }


def _driver(row: list[Any]) -> ModuleDriver:
    name, buses, compatibles = row
    return ModuleDriver(name, tuple(buses), tuple(compatibles))


def _matching(table: dict[str, list[list[str]]], modalias: str) -> tuple[str, ...]:
    """Aliases are kept by what precedes their first wildcard: one look-up for each prefix of the modalias."""
    found: dict[str, None] = {}
    for end in range(1, len(modalias) + 1):
        for pattern, name in table.get(modalias[:end], ()):
            if pattern == modalias or fnmatch.fnmatchcase(modalias, pattern):
                found[name] = None
    return tuple(found)


def _of_compatibles(aliases: Iterable[str]) -> Iterator[str]:
    """The compatibles of `of:N*T*Ccompatible` and `…C*` aliases (scripts/mod/file2alias.c), each once."""
    seen: set[str] = set()
    for alias in aliases:
        if alias.startswith("of:"):
            compatible = alias.partition("T")[2].partition("C")[2]
            compatible = compatible.removesuffix("C*")
            if compatible and compatible not in seen:
                seen.add(compatible)
                yield compatible


def read_module_tree(
    tree: Path, *, workers: int | None = None, cache: Path | None = None, content: str | None = None
) -> ModuleIndex:
    """Index the modules below `tree` (a `/lib/modules/RELEASE` folder).

    `cache` is the folder for indexes (default: in bootwright's cache). `content` names the tree's content
    where that is known already, which saves looking at every file's size and time.

    Raises `Missing` where there is no such folder. Files that are no readable modules are in `unreadable`.
    """
    if not tree.is_dir():
        raise Missing(f"{tree} is not a folder of kernel modules", hint="give /lib/modules/RELEASE")
    files: list[str] | None = None
    if content is None:
        files, key = _walk(tree)
    else:
        key = hashlib.sha256(f"{_FORMAT}\0{content}".encode()).hexdigest()[:32]
    folder = cache if cache is not None else cache_dir() / "modules"
    store, aliases_at = folder / f"{key}.json", folder / f"{key}.aliases.json"
    kept = _load(store, aliases_at)
    if kept is not None:
        return kept
    if files is None:
        files, _ = _walk(tree)
    records = _read_all(tree, files, workers if workers is not None else min(2, os.cpu_count() or 1))
    table = _tabulate(records, _built_in(tree), _built_in_aliases(tree))
    aliases = {record["name"]: record["aliases"] for record in records if "reason" not in record}
    write_bytes(aliases_at, json.dumps(aliases, separators=(",", ":")).encode())
    write_bytes(store, json.dumps(table, separators=(",", ":")).encode())
    return ModuleIndex(table, aliases_at)


def _tabulate(
    records: list[dict[str, Any]], built_in: list[str], built_in_aliases: dict[str, list[str]]
) -> dict[str, Any]:
    rows: dict[str, list[Any]] = {}
    by_compatible: dict[str, list[str]] = defaultdict(list)
    drivers: dict[str, list[list[Any]]] = defaultdict(list)
    aliases: dict[str, list[list[str]]] = defaultdict(list)
    for record in records:
        if "reason" in record:
            continue
        name = record["name"]
        rows[name] = [record[key] for key in ("path", "depends", "softdeps", "calls", "drivers")]
        rows[name] += [record["firmware"], record["vermagic"]]
        for compatible in _of_compatibles(record["aliases"]):
            by_compatible[compatible].append(name)
        for number, (_, _, compatibles) in enumerate(record["drivers"]):
            for compatible in dict.fromkeys(compatibles):
                drivers[compatible].append([name, number])
        _add_aliases(aliases, name, record["aliases"])
    built_in_of: dict[str, list[str]] = defaultdict(list)
    others: dict[str, list[list[str]]] = defaultdict(list)
    for name, found in built_in_aliases.items():
        for compatible in _of_compatibles(found):
            built_in_of[compatible].append(name)
        _add_aliases(others, name, found)
    return {
        "format": _FORMAT,
        "modules": rows,
        "of": by_compatible,
        "drivers": drivers,
        "aliases": _by_kind(aliases),
        "built_in": built_in,
        "built_in_of": built_in_of,
        "built_in_aliases": _by_kind(others),
        "unreadable": [[record["path"], record["reason"]] for record in records if "reason" in record],
    }


def _by_kind(table: dict[str, list[list[str]]]) -> dict[str, str]:
    """Bus → its part of the table, as JSON text."""
    kinds: dict[str, dict[str, list[list[str]]]] = defaultdict(dict)
    for prefix, entries in table.items():
        kinds[prefix.partition(":")[0]][prefix] = entries
    return {kind: json.dumps(part, separators=(",", ":")) for kind, part in kinds.items()}


def _add_aliases(table: dict[str, list[list[str]]], name: str, aliases: Iterable[str]) -> None:
    for alias in aliases:
        if not alias.startswith("of:"):
            table[_WILD.split(alias, maxsplit=1)[0]].append([alias, name])


def _walk(tree: Path) -> tuple[list[str], str]:
    """The module files, and a fingerprint of names, sizes and times of change."""
    files: list[str] = []
    lines: list[str] = []
    root = str(tree)
    folders = [root]
    while folders:
        folder = folders.pop()
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                elif entry.name.endswith(_SUFFIXES) or entry.name.startswith("modules.builtin"):
                    status = entry.stat()
                    path = entry.path[len(root) + 1 :]
                    lines.append(f"{path}\0{status.st_size}\0{status.st_mtime_ns}")
                    if not entry.name.startswith("modules."):
                        files.append(path)
    lines.sort()
    digest = hashlib.sha256(b"%d\n" % _FORMAT + "\n".join(lines).encode("utf-8", "surrogateescape"))
    return sorted(files), digest.hexdigest()[:32]


def _read_all(tree: Path, files: list[str], workers: int) -> list[dict[str, Any]]:
    if workers <= 1 or len(files) < 2 * _CHUNK:
        return _read_some(str(tree), files)
    chunks = [files[start : start + _CHUNK] for start in range(0, len(files), _CHUNK)]
    with ProcessPoolExecutor(workers) as pool:
        parts = pool.map(_read_some, [str(tree)] * len(chunks), chunks)
        return [record for part in parts for record in part]


def _read_some(tree: str, files: list[str]) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = []
    for path in files:
        try:
            data = (Path(tree) / path).read_bytes()
            facts = read_module(unpack_module(data, path), path)
        except (BootwrightError, OSError) as error:
            records.append({"path": path, "reason": str(error)})
            continue
        records.append(
            {
                "path": path,
                "name": facts.name,
                "aliases": [alias for alias in facts.aliases if not alias.startswith(_NEVER)],
                "depends": facts.depends,
                "softdeps": facts.softdeps,
                "firmware": facts.firmware,
                "vermagic": facts.vermagic,
                "calls": facts.calls,
                "drivers": [[driver.name, driver.buses, driver.compatibles] for driver in facts.drivers],
            }
        )
    return records


def _built_in(tree: Path) -> list[str]:
    listed = tree / "modules.builtin"
    if not listed.is_file():
        return []
    return [module_name(line) for line in listed.read_text(errors="backslashreplace").split()]


def _built_in_aliases(tree: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    path = tree / "modules.builtin.modinfo"
    if path.is_file():
        for entry in path.read_bytes().split(b"\0"):
            key, _, value = entry.partition(b"=")
            module, _, field = key.partition(b".")
            alias = value.decode("utf-8", "backslashreplace")
            if field == b"alias" and not alias.startswith(_NEVER):
                found[module.decode("utf-8", "backslashreplace").replace("-", "_")].append(alias)
    return found


def _load(store: Path, aliases_at: Path) -> ModuleIndex | None:
    try:
        table = json.loads(store.read_bytes())
        whole = table["format"] == _FORMAT and all(
            isinstance(table[key], dict) for key in ("modules", "of", "drivers", "aliases")
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None  # not there yet, or damaged: made again
    return ModuleIndex(table, aliases_at) if whole and aliases_at.is_file() else None
