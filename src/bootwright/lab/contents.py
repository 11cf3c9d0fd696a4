"""What each probe needs in the initramfs beside init: kernel modules in load order, file systems."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from bootwright.artifacts import cpio
from bootwright.artifacts.bytesource import FileBytes
from bootwright.artifacts.streams import Decompressed, SourceStream, compression, everything
from bootwright.foundation.errors import Missing, Refused
from bootwright.kernels.model import Kernel
from bootwright.kernels.modules import dependencies
from bootwright.lab import filesystems
from bootwright.lab.machines import Machine

_MOST_MODULE = 64 << 20
_FOLDER = "bootwright"


def members(kernel: Kernel, machine: Machine, probes: Sequence[str]) -> Iterator[cpio.Member]:
    """The further members of the initramfs; none for a probe of system calls alone.

    A module the kernel's tree does not have is left out: the guest then says what is not there. Raises
    `Missing` or `ToolFailed` from making the file systems, `Malformed` from a module that cannot be read.
    """
    needed: dict[str, tuple[str, ...]] = {}
    images: list[cpio.Member] = []
    if "filesystems" in probes:
        cases = list(filesystems.cases())
        needed["filesystems"] = ("loop", *dict.fromkeys(name for case in cases for name in case.modules))
        lines = []
        for case in cases:
            path = f"{_FOLDER}/{case.name}.img"
            images.append(cpio.Member(path, filesystems.image(case).read_bytes()))
            lines.append(f"{case.name} {case.type} /{path}\n")
        images.append(cpio.Member(f"{_FOLDER}/filesystems", "".join(lines).encode()))
    if "network" in probes:
        needed["network"] = machine.network_modules
    if not needed:
        return
    yield cpio.folder(_FOLDER)
    yield from images
    placed: dict[Path, str] = {}
    for probe, names in needed.items():
        order = [] if kernel.modules is None else _in_load_order(kernel.modules, names)
        for module in order:
            if module not in placed:
                placed[module] = f"{_FOLDER}/{_plain_name(module)}"
                yield cpio.Member(placed[module], _plain(module))
        listing = "".join(f"/{placed[module]}\n" for module in order)
        yield cpio.Member(f"{_FOLDER}/{probe}.modules", listing.encode())


def _in_load_order(tree: Path, names: Sequence[str]) -> list[Path]:
    try:
        return dependencies(tree, names)
    except Missing:
        # One of them is not in this kernel; the others may still be of use.
        found: dict[Path, None] = {}
        for name in names:
            with contextlib.suppress(Missing):
                found.update(dict.fromkeys(dependencies(tree, [name])))
        return list(found)


def _plain_name(path: Path) -> str:
    name = path.name.split(".ko", 1)[0]
    if not re.fullmatch(r"[\w.-]{1,80}", name):
        raise Refused(f"{ascii(path.name)[:120]} is no name for a kernel module")
    return f"{name}.ko"


def _plain(path: Path) -> bytes:
    """A module without its compression: loading would decompress it again, slower, in the guest."""
    source = FileBytes(path)
    kind = compression(source.read(0, min(8, len(source))))
    if kind is None:
        return source.read(0, len(source))
    stream = Decompressed(SourceStream(source), kind, source.name, limit=_MOST_MODULE)
    return everything(stream, limit=_MOST_MODULE, where=source.name)
