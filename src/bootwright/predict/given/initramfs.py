"""Which modules an initramfs holds."""

from __future__ import annotations

from pathlib import Path

from bootwright.formats.archives.initramfs import InitramfsTree, read_segments
from bootwright.formats.filesystems.filesystem import Entry, walk
from bootwright.formats.kernel.module_file import module_name
from bootwright.formats.sources.bytesource import FileBytes


def modules_inside(path: Path) -> frozenset[str]:
    """Names of the kernel modules in an initramfs (cpio archives, compressed or not).

    Raises `Missing` or `Malformed`.
    """
    source = FileBytes(path)
    tree = InitramfsTree(source.name, read_segments(source))
    return frozenset(
        module_name(entry.name)
        for entry in walk(tree)
        if isinstance(entry, Entry) and entry.name.endswith((".ko", ".ko.xz", ".ko.zst", ".ko.gz"))
    )
