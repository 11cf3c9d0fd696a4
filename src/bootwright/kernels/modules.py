"""Which module files to load, and in which order, as modprobe(8) would.

Formats: modules.dep(5), modules.builtin (Documentation/kbuild/kbuild.rst, Linux 6.12). A Debian package has
no modules.dep (it is made on installation), so a module's own `depends` serves where it is missing.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from bootwright.formats.kernel.modinfo import read_module
from bootwright.foundation.errors import Malformed, Missing

_SUFFIXES = (".ko", ".ko.xz", ".ko.zst", ".ko.gz")
_MOST_MODULES = 100_000


def normalised(name: str) -> str:
    """The name as the kernel knows it: `rp1-pci` and `rp1_pci` are one module."""
    return name.replace("-", "_")


def dependencies(tree: Path, names: Iterable[str]) -> list[Path]:
    """The files to load for `names`, each after those it depends on: see `ModuleFiles.order`."""
    return ModuleFiles(tree).order(names)


class ModuleFiles:
    """The module files of a tree (`/lib/modules/RELEASE`), looked through once."""

    def __init__(self, tree: Path) -> None:
        self.tree = tree
        self._builtin = _built_in(tree)
        self._known = _read_dep(tree)
        self._files = {_name(path): path for path in _walk(tree)}

    def __contains__(self, name: str) -> bool:
        """Whether there is a module of that name, as a file or built in."""
        known = normalised(name)
        return known in self._files or known in self._builtin

    def order(self, names: Iterable[str]) -> list[Path]:
        """The files to load for `names`, each after those it depends on.

        Modules that are built in need no file and are left out. Raises `Missing` naming a module that is
        neither there nor built in, `Malformed` for a circle of dependencies.
        """
        loader = _Loader(self.tree, self._builtin, self._known, self._files)
        for name in names:
            loader.add(normalised(name), None)
        return [Path(path) for path in loader.order]


class _Loader:
    def __init__(
        self, tree: Path, builtin: set[str], known: dict[str, list[str]], files: dict[str, str]
    ) -> None:
        self._tree = tree
        self._builtin = builtin
        self._known = known
        self._files = files
        self.order: list[str] = []
        self._done: set[str] = set()
        self._under_way: list[str] = []

    def add(self, name: str, needed_by: str | None) -> None:
        if name in self._done or name in self._builtin:
            return
        if name in self._under_way:
            circle = " → ".join([*self._under_way[self._under_way.index(name) :], name])
            raise Malformed(str(self._tree), None, "dependencies without a circle", circle)
        if name not in self._files:
            by = f" (needed by {needed_by})" if needed_by else ""
            raise Missing(
                f"module {name}{by} is neither in {self._tree} nor built in",
                hint="this kernel was built without it, or under another name",
            )
        self._under_way.append(name)
        for other in self._depends(name):
            self.add(other, name)
        self._under_way.pop()
        self._done.add(name)
        self.order.append(self._files[name])

    def _depends(self, name: str) -> list[str]:
        if name in self._known:
            return self._known[name]
        return [normalised(other) for other in read_module(Path(self._files[name])).depends]


def _name(path: str) -> str:
    return normalised(path.rpartition("/")[2].split(".ko", 1)[0])


def _walk(tree: Path) -> list[str]:
    found: list[str] = []
    for folder, subfolders, files in os.walk(tree):
        # build and source are links into the kernel's sources.
        subfolders[:] = sorted(set(subfolders) - {"build", "source"})
        found += [f"{folder}/{file}" for file in sorted(files) if file.endswith(_SUFFIXES)]
        if len(found) > _MOST_MODULES:
            raise Malformed(str(tree), None, f"at most {_MOST_MODULES} modules", "more")
    return found


def _built_in(tree: Path) -> set[str]:
    return {_name(line) for line in _lines(tree / "modules.builtin") if line}


def _read_dep(tree: Path) -> dict[str, list[str]]:
    """modules.dep: `path: path path …`, the direct and indirect ones, nearest first."""
    found: dict[str, list[str]] = {}
    for line in _lines(tree / "modules.dep"):
        path, colon, others = line.partition(":")
        if colon:
            found[_name(path)] = [_name(other) for other in reversed(others.split())]
    return found


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
