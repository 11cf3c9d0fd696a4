"""A kernel's modules tree: every module's aliases, dependencies and drivers, and what is built in.

Reads the `.ko` files themselves (Debian packages carry no modules.alias), on two cores, and keeps the
result in the cache under a fingerprint of the tree, so that the second time costs one directory walk.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from attrs import define, field, frozen

from bootwright.formats.modules.module_facts import ModuleDriver, ModuleFacts
from bootwright.formats.modules.tree_files import built_in_aliases, built_in_names, module_files, read_records
from bootwright.foundation.atomic import write_bytes
from bootwright.foundation.cache import MODULES
from bootwright.foundation.errors import Missing
from bootwright.foundation.kept.shelf import Shelf, load, pack
from bootwright.foundation.kept.shelf import read as read_shelf
from bootwright.foundation.processes.locks import locked
from bootwright.foundation.progress import Silent

_FORMAT = 11
_WILD = re.compile(r"[*?\[]")

# A module's row in the table: everything but its aliases, which only a recording of truth needs whole.
_ROW = (
    *("path", "depends", "softdeps", "softdeps_after", "calls", "drivers", "firmware", "vermagic"),
    *("crcs", "signed", "weakdeps", "reason"),
)
_PATH, _DEPENDS, _SOFTDEPS, _SOFTDEPS_AFTER, _CALLS, _DRIVERS, _FIRMWARE, _VERMAGIC = range(8)
_CRCS, _SIGNED, _WEAKDEPS, _REASON = range(8, 12)
_NO_ROW: list[Any] = ["", [], [], [], [], [], [], "", False, False, [], ""]
"""Of a module that is not in the tree, though another one depends on it."""


@frozen
class Unreadable:
    """A module file that could not be read, and why."""

    path: str
    reason: str


@define(eq=False, slots=False)
class ModuleIndex:
    """The modules of one kernel. Paths are relative to the tree (`/lib/modules/RELEASE`)."""

    _shelf: Shelf
    _aliases_at: Path
    _closures: dict[tuple[str, bool], tuple[str, ...]] = field(factory=dict, init=False)
    _rows: dict[str, list[Any]] = field(factory=dict, init=False)
    _by_modalias: dict[tuple[str, str], tuple[str, ...]] = field(factory=dict, init=False)

    @property
    def identity(self) -> str:
        """Names the content of the tree, as far as names, sizes and times of its files tell."""
        return self._aliases_at.name.partition(".")[0]

    def packed(self) -> bytes:
        """All but whole aliases, as `unpacked` reads it."""
        return self._shelf.packed(form=_FORMAT)

    @cached_property
    def names(self) -> frozenset[str]:
        """Every module's name."""
        return frozenset(self._shelf.get("lists", "names"))

    @cached_property
    def first(self) -> str | None:
        """The name that is first in the alphabet; None of an empty tree."""
        return min(self.names, default=None)

    def path(self, name: str) -> str:
        """Where a module's file is, relative to the tree."""
        return str(self._row(name)[_PATH])

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self._shelf.get("modules", name) is not None

    @cached_property
    def built_in(self) -> frozenset[str]:
        """Names of built-in modules (modules.builtin)."""
        return frozenset(self._shelf.get("lists", "built_in"))

    @cached_property
    def knows_built_in_aliases(self) -> bool:
        """Whether what is built in says its other names (modules.builtin.modinfo)."""
        return next(iter(self._shelf.rows("built_in_aliases")), None) is not None

    @property
    def unreadable(self) -> tuple[Unreadable, ...]:
        """Files that are no readable modules."""
        return tuple(Unreadable(path, reason) for path, reason in self._shelf.get("lists", "unreadable"))

    def by_compatible(self, compatible: str) -> tuple[str, ...]:
        """Modules that udev would load for this compatible (`of:` aliases)."""
        return tuple(self._shelf.get("of", compatible) or ())

    def built_in_by_compatible(self, compatible: str) -> tuple[str, ...]:
        """Built-in modules with this compatible, by modules.builtin.modinfo: from Linux 6.18 on."""
        return tuple(self._shelf.get("built_in_of", compatible) or ())

    def by_alias(self, modalias: str) -> tuple[str, ...]:
        """Modules whose alias matches a `pci:`, `mdio:`, `usb:`, `i2c:`, … modalias."""
        return self._matching("aliases", modalias)

    def built_in_by_alias(self, modalias: str) -> tuple[str, ...]:
        """The same for built-in modules."""
        return self._matching("built_in_aliases", modalias)

    def meant(self, name: str) -> tuple[tuple[str, ...], bool]:
        """(modules, whether it is built in) by a name that modprobe is told, such as a soft dependency's.

        It may be a module's name or an alias; `-` and `_` are one to modprobe. `crypto-crc32c` is kept here
        as `crc32c` alone: MODULE_ALIAS_CRYPTO (include/crypto/algapi.h, Linux 6.12) makes both.
        """
        plain = name.removeprefix("crypto_")
        spellings = dict.fromkeys((name, name.replace("_", "-"), plain, plain.replace("_", "-")))
        built_in = name in self.built_in or any(self.built_in_by_alias(spelling) for spelling in spellings)
        if name in self:
            return (name,), built_in
        by_alias = (module for spelling in spellings for module in self.by_alias(spelling))
        return tuple(dict.fromkeys(by_alias)), built_in

    def _matching(self, table: str, modalias: str) -> tuple[str, ...]:
        """Aliases are kept by what precedes their first wildcard: one look-up for each prefix."""
        known = self._by_modalias.get((table, modalias))
        if known is not None:
            return known
        names: dict[str, None] = {}
        for end in range(1, len(modalias) + 1):
            for pattern, name in self._shelf.get(table, modalias[:end]) or ():
                if fits(modalias, pattern):
                    names[name] = None
        known = self._by_modalias[table, modalias] = tuple(names)
        return known

    def drivers(self, compatible: str) -> tuple[tuple[str, ModuleDriver], ...]:
        """(module, driver) for every driver in every module with this compatible, in aliases or not."""
        return tuple(
            (module, _driver(self._row(module)[_DRIVERS][number]))
            for module, number in self._shelf.get("drivers", compatible) or ()
        )

    def calls(self, name: str) -> tuple[str, ...]:
        """What a module calls of the driver core, itself or through the modules it depends on."""
        calls: dict[str, None] = {}
        for module in (name, *self.closure(name, soft=False)):
            calls.update(dict.fromkeys(self._row(module)[_CALLS]))
        return tuple(calls)

    def firmware(self, name: str) -> tuple[str, ...]:
        """Firmware files that a module may ask for (`firmware=` of its `.modinfo`)."""
        return tuple(self._row(name)[_FIRMWARE])

    def damage(self, name: str) -> str:
        """Why a module's file cannot be read, though what it is for could; empty where it can."""
        return str(self._row(name)[_REASON])

    def vermagic(self, name: str) -> str:
        """The kernel a module was built for (`vermagic=` of its `.modinfo`); empty without."""
        return str(self._row(name)[_VERMAGIC])

    def has_crcs(self, name: str) -> bool:
        """Whether it carries the CRCs of CONFIG_MODVERSIONS."""
        return bool(self._row(name)[_CRCS])

    def is_signed(self, name: str) -> bool:
        """Whether a signature is appended; it was not checked."""
        return bool(self._row(name)[_SIGNED])

    def needs(self, name: str) -> tuple[str, ...]:
        """Modules without which it cannot be loaded (`depends`), whether they are in the tree or not."""
        return tuple(self._row(name)[_DEPENDS])

    def soft_needs(self, name: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Modules that modprobe tries to load before and after it (`softdep`)."""
        row = self._row(name)
        return tuple(row[_SOFTDEPS]), tuple(row[_SOFTDEPS_AFTER])

    def closure(self, name: str, *, soft: bool = True) -> tuple[str, ...]:
        """The modules that loading `name` loads first, soft dependencies included, in load order."""
        key = (name, soft)
        if key not in self._closures:
            self._closures[key] = self._closure(name, soft=soft)
        return self._closures[key]

    def _closure(self, name: str, *, soft: bool) -> tuple[str, ...]:
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
            row = self._row(current)
            needed = (*row[_SOFTDEPS], *row[_DEPENDS]) if soft else row[_DEPENDS]
            stack.extend((other, False) for other in reversed(needed) if other not in seen)
        return tuple(other for other in order if other != name)

    def _row(self, name: str) -> list[Any]:
        row = self._rows.get(name)
        if row is None:
            row = self._rows[name] = self._shelf.get("modules", name) or _NO_ROW
        return row

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
                softdeps_after=tuple(row[_SOFTDEPS_AFTER]),
                firmware=tuple(row[_FIRMWARE]),
                vermagic=row[_VERMAGIC],
                weakdeps=tuple(row[_WEAKDEPS]),
                crcs=bool(row[_CRCS]),
                signed=bool(row[_SIGNED]),
                drivers=tuple(_driver(driver) for driver in row[_DRIVERS]),
                calls=tuple(row[_CALLS]),
            )
            for name, row in sorted(self._shelf.rows("modules"))
            if not row[_REASON]
        }


def _driver(row: list[Any]) -> ModuleDriver:
    name, buses, compatibles = row
    return ModuleDriver(name, tuple(buses), tuple(compatibles))


def fits(text: str, pattern: str) -> bool:
    """Whether a modalias matches an alias of a module: `*` and `?` as in fnmatch(3), which modprobe uses."""
    if "[" in pattern:
        import fnmatch

        return fnmatch.fnmatchcase(text, pattern)
    at = place = 0
    star, resume = -1, 0
    while at < len(text):
        if place < len(pattern) and pattern[place] == "*":
            star, resume = place, at
            place += 1
        elif place < len(pattern) and pattern[place] in {"?", text[at]}:
            at += 1
            place += 1
        elif star >= 0:
            resume += 1
            at, place = resume, star + 1
        else:
            return False
    return pattern[place:].strip("*") == ""


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
        files, key = module_files(tree, form=_FORMAT)
    else:
        key = _key(content)
    folder = cache if cache is not None else MODULES.folder()
    store, aliases_at = folder / f"{key}.shelf", folder / f"{key}.aliases.json"
    index = _kept(store, aliases_at)
    if index is not None:
        return index
    with locked(folder / f".{key}.lock", Silent()):  # others would take the same seconds
        return _kept(store, aliases_at) or _made(tree, files, workers, store, aliases_at)


def _kept(store: Path, aliases_at: Path) -> ModuleIndex | None:
    kept = load(store, form=_FORMAT)
    if kept is None or not aliases_at.is_file():
        return None
    for path in (store, aliases_at):
        os.utime(path)
    return ModuleIndex(kept, aliases_at)


def _made(
    tree: Path, files: list[str] | None, workers: int | None, store: Path, aliases_at: Path
) -> ModuleIndex:
    if files is None:
        files, _ = module_files(tree, form=_FORMAT)
    records = read_records(tree, files, workers if workers is not None else min(2, os.cpu_count() or 1))
    tables = tabulate(records, built_in_names(tree), built_in_aliases(tree))
    aliases = {record["name"]: record["aliases"] for record in records if not record.get("reason")}
    write_bytes(aliases_at, json.dumps(aliases, separators=(",", ":")).encode())
    write_bytes(store, pack(tables, form=_FORMAT))
    MODULES.evict(keep=store)
    return ModuleIndex(Shelf.of(tables), aliases_at)


def unpacked(content: bytes, identity: str) -> ModuleIndex | None:
    """The index that `ModuleIndex.packed` gave; None where it is of another version, or damaged."""
    kept = read_shelf(content, form=_FORMAT)
    return ModuleIndex(kept, Path(f"{identity}.aliases.json")) if kept is not None else None


def is_indexed(content: str) -> bool:
    """Whether the index of a tree of that content is in the cache, so that reading it takes milliseconds."""
    return (MODULES.folder() / f"{_key(content)}.shelf").is_file()


def _key(content: str) -> str:
    return hashlib.sha256(f"{_FORMAT}\0{content}".encode()).hexdigest()[:32]


def tabulate(
    records: list[dict[str, Any]], built_in: list[str], aliases_of_built_in: dict[str, list[str]]
) -> dict[str, dict[str, Any]]:
    """The index's tables, of what `read_records` gives for each module."""
    rows: dict[str, list[Any]] = {}
    by_compatible: dict[str, list[str]] = defaultdict(list)
    drivers: dict[str, list[list[Any]]] = defaultdict(list)
    aliases: dict[str, list[list[str]]] = defaultdict(list)
    for record in records:
        name = record["name"]
        if record.get("reason") and (not record["aliases"] or name in rows):
            continue  # what it is for is not known, or another file has it whole
        rows[name] = [record.get(key, missing) for key, missing in zip(_ROW, _NO_ROW, strict=True)]
        for compatible in _of_compatibles(record["aliases"]):
            by_compatible[compatible].append(name)
        for number, (_, _, compatibles) in enumerate(record["drivers"]):
            for compatible in dict.fromkeys(compatibles):
                drivers[compatible].append([name, number])
        _add_aliases(aliases, name, record["aliases"])
    built_in_of: dict[str, list[str]] = defaultdict(list)
    others: dict[str, list[list[str]]] = defaultdict(list)
    for name, own_aliases in aliases_of_built_in.items():
        for compatible in _of_compatibles(own_aliases):
            built_in_of[compatible].append(name)
        _add_aliases(others, name, own_aliases)
    return {
        "modules": rows,
        "of": by_compatible,
        "drivers": drivers,
        "aliases": aliases,
        "built_in_of": built_in_of,
        "built_in_aliases": others,
        "lists": {
            "names": sorted(name for name, row in rows.items() if not row[_REASON]),
            "built_in": built_in,
            "unreadable": [[record["path"], record["reason"]] for record in records if record.get("reason")],
        },
    }


def _add_aliases(table: dict[str, list[list[str]]], name: str, aliases: Iterable[str]) -> None:
    for alias in aliases:
        if not alias.startswith("of:"):
            table[_WILD.split(alias, maxsplit=1)[0]].append([alias, name])
