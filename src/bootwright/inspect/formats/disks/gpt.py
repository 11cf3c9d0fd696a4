"""Disks with a GUID partition table."""

from __future__ import annotations

from bootwright.formats.disks.gpt import is_gpt
from bootwright.formats.sources.bytesource import ByteSource
from bootwright.inspect.facts import ItemKind
from bootwright.inspect.format import Format
from bootwright.inspect.formats.disks._partitions import disk


def _matches(source: ByteSource, head: bytes) -> bool:  # noqa: ARG001
    return is_gpt(source)


FORMAT = Format(
    name="disk",
    title="disk with a GUID partition table",
    documentation="UEFI Specification 2.10, section 5.3",
    limits="sectors of 512 and 4096 bytes",
    describe=disk,
    matches=_matches,
    order=90,
    names=(r".*\.(raw|img)(\.(xz|zst|gz))?",),
    name_order=150,
    fits=frozenset(
        {ItemKind.DISK, ItemKind.FILESYSTEM, ItemKind.COMPRESSED, ItemKind.KERNEL, ItemKind.INITRAMFS}
    ),
)
