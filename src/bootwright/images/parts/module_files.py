"""Modules for an image: which files, how they lie in a root file system, the tables depmod makes."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from bootwright.formats.modules.modinfo import plain_module
from bootwright.formats.sources.bytesource import ByteSource, FileBytes
from bootwright.foundation import atomic, tools
from bootwright.foundation.errors import Refused
from bootwright.foundation.processes.work_folder import temporary_folder
from bootwright.foundation.progress import Progress
from bootwright.kernels.modules import ModuleFiles

_MOST_MODULE = 128 << 20
# What a kernel's build leaves beside them, for depmod (Documentation/kbuild/kbuild.rst, Linux 6.12).
_TABLES = ("modules.order", "modules.builtin", "modules.builtin.modinfo")
_SUFFIXES = (".ko", ".ko.xz", ".ko.zst", ".ko.gz")


def closure(modules: ModuleFiles, names: Sequence[str], *, required: bool, progress: Progress) -> list[Path]:
    """The module files for `names` with what they depend on, in load order; built-in ones need none.

    A name that this kernel does not have is an error (`Missing`) when `required`, else left out with a note.
    """
    wanted = list(names)
    if not required:
        wanted = [name for name in names if name in modules]
        absent = [name for name in names if name not in modules]
        if absent:
            progress.note(f"not in {modules.tree.name}, left out: {', '.join(absent)}")
    return modules.order(wanted)


def all_modules(tree: Path) -> list[Path]:
    """Every module of a tree, sorted."""
    return sorted(
        path for path in (tree / "kernel").rglob("*.ko*") if path.name.endswith(_SUFFIXES) and path.is_file()
    )


def named(tree: Path, wanted: Sequence[str]) -> list[str]:
    """Names of modules, with the patterns of paths among them (what has a `/`) replaced by what they fit.

    A pattern is below `tree/kernel`, as `drivers/net/phy/*`, and its `*` takes folders in. Raises
    `Refused` for one that fits nothing.
    """
    names: list[str] = []
    for text in wanted:
        if "/" not in text:
            names.append(text)
            continue
        paths = [
            path
            for path in all_modules(tree)
            if fnmatchcase(path.relative_to(tree / "kernel").as_posix(), text)
        ]
        if not paths:
            raise Refused(
                f"{tree.name} has no module that fits {text!r}",
                hint="patterns are of paths below its folder `kernel`: drivers/net/phy/*",
            )
        names += [plain_name(path).removesuffix(".ko").replace("-", "_") for path in paths]
    return list(dict.fromkeys(names))


def copy_tree(
    tree: Path,
    files: Sequence[Path],
    root: Path,
    release: str,
    *,
    plain: Sequence[Path],
    prefix: str = "usr/lib",
) -> None:
    """Put module files below `root/PREFIX/modules/RELEASE` and make their tables with depmod.

    Those in `plain` lose their compression. Raises `Missing` without
    depmod, `Malformed` for a module that cannot be decompressed.
    """
    target = root / prefix / "modules" / release
    uncompressed = set(plain)
    try:
        target.mkdir(parents=True, exist_ok=True)
        for path in files:
            place = target / path.relative_to(tree)
            if path in uncompressed:
                place = place.with_name(plain_name(path))
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(plain_bytes(path))
            else:
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, place)
        for name in _TABLES:
            if (tree / name).is_file():
                shutil.copyfile(tree / name, target / name)
    except OSError as error:
        raise atomic.explained(error, target) from error
    make_tables(root / prefix / "modules", release)


def make_tables(modules: Path, release: str) -> None:
    """modules.dep, modules.alias and the other tables in `modules`/RELEASE, by depmod(8)."""
    depmod = tools.need("depmod", purpose="make the tables of kernel modules")
    with temporary_folder() as base:
        # depmod looks below lib/modules of its base, wherever the tree really lies.
        (base / "lib").mkdir()
        (base / "lib/modules").symlink_to(modules.resolve())
        tools.run([depmod, "-b", base, release], timeout=300)


def plain_name(path: Path) -> str:
    """A module's file name without its compression's suffix."""
    return path.name.split(".ko", 1)[0] + ".ko"


def plain_bytes(file: Path | ByteSource) -> bytes:
    """A module without its compression; raises `Malformed`."""
    source = FileBytes(file) if isinstance(file, Path) else file
    return plain_module(source, limit=_MOST_MODULE)
