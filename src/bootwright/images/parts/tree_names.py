"""Modules in an image by their paths and names, and which of another kernel take their place."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import frozen

from bootwright.images.parts import module_files
from bootwright.kernels.modules import ModuleFiles

if TYPE_CHECKING:
    from bootwright.images.parts.kernel_part import KernelFiles

MODULES = re.compile(r"(?P<tree>(?:usr/)?lib/modules/(?P<release>[^/]+))(?:/(?P<rest>.*))?")
"""A path below a tree of modules, without a slash in front."""

MODULE = re.compile(r"(?:.*/)?(?P<name>[^/]+)\.ko(?P<suffix>\.(?:xz|zst|gz))?")
"""A module's path."""

LISTS = ("usr/lib/stand-in/modules",)
"""Where our stand-in lists modules to load, by path."""

_ENOUGH = 400
"""A tree of so many modules is a whole one, and is replaced by the whole other one."""


@frozen
class Selection:
    """What takes the place of the modules that were there."""

    files: list[Path]
    left_out: list[str]
    """Modules that the other kernel does not have (or has built in)."""
    summary: str
    """For the user: `/rootfs.sqsh:/usr/lib/modules/…: 12 modules of 6.18.5 → 11 of 6.12.1`."""


def module_name(path: str) -> str:
    """The name as the kernel knows it; a path that is no module's is returned as it is."""
    match = MODULE.fullmatch(path)
    return match["name"].replace("-", "_") if match else path


def is_compressed(path: str) -> bool:
    """Whether a module's path ends in a compression's suffix."""
    match = MODULE.fullmatch(path)
    return match is not None and match["suffix"] is not None


def selection(kernel: KernelFiles, old: Sequence[str], where: str, added: Sequence[str] = ()) -> Selection:
    """The other kernel's files for the same modules with all they need; all of them for a whole tree.

    `added` are names of modules that are to be there as well. Raises `Missing` for one that the kernel has
    neither as a module nor built in.
    """
    names = [module_name(path) for path in old]
    left_out: list[str] = []
    if len(names) >= _ENOUGH:
        files = module_files.all_modules(kernel.module_tree())
    else:
        there = {module_name(path.name) for path in module_files.all_modules(kernel.module_tree())}
        left_out = [name for name in dict.fromkeys(names) if name not in there]
        wanted = [*(name for name in names if name in there), *added]
        files = ModuleFiles(kernel.module_tree()).order(wanted)
    match = MODULES.match(old[0])
    release, tree = (match["release"], match["tree"]) if match else ("?", "")
    summary = f"{where}/{tree}: {len(old)} modules of {release} → {len(files)} of {kernel.release}"
    return Selection(files, left_out, summary)


def relisted(old: bytes, paths: Sequence[str]) -> bytes:
    """A list of modules to load, in the other kernel's load order; empty stays empty."""
    return "".join(f"{path}\n" for path in paths).encode() if old else b""
