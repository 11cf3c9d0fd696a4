"""Modules of a new kernel that serve what the old one had built in.

A distribution such as Talos builds in what others ship as modules: with another kernel those modules must
come along, or the devices they drive are lost. What was built in is told by `modules.builtin` in the image,
and by the match tables of the old Image where there is none.
"""

from __future__ import annotations

from collections.abc import Iterator

from bootwright.formats.archives import cpio
from bootwright.formats.archives.initramfs import read_segments
from bootwright.formats.filesystems.filesystem import lookup, read_small
from bootwright.formats.filesystems.squashfs import SquashFs
from bootwright.formats.kernel.arm64_image import unwrapped
from bootwright.formats.kernel.built_in import BuiltIn
from bootwright.formats.kernel.built_in_store import read_bare_once
from bootwright.formats.modules.module_index import ModuleIndex
from bootwright.formats.sources.bytesource import ByteSource
from bootwright.foundation.errors import BootwrightError
from bootwright.images.opened import all_files
from bootwright.images.parts.kernel_part import KernelFiles
from bootwright.images.parts.tree_names import MODULES, module_name
from bootwright.kernels.modules import tree_index

_LIST = "modules.builtin"
_MOST_LIST = 1 << 20
_MOST_ARCHIVE = 1 << 30


def counterparts(old_kernel: ByteSource, initramfs: ByteSource, new: KernelFiles) -> tuple[str, ...]:
    """Names of modules of `new` that do what `old_kernel` has built in, sorted.

    `initramfs` is the old one's, with or without `modules.builtin`. Raises `Missing` where `new` came without
    modules, and `Malformed` for an archive that cannot be read.
    """
    index = tree_index(new.module_tree())
    names = set(_listed(initramfs)) & index.names
    if not names:
        try:
            names = set(_matching(read_bare_once(unwrapped(old_kernel)[0]), index))
        except BootwrightError:
            return ()  # neither list nor tables: nothing is known of what it had built in
    return tuple(sorted(names))


def _listed(initramfs: ByteSource) -> Iterator[str]:
    """The names in every `modules.builtin` of an initramfs and of the squashfs roots it holds."""
    for segment in read_segments(initramfs, limit=_MOST_ARCHIVE):
        for entry in cpio.read(segment.archive):
            if not entry.is_file:
                continue
            if entry.name.endswith(".sqsh"):
                yield from _in_root(SquashFs(cpio.content(segment.archive, entry)))
            elif _is_list(entry.name):
                yield from _names(segment.archive.read(entry.offset, min(entry.size, _MOST_LIST)))


def _in_root(root: SquashFs) -> Iterator[str]:
    for entry in all_files(root):
        if _is_list(entry.path.lstrip("/")) and lookup(root, entry.path) is not None:
            yield from _names(read_small(root, entry.path, _MOST_LIST) or b"")


def _is_list(path: str) -> bool:
    match = MODULES.fullmatch(path)
    return match is not None and match["rest"] == _LIST


def _names(data: bytes) -> Iterator[str]:
    """Each line is the path that the module would have: kernel/fs/overlayfs/overlay.ko."""
    return (module_name(line) for line in data.decode("ascii", "replace").split())


def _matching(built_in: BuiltIn, index: ModuleIndex) -> Iterator[str]:
    compatibles = {entry.compatible for driver in built_in.drivers for entry in driver.of}
    for compatible in sorted(filter(None, compatibles)):
        yield from index.by_compatible(compatible)
    for driver in built_in.drivers:
        for device in driver.pci:
            if 0xFFFFFFFF not in {device.vendor, device.device}:
                modalias = f"pci:v{device.vendor:08X}d{device.device:08X}sv00000000sd00000000bc00sc00i00"
                yield from index.by_alias(modalias)
