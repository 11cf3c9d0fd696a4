"""Which module files to load, and in which order, as modprobe(8) would.

Formats: modules.dep(5), modules.builtin (Documentation/kbuild/kbuild.rst, Linux 6.12). A Debian package has
no modules.dep (it is made on installation), so a module's own `depends` serves where it is missing.

Soft dependencies (`softdep=pre:`, MODULE_SOFTDEP in include/linux/module.h) are loaded first where they are
there; one may be an alias: `libcrc32c` asks for `crc32c`, which `crc32c_generic` is. Weak dependencies
(`weakdep=`, Linux 6.12, kmod 33) are carried and loaded after, by the module itself where it wants them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from bootwright.formats.modules.module_index import ModuleIndex, read_module_tree
from bootwright.foundation.cache import KERNELS
from bootwright.foundation.errors import BootwrightError, Malformed, Missing

if TYPE_CHECKING:
    from bootwright.formats.modules.modinfo import ModuleInfo

_SUFFIXES = (".ko", ".ko.xz", ".ko.zst", ".ko.gz")
_MOST_MODULES = 100_000


def normalised(name: str) -> str:
    """The name as the kernel knows it: `rp1-pci` and `rp1_pci` are one module."""
    return name.replace("-", "_")


def tree_index(tree: Path) -> ModuleIndex:
    """The index of a tree. Trees of the library lie in folders named by their content, and never change."""
    library = KERNELS.folder() / "trees"
    return read_module_tree(tree, content=str(tree) if tree.is_relative_to(library) else None)


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

    def file(self, name: str) -> Path | None:
        """The file of a module; None where the tree has none of that name."""
        path = self._files.get(normalised(name))
        return None if path is None else Path(path)

    def order(self, names: Iterable[str], *, soft: bool = True) -> list[Path]:
        """The files to load for `names`, each after those it depends on, soft dependencies included.

        Modules that are built in need no file and are left out; so are soft and weak dependencies that are
        not there, or cannot be loaded for want of another. Raises `Missing` naming a module that is
        neither there nor built in, `Malformed` for a circle of dependencies.
        """
        loader = _Loader(self.tree, self._builtin, self._known, self._files, soft=soft)
        for name in names:
            loader.add(normalised(name), None)
        return [Path(path) for path in loader.order]


class _Loader:
    def __init__(
        self,
        tree: Path,
        builtin: set[str],
        known: dict[str, list[str]],
        files: dict[str, str],
        *,
        soft: bool,
    ) -> None:
        self._soft = soft
        self._infos: dict[str, ModuleInfo] = {}
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
        for other in self._softly(name, "pre:"):
            self._try(other)
        for other in self._depends(name):
            self.add(other, name)
        self._under_way.pop()
        self._done.add(name)
        self.order.append(self._files[name])
        for other in (*self._softly(name, "post:"), *self._weakly(name)):
            self._try(other)

    def _try(self, name: str) -> None:
        """Add a module that is of use where it is there; a circle of soft dependencies is none."""
        for module in self._meant(name):
            if module in self._under_way:
                continue
            order, done, under_way = list(self.order), set(self._done), list(self._under_way)
            try:
                self.add(module, None)
            except BootwrightError:
                self.order, self._done, self._under_way = order, done, under_way

    def _meant(self, name: str) -> tuple[str, ...]:
        """A module's own name, or the modules that have it as an alias."""
        if name in self._files or name in self._builtin:
            return (name,)
        index = tree_index(self._tree)
        return tuple(_name(index.path(position)) for position in index.meant(name)[0])

    def _softly(self, name: str, when: str) -> list[str]:
        if not self._soft:
            return []
        words: list[str] = []
        for line in self._info(name).softdeps:
            taking = False
            for word in line.split():
                if word.endswith(":"):
                    taking = word == when
                elif taking:
                    words.append(normalised(word))
        return words

    def _weakly(self, name: str) -> list[str]:
        lines = self._info(name).fields.get("weakdep", ()) if self._soft else ()
        return [normalised(word) for line in lines for word in line.split()]

    def _info(self, name: str) -> ModuleInfo:
        if name not in self._infos:
            from bootwright.formats.modules.modinfo import read_module  # not for `tree_index`

            self._infos[name] = read_module(Path(self._files[name]))
        return self._infos[name]

    def _depends(self, name: str) -> list[str]:
        if name in self._known:
            return self._known[name]
        return [normalised(other) for other in self._info(name).depends]


def _name(path: str) -> str:
    return normalised(path.rpartition("/")[2].split(".ko", 1)[0])


def _walk(tree: Path) -> list[str]:
    paths: list[str] = []
    for folder, subfolders, files in os.walk(tree):
        # build and source are links into the kernel's sources.
        subfolders[:] = sorted(set(subfolders) - {"build", "source"})
        paths += [f"{folder}/{file}" for file in sorted(files) if file.endswith(_SUFFIXES)]
        if len(paths) > _MOST_MODULES:
            raise Malformed(str(tree), None, f"at most {_MOST_MODULES} modules", "more")
    return paths


def _built_in(tree: Path) -> set[str]:
    return {_name(line) for line in _lines(tree / "modules.builtin") if line}


def _read_dep(tree: Path) -> dict[str, list[str]]:
    """modules.dep: `path: path path …`, the direct and indirect ones, nearest first."""
    needed: dict[str, list[str]] = {}
    for line in _lines(tree / "modules.dep"):
        path, colon, others = line.partition(":")
        if colon:
            needed[_name(path)] = [_name(other) for other in reversed(others.split())]
    return needed


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def no_modules_in(folder: Path) -> Missing:
    """The error for what was given as a folder of modules, and is none."""
    if not folder.exists():
        return Missing(f"there is no folder {folder}", hint="give the kernel's modules, /lib/modules/RELEASE")
    if not folder.is_dir():
        return Missing(f"{folder} is a file", hint="give the folder of all modules, /lib/modules/RELEASE")
    return Missing(
        f"{folder} is not a modules folder", hint="give the folder that holds kernel/, such as /lib/modules/…"
    )
