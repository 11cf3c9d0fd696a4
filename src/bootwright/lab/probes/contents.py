"""What each probe needs in the initramfs beside init: kernel modules in load order, file systems."""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from bootwright.formats.archives import cpio
from bootwright.formats.modules.modinfo import plain_module
from bootwright.formats.sources.bytesource import FileBytes
from bootwright.foundation.cache import CONTENTS
from bootwright.foundation.errors import Missing, Refused
from bootwright.kernels.model import Kernel
from bootwright.kernels.modules import dependencies
from bootwright.lab.machines.machine import Machine
from bootwright.lab.probes import filesystems
from bootwright.lab.probes.added import added_probes

_MOST_MODULE = 64 << 20
_FOLDER = "bootwright"
_FORM = 2
"""Raised when the members below change, so that kept archives are not used."""


def archive(kernel: Kernel, machine: Machine, probes: Sequence[str]) -> bytes:
    """What goes into the initramfs after init: an archive, empty for a probe of system calls alone.

    Decompressing modules takes half a second, so the archive is kept. A module the kernel's tree does not
    have is left out: the guest then says what is not there. Raises `Missing` or `ToolFailed` from making
    the file systems, `Malformed` from a module that cannot be read.
    """
    needed: dict[str, tuple[str, ...]] = {}
    images: list[tuple[filesystems.Case, Path]] = []
    if "filesystems" in probes:
        images = [(case, filesystems.image(case)) for case in filesystems.cases()]
        modules = dict.fromkeys(name for case, _ in images for name in case.modules)
        needed["filesystems"] = ("loop", *modules)
    if "overlays" in probes:
        needed["overlays"] = ("overlay",)
    if "network" in probes:
        needed["network"] = machine.network.modules
    added = added_probes()
    needed |= {name: added[name].modules for name in probes if name in added and added[name].modules}
    if not needed:
        return b""
    made_of = (_FORM, kernel.image_sha256, str(kernel.modules), needed, [str(path) for _, path in images])
    name = f"{hashlib.sha256(repr(made_of).encode()).hexdigest()}.cpio"
    return CONTENTS.kept(name, lambda: cpio.write(_members(kernel, needed, images))).read_bytes()


def _members(
    kernel: Kernel, needed: Mapping[str, Sequence[str]], images: Sequence[tuple[filesystems.Case, Path]]
) -> Iterator[cpio.Member]:
    yield cpio.folder(_FOLDER)
    lines = []
    for case, image in images:
        path = f"{_FOLDER}/{case.name}.img"
        yield cpio.Member(path, image.read_bytes())
        lines.append(f"{case.name} {case.type} /{path}\n")
    if images:
        yield cpio.Member(f"{_FOLDER}/filesystems", "".join(lines).encode())
    placed: dict[Path, str] = {}
    for probe, names in needed.items():
        order = [] if kernel.modules is None else _in_load_order(kernel.modules, names)
        for module in order:
            if module not in placed:
                placed[module] = f"{_FOLDER}/{_plain_name(module)}"
                yield cpio.Member(placed[module], loadable(module))
        listing = "".join(f"/{placed[module]}\n" for module in order)
        yield cpio.Member(f"{_FOLDER}/{probe}.modules", listing.encode())


def _in_load_order(tree: Path, names: Sequence[str]) -> list[Path]:
    try:
        return dependencies(tree, names)
    except Missing:
        # One of them is not in this kernel; the others may still be of use.
        modules: dict[Path, None] = {}
        for name in names:
            with contextlib.suppress(Missing):
                modules.update(dict.fromkeys(dependencies(tree, [name])))
        return list(modules)


def _plain_name(path: Path) -> str:
    name = path.name.split(".ko", 1)[0]
    if not re.fullmatch(r"[\w.-]{1,80}", name):
        raise Refused(f"{ascii(path.name)[:120]} is not a kernel module's name")
    return f"{name}.ko"


def loadable(path: Path) -> bytes:
    """A module without its compression: loading would decompress it again, slower, in the guest."""
    return plain_module(FileBytes(path), limit=_MOST_MODULE)
