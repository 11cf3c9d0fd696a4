"""What a partition table says, whichever kind it is."""

from __future__ import annotations

from attrs import frozen

from bootwright.formats.sources.bytesource import ByteSource, Part
from bootwright.foundation.errors import CUT_SHORT, Malformed


@frozen
class Partition:
    """One partition of a disk."""

    number: int
    """As Linux counts them (`/dev/sda3` is 3)."""
    offset: int
    """Bytes from the start of the disk."""
    size: int
    """Bytes."""
    type: str
    """GPT: the type GUID in lower case; MBR: the type byte as `0x0c`."""
    type_name: str | None
    """What that type is for, where it is known."""
    label: str | None
    """The GPT name; MBR has none."""
    uuid: str | None
    """PARTUUID as Linux prints it."""
    attributes: int = 0
    """GPT attribute bits (UEFI 2.10 table 5.8), or the MBR status byte."""
    entry_offset: int = 0
    """Where the table's entry is, in bytes from the start of the disk."""

    def open(self, disk: ByteSource) -> ByteSource:
        """The partition's bytes; raises `Malformed` when it does not lie inside the disk."""
        title = f"partition {self.number}" + (f" ({self.label})" if self.label else "")
        if self.offset + self.size > disk.size:
            raise Malformed(
                disk.name,
                disk.size,
                f"{title}, which ends at byte {self.offset + self.size:#x}",
                "the end of the disk",
                hint=CUT_SHORT,
            )
        return Part(disk, self.offset, self.size, f"{disk.name}:{title}")


@frozen
class PartitionTable:
    """A disk's partition table."""

    scheme: str
    """`gpt`, `mbr`, or `gpt+mbr` for a hybrid."""
    sector_size: int
    """Bytes: 512 or 4096."""
    disk_id: str | None
    """Disk GUID, or the MBR's disk signature as 8 hexadecimal digits."""
    partitions: tuple[Partition, ...]
    mbr_partitions: tuple[Partition, ...] = ()
    """A hybrid's second view: the MBR entries beside the protective one."""
    copies: tuple[str, ...] = ()
    """State of each GPT copy: `primary: good`, `backup: bad (…)`."""
    problems: tuple[str, ...] = ()
    """What contradicts the specification without making the table unreadable."""


def overlaps(partitions: tuple[Partition, ...], disk_size: int) -> list[str]:
    """What is wrong with where the partitions lie: pairs that overlap, ends beyond the disk."""
    problems: list[str] = []
    ordered = sorted(partitions, key=lambda partition: (partition.offset, partition.size))
    last: Partition | None = None
    for partition in ordered:
        if last is not None and partition.offset < last.offset + last.size:
            problems.append(f"partitions {last.number} and {partition.number} overlap")
        if partition.offset + partition.size > disk_size:
            problems.append(f"partition {partition.number} ends beyond the disk: {CUT_SHORT}")
        if last is None or partition.offset + partition.size > last.offset + last.size:
            last = partition
    return problems
