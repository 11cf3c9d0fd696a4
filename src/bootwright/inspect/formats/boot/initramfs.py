"""An initramfs: its archives, and the tree they make."""

from __future__ import annotations

from bootwright.formats.archives.initramfs import InitramfsTree, is_cpio, read_segments
from bootwright.formats.sources.bytesource import ByteSource
from bootwright.inspect.facts import Item, ItemKind, Value
from bootwright.inspect.files import described
from bootwright.inspect.format import Context, Format


def initramfs(explorer: Context, source: ByteSource, name: str, depth: int) -> Item:
    """An initramfs: its archives, and the tree they make."""
    segments = read_segments(source, limit=explorer.bytes_left, progress=explorer.progress)
    explorer.spend(sum(segment.archive.size for segment in segments))
    tree = InitramfsTree(f"{source.name}:root", segments)
    more: dict[str, Value] = {
        "archives": [
            {
                "offset": segment.offset,
                "size": segment.size,
                "compression": segment.compression,
                "expanded": segment.archive.size,
            }
            for segment in segments
        ]
    }
    return described(explorer, tree, name, depth, source=source, more=more, kind=ItemKind.INITRAMFS)


def _matches(source: ByteSource, head: bytes) -> bool:  # noqa: ARG001
    return is_cpio(source)


FORMAT = Format(
    name="initramfs",
    title="initramfs",
    documentation="init/initramfs.c (Linux 6.12), Documentation/driver-api/early-userspace/buffer-format.rst",
    limits="checksums of 070702 archives are not verified",
    describe=initramfs,
    matches=_matches,
    order=60,
    names=(r"(.*/)?(initramfs|initrd|uinitrd|ramdisk)[^/]*",),
    name_order=100,
    fits=frozenset({ItemKind.INITRAMFS, ItemKind.COMPRESSED}),
)
