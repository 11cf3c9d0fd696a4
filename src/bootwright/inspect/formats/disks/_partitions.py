"""A partitioned disk as an item: what its table says, and what is in each partition."""

from __future__ import annotations

from bootwright.formats.disks.mbr import read_partition_table
from bootwright.formats.disks.partitions import Partition
from bootwright.formats.sources.bytesource import ByteSource
from bootwright.foundation.errors import BootwrightError
from bootwright.inspect.facts import Item, ItemKind, Origin, Problem, facts_at
from bootwright.inspect.format import Context

_EXTENDED = frozenset({"0x05", "0x0f", "0x85"})


def disk(explorer: Context, source: ByteSource, name: str, depth: int) -> Item:
    """A partitioned disk."""
    # The backup table is at the end, which may still be being expanded: it is looked at last.
    first = read_partition_table(source, backup=False)
    children = tuple(_partition(explorer, source, partition, depth + 1) for partition in first.partitions)
    table = read_partition_table(source)
    origin = Origin(source.name, 0, source.size)
    facts = facts_at(
        origin,
        {
            "size": source.size,
            "partition_table": table.scheme,
            "sector_size": table.sector_size,
            "disk_id": table.disk_id,
            "gpt_copies": table.copies or None,
            "hybrid_mbr": [
                f"{partition.number}: {partition.type_name or partition.type}"
                for partition in table.mbr_partitions
            ]
            or None,
        },
    )
    return Item(
        kind=ItemKind.DISK,
        name=name,
        origin=origin,
        facts=facts,
        children=children,
        problems=tuple(Problem(text, None, origin) for text in table.problems),
        detail=table,
        source=source,
    )


def _partition(explorer: Context, source: ByteSource, partition: Partition, depth: int) -> Item:
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
    return Item(ItemKind.PARTITION, title, origin, facts, children, problems, detail=partition, source=inside)
