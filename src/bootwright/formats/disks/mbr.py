"""Master boot records: primary and logical partitions, and the hybrid beside a GPT.

Layout as in the UEFI Specification 2.10, section 5.2 (table 5.1); logical partitions as a chain of
extended boot records, which Linux reads in block/partitions/msdos.c (6.12).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

from attrs import evolve, frozen

from bootwright.formats.disks.gpt import is_gpt, read_gpt
from bootwright.formats.disks.partitions import Partition, PartitionTable, overlaps
from bootwright.formats.sources.bytesource import ByteSource
from bootwright.foundation.errors import Malformed

_SECTOR = 512
_ENTRY = struct.Struct("<B3sB3sII")
_ENTRIES_AT = 446
_MAX_LOGICAL = 128
_EXTENDED = frozenset({0x05, 0x0F, 0x85})
_PROTECTIVE = 0xEE

TYPES: Mapping[int, str] = {
    0x01: "FAT12",
    0x04: "FAT16 (small)",
    0x05: "extended",
    0x06: "FAT16",
    0x07: "NTFS or exFAT",
    0x0B: "FAT32",
    0x0C: "FAT32 (LBA)",
    0x0E: "FAT16 (LBA)",
    0x0F: "extended (LBA)",
    0x82: "Linux swap",
    0x83: "Linux file system",
    0x85: "Linux extended",
    0x8E: "Linux LVM",
    0xEE: "GPT protective",
    0xEF: "EFI system",
    0xFD: "Linux RAID",
}


@frozen
class _Disk:
    signature: int
    sector_size: int


def is_mbr(disk: ByteSource) -> bool:
    """Whether sector 0 could be a boot record with a partition: signature, sane status bytes, an entry.

    A FAT boot sector has the signature too; its reader must be asked first.
    """
    if disk.size < _SECTOR:
        return False
    sector = disk.read(0, _SECTOR)
    if sector[510:] != b"\x55\xaa":
        return False
    entries = [_ENTRY.unpack_from(sector, _ENTRIES_AT + 16 * index) for index in range(4)]
    used = [entry for entry in entries if entry[2] and entry[5]]
    return bool(used) and all(entry[0] in {0, 0x80} for entry in entries)


def read_mbr(disk: ByteSource, sector_size: int = _SECTOR) -> PartitionTable:
    """The partitions of a boot record; raises `Malformed`.

    Logical partitions are numbered from 5, as Linux does. A chain of extended boot records that comes
    back to itself, or has more than 128 links, is reported as a problem and ends the chain.
    """
    sector = disk.read(0, _SECTOR)
    if sector[510:] != b"\x55\xaa":
        raise Malformed(disk.name, 510, "the boot signature 55 aa", sector[510:].hex(" "))
    known = _Disk(struct.unpack_from("<I", sector, 440)[0], sector_size)
    partitions: list[Partition] = []
    problems: list[str] = []
    for index in range(4):
        at = _ENTRIES_AT + 16 * index
        entry = _ENTRY.unpack_from(sector, at)
        if not entry[2] or not entry[5]:
            continue
        partitions.append(_partition(entry, number=index + 1, base=0, at=at, disk=known))
        if entry[2] in _EXTENDED:
            partitions.extend(_logical(disk, entry[4], known, problems))
    usable = tuple(partition for partition in partitions if int(partition.type, 16) not in _EXTENDED)
    problems.extend(overlaps(usable, disk.size))
    return PartitionTable(
        scheme="mbr",
        sector_size=sector_size,
        disk_id=f"{known.signature:08x}",
        partitions=tuple(partitions),
        problems=tuple(problems),
    )


def read_partition_table(disk: ByteSource, *, backup: bool = True) -> PartitionTable:
    """The GPT where there is one (with the hybrid's MBR entries beside it), else the MBR.

    Without `backup`, the GPT's second copy is read only where the first is no good.
    Raises `Malformed` when neither can be read.
    """
    protective = _is_protective(disk)
    if not is_gpt(disk) and not protective:
        return read_mbr(disk)
    try:
        table = read_gpt(disk, backup=backup)
    except Malformed:
        if protective or not is_mbr(disk):
            raise
        return read_mbr(disk)
    if not is_mbr(disk):
        return evolve(table, problems=(*table.problems, "no protective MBR in sector 0"))
    beside = tuple(
        partition
        for partition in read_mbr(disk, table.sector_size).partitions
        if int(partition.type, 16) != _PROTECTIVE
    )
    if not beside:
        return table
    return evolve(table, scheme="gpt+mbr", mbr_partitions=beside)


def _is_protective(disk: ByteSource) -> bool:
    if not is_mbr(disk):
        return False
    sector = disk.read(0, _SECTOR)
    return any(sector[_ENTRIES_AT + 16 * index + 4] == _PROTECTIVE for index in range(4))


def _logical(disk: ByteSource, base: int, known: _Disk, problems: list[str]) -> list[Partition]:
    partitions: list[Partition] = []
    seen: set[int] = set()
    record_sector = base
    while len(partitions) < _MAX_LOGICAL:
        at = record_sector * known.sector_size
        if record_sector in seen or at + _SECTOR > disk.size:
            problems.append(f"the chain of logical partitions is broken at sector {record_sector}")
            break
        seen.add(record_sector)
        sector = disk.read(at, _SECTOR)
        if sector[510:] != b"\x55\xaa":
            problems.append(f"no extended boot record in sector {record_sector}")
            break
        entry = _ENTRY.unpack_from(sector, _ENTRIES_AT)
        if entry[2] and entry[5]:
            number = 5 + len(partitions)
            partitions.append(
                _partition(entry, number=number, base=record_sector, at=at + _ENTRIES_AT, disk=known)
            )
        _, _, next_kind, _, next_first, next_count = _ENTRY.unpack_from(sector, _ENTRIES_AT + 16)
        if next_kind not in _EXTENDED or not next_count:
            break
        record_sector = base + next_first
    return partitions


def _partition(
    entry: tuple[int, bytes, int, bytes, int, int], *, number: int, base: int, at: int, disk: _Disk
) -> Partition:
    status, _, kind, _, first, count = entry
    return Partition(
        number=number,
        offset=(base + first) * disk.sector_size,
        size=count * disk.sector_size,
        type=f"{kind:#04x}",
        type_name=TYPES.get(kind),
        label=None,
        uuid=f"{disk.signature:08x}-{number:02x}",
        attributes=status,
        entry_offset=at,
    )
