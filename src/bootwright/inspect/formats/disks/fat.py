"""FAT12, FAT16 and FAT32 as items of the tree."""

from __future__ import annotations

from bootwright.formats.filesystems.fat import Fat, is_fat
from bootwright.formats.sources.bytesource import ByteSource
from bootwright.inspect.facts import Item, Value
from bootwright.inspect.files import described
from bootwright.inspect.format import Context, Format


def fat(explorer: Context, source: ByteSource, name: str, depth: int) -> Item:
    """A FAT volume."""
    volume = Fat(source)
    more: dict[str, Value] = {"fat_bits": volume.geometry.bits, "cluster_size": volume.geometry.cluster_size}
    return described(explorer, volume, name, depth, source=source, more=more)


def _matches(source: ByteSource, head: bytes) -> bool:  # noqa: ARG001
    return is_fat(source)


FORMAT = Format(
    name="vfat",
    title="FAT12, FAT16 and FAT32",
    documentation="Microsoft FAT specification (fatgen103, 2005-08-30); fs/fat (Linux 6.12)",
    limits="exFAT is not read",
    describe=fat,
    matches=_matches,
    order=100,
)
