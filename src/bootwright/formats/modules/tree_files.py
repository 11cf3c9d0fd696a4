"""The files of a modules tree: which there are, and what each of them says."""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from pathlib import Path
from typing import Any

from bootwright.formats.modules.module_facts import module_name
from bootwright.foundation.errors import BootwrightError

_SUFFIXES = (".ko", ".ko.xz", ".ko.zst", ".ko.gz")
_NEVER = ("acpi", "dmi", "fs-", "net-pf", "crypto-", "char-major", "devname:")
"""Aliases that no device of a devicetree machine has."""
_CHUNK = 48


def module_files(tree: Path, *, form: int) -> tuple[list[str], str]:
    """The module files below a tree, and a fingerprint of names, sizes and times of change.

    `form` is the number of the format that is made of them, which the fingerprint holds.
    """
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
    digest = hashlib.sha256(b"%d\n" % form + "\n".join(lines).encode("utf-8", "surrogateescape"))
    return sorted(files), digest.hexdigest()[:32]


def read_records(tree: Path, files: list[str], workers: int) -> list[dict[str, Any]]:
    """What each module file says, in that many processes; of one that cannot be read, why."""
    if workers <= 1 or len(files) < 2 * _CHUNK:
        return _read_some(str(tree), files)
    # Rarely needed, and slow to import.
    from bootwright.foundation.processes.children import pool as process_pool

    chunks = [files[start : start + _CHUNK] for start in range(0, len(files), _CHUNK)]
    with process_pool(workers) as pool:
        parts = pool.map(_read_some, [str(tree)] * len(chunks), chunks)
        return [record for part in parts for record in part]


def _read_some(tree: str, files: list[str]) -> list[dict[str, Any]]:
    # Where the index is in the cache, nothing of this is needed.
    from bootwright.formats.modules.module_file import read_module, salvaged, unpack_module

    records: list[dict[str, Any]] = []
    for path in files:
        data = b""
        try:
            data = (Path(tree) / path).read_bytes()
            facts = read_module(unpack_module(data, path), path)
        except (BootwrightError, OSError) as error:
            fields = salvaged(data, path)
            records.append(
                {
                    "path": path,
                    "name": module_name(path),
                    "reason": str(error),
                    "aliases": [alias for alias in fields.get("alias", ()) if not alias.startswith(_NEVER)],
                    "drivers": [],
                }
            )
            continue
        records.append(
            {
                "path": path,
                "name": facts.name,
                "aliases": [alias for alias in facts.aliases if not alias.startswith(_NEVER)],
                "depends": facts.depends,
                "softdeps": facts.softdeps,
                "softdeps_after": facts.softdeps_after,
                "firmware": facts.firmware,
                "vermagic": facts.vermagic,
                "crcs": facts.crcs,
                "signed": facts.signed,
                "weakdeps": facts.weakdeps,
                "calls": facts.calls,
                "drivers": [[driver.name, driver.buses, driver.compatibles] for driver in facts.drivers],
            }
        )
    return records


def built_in_names(tree: Path) -> list[str]:
    """Names of the modules that are built in, of `modules.builtin`; empty without such a file."""
    listed = tree / "modules.builtin"
    if not listed.is_file():
        return []
    return [module_name(line) for line in listed.read_text(errors="backslashreplace").split()]


def built_in_aliases(tree: Path) -> dict[str, list[str]]:
    """Name of a built-in module → its aliases, of `modules.builtin.modinfo`."""
    aliases: dict[str, list[str]] = defaultdict(list)
    path = tree / "modules.builtin.modinfo"
    if path.is_file():
        for entry in path.read_bytes().split(b"\0"):
            key, _, value = entry.partition(b"=")
            module, _, field = key.partition(b".")
            alias = value.decode("utf-8", "backslashreplace")
            if field == b"alias" and not alias.startswith(_NEVER):
                aliases[module.decode("utf-8", "backslashreplace").replace("-", "_")].append(alias)
    return aliases
