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

from attrs import define, frozen

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

_FORMAT = 5
_SUFFIXES = (".ko", ".ko.xz", ".ko.zst", ".ko.gz")
_NEVER = ("acpi", "dmi", "fs-", "net-pf", "crypto-", "char-major", "devname:")
"""Aliases that no device of a devicetree machine has."""
_CHUNK = 48
_WILD = re.compile(r"[*?\[]")


@frozen
class Unreadable:
    """A module file that could not be read, and why."""

    path: str
    reason: str


@define(eq=False)
class ModuleIndex:
    """The modules of one kernel. Paths are relative to the tree (`/lib/modules/RELEASE`)."""

    modules: dict[str, ModuleFacts]
    paths: dict[str, str]
    built_in: frozenset[str]
    """Names of built-in modules (modules.builtin)."""
    built_in_aliases: dict[str, tuple[str, ...]]
    """Name → aliases of built-in modules (modules.builtin.modinfo); device tables only from Linux 6.18."""
    unreadable: tuple[Unreadable, ...] = ()

    def by_compatible(self, compatible: str) -> tuple[str, ...]:
        """Modules that udev would load for this compatible (`of:` aliases)."""
        return tuple(self._compatibles.get(compatible, ()))

    def by_alias(self, modalias: str) -> tuple[str, ...]:
        """Modules whose alias matches a `pci:`, `mdio:`, `usb:`, `i2c:`, … modalias."""
        kind = modalias.partition(":")[0]
        exact = self._exact.get(modalias)
        if exact:
            return tuple(exact)
        return tuple(
            dict.fromkeys(
                name
                for prefix, pattern, name in self._patterns.get(kind, ())
                if modalias.startswith(prefix) and fnmatch.fnmatchcase(modalias, pattern)
            )
        )

    @cached_property
    def drivers(self) -> dict[str, tuple[tuple[str, ModuleDriver], ...]]:
        """Compatible → (module, driver) for every driver in every module, in aliases or not."""
        found: dict[str, list[tuple[str, ModuleDriver]]] = defaultdict(list)
        for name, facts in self.modules.items():
            for driver in facts.drivers:
                for compatible in dict.fromkeys(driver.compatibles):
                    found[compatible].append((name, driver))
        return {compatible: tuple(pairs) for compatible, pairs in found.items()}

    def closure(self, name: str, *, soft: bool = True) -> tuple[str, ...]:
        """The modules that loading `name` loads first, soft dependencies included, in load order."""
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
            facts = self.modules.get(current)
            if facts is not None:
                needed = (*facts.softdeps, *facts.depends) if soft else facts.depends
                stack.extend((other, False) for other in reversed(needed) if other not in seen)
        return tuple(other for other in order if other != name)

    @cached_property
    def _compatibles(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = defaultdict(list)
        for name, facts in self.modules.items():
            for compatible in _of_compatibles(facts.aliases):
                found[compatible].append(name)
        return found

    @cached_property
    def _exact(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = defaultdict(list)
        for name, facts in self.modules.items():
            for alias in facts.aliases:
                if not alias.startswith("of:") and not any(mark in alias for mark in "*?["):
                    found[alias].append(name)
        return found

    @cached_property
    def _patterns(self) -> dict[str, list[tuple[str, str, str]]]:
        """Kind → (text before the first wildcard, pattern, module)."""
        found: dict[str, list[tuple[str, str, str]]] = defaultdict(list)
        for name, facts in self.modules.items():
            for alias in facts.aliases:
                if not alias.startswith("of:") and any(mark in alias for mark in "*?["):
                    found[alias.partition(":")[0]].append((_WILD.split(alias, maxsplit=1)[0], alias, name))
        return found

    @cached_property
    def built_in_compatibles(self) -> dict[str, str]:
        """Compatible → built-in module, from modules.builtin.modinfo."""
        return {
            compatible: name
            for name, aliases in self.built_in_aliases.items()
            for compatible in _of_compatibles(aliases)
        }


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


def read_module_tree(tree: Path, *, workers: int | None = None, cache: Path | None = None) -> ModuleIndex:
    """Index the modules below `tree` (a `/lib/modules/RELEASE` folder).

    `cache` is the folder for indexes (default: in bootwright's cache). Raises `Missing` where there is no
    such folder. Files that are not readable modules are listed in `unreadable`.
    """
    if not tree.is_dir():
        raise Missing(f"{tree} is not a folder of kernel modules", hint="give /lib/modules/RELEASE")
    files, key = _walk(tree)
    store = (cache if cache is not None else cache_dir() / "modules") / f"{key}.json"
    kept = _load(store)
    if kept is not None:
        return kept
    records = _read_all(tree, files, workers if workers is not None else min(2, os.cpu_count() or 1))
    document = {
        "format": _FORMAT,
        "modules": [record for record in records if "reason" not in record],
        "unreadable": [record for record in records if "reason" in record],
        "built_in": _built_in(tree),
        "built_in_aliases": _built_in_aliases(tree),
    }
    write_bytes(store, json.dumps(document, separators=(",", ":")).encode())
    return _index(document)


def _walk(tree: Path) -> tuple[list[str], str]:
    """The module files, and a fingerprint of names, sizes and times of change."""
    files: list[str] = []
    digest = hashlib.sha256(b"%d" % _FORMAT)
    root = str(tree)
    folders = [root]
    while folders:
        folder = folders.pop()
        with os.scandir(folder) as entries:
            for entry in sorted(entries, key=lambda item: item.name):
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                elif entry.name.endswith(_SUFFIXES) or entry.name.startswith("modules.builtin"):
                    status = entry.stat()
                    path = entry.path[len(root) + 1 :]
                    digest.update(f"{path}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
                    if not entry.name.startswith("modules."):
                        files.append(path)
    return files, digest.hexdigest()[:32]


def _read_all(tree: Path, files: list[str], workers: int) -> list[dict[str, Any]]:
    if workers <= 1 or len(files) < 2 * _CHUNK:
        return _read_some(str(tree), files)
    # Largest first, so that no worker is left with amdgpu at the end.
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


def _load(store: Path) -> ModuleIndex | None:
    try:
        document = json.loads(store.read_bytes())
        return _index(document) if document.get("format") == _FORMAT else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None  # not there yet, or damaged: made again


def _index(document: dict[str, Any]) -> ModuleIndex:
    modules: dict[str, ModuleFacts] = {}
    paths: dict[str, str] = {}
    for record in document["modules"]:
        name = record["name"]
        paths[name] = record["path"]
        modules[name] = ModuleFacts(
            name=name,
            aliases=tuple(record["aliases"]),
            depends=tuple(record["depends"]),
            softdeps=tuple(record["softdeps"]),
            firmware=tuple(record["firmware"]),
            vermagic=record["vermagic"],
            calls=tuple(record["calls"]),
            drivers=tuple(
                ModuleDriver(driver, tuple(buses), tuple(compatibles))
                for driver, buses, compatibles in record["drivers"]
            ),
        )
    return ModuleIndex(
        modules=modules,
        paths=paths,
        built_in=frozenset(document["built_in"]),
        built_in_aliases={name: tuple(found) for name, found in document["built_in_aliases"].items()},
        unreadable=tuple(Unreadable(record["path"], record["reason"]) for record in document["unreadable"]),
    )
