"""Swap areas, btrfs and ISO 9660: named, and read no further."""

from __future__ import annotations

from bootwright.formats.filesystems.superblocks import read_named
from bootwright.formats.sources.bytesource import ByteSource
from bootwright.foundation.errors import Malformed
from bootwright.inspect.facts import Item, ItemKind, Origin, Value, facts_at
from bootwright.inspect.format import Context, Format


def superblock(explorer: Context, source: ByteSource, name: str, depth: int) -> Item:  # noqa: ARG001
    """A swap area, or a file system that is named and not read."""
    named = read_named(source)
    if named is None:
        raise Malformed(source.name, 0, "a superblock", "none")
    origin = Origin(source.name, named.offset)
    values: dict[str, Value] = {
        "type": named.type,
        "label": named.label,
        "uuid": named.uuid,
        **dict(named.sizes),
    }
    return Item(
        ItemKind.SWAP if named.type == "swap" else ItemKind.FILESYSTEM,
        name,
        Origin(source.name, 0, source.size),
        facts_at(origin, values),
        detail=named,
        source=source,
    )


def _matches(source: ByteSource, head: bytes) -> bool:  # noqa: ARG001
    return read_named(source) is not None


FORMAT = Format(
    name="superblock",
    title="swap areas, btrfs, ISO 9660",
    documentation="mm/swapfile.c, include/uapi/linux/btrfs_tree.h (Linux 6.12); ECMA-119, section 8",
    limits="only the sizes that a kernel must match are read, no files",
    describe=superblock,
    matches=_matches,
    order=150,
)
