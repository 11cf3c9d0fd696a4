"""Which modules a configuration builds, by the tree's own makefiles: read by make, and nothing compiled.

Each folder's Kbuild file is included by a makefile that prints what it collected in `obj-m` and `obj-y`
(Documentation/kbuild/makefiles.rst, Linux 6.12, section 3), from the root on into the folders that it names.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from attrs import frozen

from bootwright.foundation import atomic, tools
from bootwright.foundation.errors import ToolFailed
from bootwright.foundation.progress import Progress

# `libs-y` of the top Makefile and of arch/arm64/Makefile, which no Kbuild file names.
_ROOTS = ("", "lib", "arch/arm64/lib")
_MOST_FOLDERS = 20_000
_PRINTER = """\
include {config}
srctree := .
objtree := .
srcroot := .
SRCARCH := arm64
ARCH := arm64
CC := false
LD := false
obj := {folder}
src := {folder}
-include scripts/Kbuild.include
.DEFAULT_GOAL := all
obj-y :=
obj-m :=
include {file}
$(info @@ $(obj-m) $(subdir-m) @@ $(obj-y) $(subdir-y))
.PHONY: all
all: ;
"""


@frozen
class Built:
    """What a configuration builds, as the lines of modules.order and modules.builtin name it."""

    modules: frozenset[str]
    """`kernel/drivers/net/macb.ko`."""
    builtin: frozenset[str]
    """Objects of the kernel itself, in the same form: modules that it has built in are among them."""


def built_by(tree: Path, values: Mapping[str, str], work: Path, progress: Progress) -> Built:
    """What the tree builds with these options (by name without `CONFIG_`, as in a `.config`).

    `work` is a folder to write to. Raises `ToolFailed` where the root's own file cannot be read; what make
    cannot read of another folder is taken to build nothing.
    """
    config = work / "auto.conf"
    atomic.write_text(config, "".join(f"CONFIG_{name}={value}\n" for name, value in values.items()))
    modules: set[str] = set()
    builtin: set[str] = set()
    seen: set[str] = set(_ROOTS)
    # With each folder whether what it builds in is the kernel's: below `obj-m += folder/` it is not.
    waiting = [(folder, True) for folder in _ROOTS]
    with progress.step("read which modules are built"), ThreadPoolExecutor(2) as pool:
        while waiting and len(seen) < _MOST_FOLDERS:
            answers = pool.map(lambda entry: _read(tree, entry[0], config), waiting)
            following: list[tuple[str, bool]] = []
            for (folder, inside), (modular, built) in zip(waiting, answers, strict=True):
                for names, to_kernel in ((built, inside), (modular, False)):
                    for name in names:
                        path = posixpath.normpath(posixpath.join(folder, name))
                        if name.endswith("/"):
                            if path not in seen and not path.startswith(".."):
                                seen.add(path)
                                following.append((path, to_kernel))
                        elif name.endswith(".o"):
                            target = modules if names is modular else builtin if to_kernel else set()
                            target.add(f"kernel/{path[:-2]}.ko")
            progress.advance(len(seen), None, "folders")
            waiting = following
    return Built(frozenset(modules), frozenset(builtin))


def _read(tree: Path, folder: str, config: Path) -> tuple[list[str], list[str]]:
    place = tree / folder
    file = next((name for name in ("Kbuild", "Makefile") if (place / name).is_file()), None)
    if file is None or (not folder and file == "Makefile"):
        return [], []
    text = _PRINTER.format(config=config, folder=folder or ".", file=posixpath.join(folder or ".", file))
    command = ["make", "-s", "-rR", "--no-print-directory", "-f", "-"]
    environment = {"MAKEFLAGS": "", "MFLAGS": "", "MAKELEVEL": "0"}
    try:
        output = tools.run(command, cwd=tree, input_bytes=text.encode(), env=environment, timeout=60)
    except ToolFailed:
        if not folder:
            raise
        return [], []
    match = re.search(rb"^@@(.*)@@(.*)$", output, re.MULTILINE)
    if match is None:
        return [], []
    modular, built = (half.decode("utf-8", "surrogateescape").split() for half in match.groups())
    return modular, built
