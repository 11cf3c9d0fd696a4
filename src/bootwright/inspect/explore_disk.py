"""Disks, partitions and file systems as items of the tree."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bootwright.formats.disks.mbr import read_partition_table
from bootwright.formats.disks.partitions import Partition
from bootwright.formats.filesystems.ext4 import Ext
from bootwright.formats.filesystems.fat import Fat
from bootwright.formats.filesystems.squashfs import SquashFs
from bootwright.formats.filesystems.superblocks import read_named
from bootwright.formats.filesystems.xfs import Xfs
from bootwright.formats.sources.bytesource import ByteSource
from bootwright.foundation.errors import BootwrightError, Malformed
from bootwright.inspect import explore_files
from bootwright.inspect.facts import Item, Origin, Problem, Value, facts_at

if TYPE_CHECKING:
    from bootwright.inspect.explore import Explorer

_EXTENDED = frozenset({"0x05", "0x0f", "0x85"})


def disk(explorer: Explorer, source: ByteSource, name: str, depth: int) -> Item:
    """A partitioned disk."""
    # The backup table is at the end, which may still be being expanded: it is looked at last.
    first = read_partition_table(source, backup=False)
    children = tuple(_partition(explorer, source, each, depth + 1) for each in first.partitions)
    table = read_partition_table(source)
    origin = Origin(source.name, 0, len(source))
    facts = facts_at(
        origin,
        {
            "size": len(source),
            "partition_table": table.scheme,
            "sector_size": table.sector_size,
            "disk_id": table.disk_id,
            "gpt_copies": table.copies or None,
            "hybrid_mbr": [f"{each.number}: {each.type_name or each.type}" for each in table.mbr_partitions]
            or None,
        },
    )
    return Item(
        kind="disk",
        name=name,
        origin=origin,
        facts=facts,
        children=children,
        problems=tuple(Problem(text, None, origin) for text in table.problems),
        detail=table,
        source=source,
    )


def _partition(explorer: Explorer, source: ByteSource, partition: Partition, depth: int) -> Item:
    title = f"partition {partition.number}" + (f" ({partition.label})" if partition.label else "")
    origin = Origin(source.name, partition.offset, partition.size)
    facts = facts_at(
        Origin(source.name, partition.entry_offset),
        {
            "number": partition.number,
            "label": partition.label,
            "type": partition.type_name or partition.type,
            "type_id": partition.type,
            "uuid": partition.uuid,
            "offset": partition.offset,
            "size": partition.size,
        },
    )
    children: tuple[Item, ...] = ()
    problems: tuple[Problem, ...] = ()
    inside: ByteSource | None = None
    if partition.type not in _EXTENDED:
        try:
            inside = partition.open(source)
        except BootwrightError as error:
            problems = (Problem.of(error, source.name),)
        else:
            child = explorer.follow(inside, inside.name.rpartition(":")[2], depth + 1)
            children = (child,) if child is not None else ()
    return Item("partition", title, origin, facts, children, problems, detail=partition, source=inside)


def fat(explorer: Explorer, source: ByteSource, name: str, depth: int) -> Item:
    """A FAT volume."""
    volume = Fat(source)
    more: dict[str, Value] = {"fat_bits": volume.geometry.bits, "cluster_size": volume.geometry.cluster_size}
    return explore_files.described(explorer, volume, name, depth, source=source, more=more)


def xfs(explorer: Explorer, source: ByteSource, name: str, depth: int) -> Item:
    """An XFS file system."""
    files = Xfs(source)
    super_ = files.superblock
    more: dict[str, Value] = {
        "block_size": super_.block_size,
        "format_version": super_.version,
        "features": list(super_.features),
    }
    return explore_files.described(explorer, files, name, depth, source=source, more=more)


def ext(explorer: Explorer, source: ByteSource, name: str, depth: int) -> Item:
    """An ext2, ext3 or ext4 file system."""
    files = Ext(source)
    super_ = files.superblock
    more: dict[str, Value] = {"block_size": super_.block_size, "features": list(super_.features)}
    return explore_files.described(explorer, files, name, depth, source=source, more=more)


def squashfs(explorer: Explorer, source: ByteSource, name: str, depth: int) -> Item:
    """A squashfs image."""
    files = SquashFs(source)
    super_ = files.superblock
    more: dict[str, Value] = {
        "block_size": super_.block_size,
        "compression": super_.compression,
        "inodes": super_.inodes,
        "modified": super_.modified,
    }
    return explore_files.described(explorer, files, name, depth, source=source, more=more)


def superblock(explorer: Explorer, source: ByteSource, name: str, depth: int) -> Item:  # noqa: ARG001
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
        "swap" if named.type == "swap" else "filesystem",
        name,
        Origin(source.name, 0, len(source)),
        facts_at(origin, values),
        detail=named,
        source=source,
    )
