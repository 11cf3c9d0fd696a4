"""GUID partition tables: both copies with their checksums, 512- and 4096-byte sectors.

UEFI Specification 2.10, section 5.3. The primary header is in sector 1, the backup in the last sector.
"""

from __future__ import annotations

import struct
import uuid
import zlib
from collections.abc import Mapping

from attrs import frozen

from bootwright.formats.disks.partitions import Partition, PartitionTable, overlaps
from bootwright.formats.sources.bytesource import ByteSource
from bootwright.foundation.errors import Malformed

SIGNATURE = b"EFI PART"
SECTOR_SIZES = (512, 4096)

# signature, revision, header size, CRC, reserved, this LBA, other LBA, first and last usable LBA,
# disk GUID, entries' LBA, number of entries, size of an entry, entries' CRC
_HEADER = struct.Struct("<8sIIIIQQQQ16sQIII")
_ENTRY = struct.Struct("<16s16sQQQ72s")
_MAX_ENTRIES = 4096
_MAX_ENTRY_SIZE = 4096

TYPES: Mapping[str, str] = {
    "c12a7328-f81f-11d2-ba4b-00a0c93ec93b": "EFI system",
    "21686148-6449-6e6f-744e-656564454649": "BIOS boot",
    "024dee41-33e7-11d3-9d69-0008c781f39f": "MBR partition scheme",
    "0fc63daf-8483-4772-8e79-3d69d8477de4": "Linux file system",
    "0657fd6d-a4ab-43c4-84e5-0933c84b4f4f": "Linux swap",
    "bc13c2ff-59e6-4262-a352-b275fd6f7172": "Linux extended boot (XBOOTLDR)",
    "b921b045-1df0-41c3-af44-4c6f280d3fae": "Linux root (arm64)",
    "4f68bce3-e8cd-4db1-96e7-fbcaf984b709": "Linux root (x86-64)",
    "b0e01050-ee5f-4390-949a-9101b17104e9": "Linux /usr (arm64)",
    "df3300ce-d69f-4c92-978c-9bfb0f38d820": "Linux root verity (arm64)",
    "3b8f8425-20e0-4f3b-907f-1a25a76f98e8": "Linux server data (/srv)",
    "e6d6d379-f507-44c2-a23c-238f2a3df928": "Linux LVM",
    "a19d880f-05fc-4d3b-a006-743f0f84911e": "Linux RAID",
    "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7": "Microsoft basic data",
    "fe3a2a5d-4f32-41a7-b725-accc3285a309": "ChromeOS kernel",
}
"""UEFI 2.10 section 5.3.3 and the Discoverable Partitions Specification."""


@frozen
class _Copy:
    table: tuple[Partition, ...]
    disk_id: str
    this_lba: int
    other_lba: int
    sector_size: int
    problems: tuple[str, ...]


def is_gpt(disk: ByteSource) -> bool:
    """Whether a primary header is there, at either sector size."""
    return any(
        disk.size >= 2 * size and disk.read(size, len(SIGNATURE)) == SIGNATURE for size in SECTOR_SIZES
    )


def read_gpt(disk: ByteSource, *, backup: bool = True) -> PartitionTable:
    """The partition table from whichever copy is good; raises `Malformed` when neither is.

    Without `backup`, the second copy is read only where the first is no good.
    Entries' order is the table's; partition numbers are positions in it, as Linux counts.
    """
    problems: list[str] = []
    primary, failure = _primary(disk)
    notes = ["primary: good" if primary else f"primary: bad ({failure or 'no signature'})"]
    second = None
    if backup or primary is None:
        second, second_failure = _backup(disk, primary, problems)
        notes.append("backup: good" if second else f"backup: bad ({second_failure})")
        failure = failure or second_failure
    copy = primary or second
    if copy is None:
        raise failure or Malformed(disk.name, 512, "a GPT header", "none")
    if primary is not None and second is not None and primary.table != second.table:
        problems.append("the two copies of the table differ")
    problems.extend(copy.problems)
    problems.extend(overlaps(copy.table, disk.size))
    return PartitionTable(
        scheme="gpt",
        sector_size=copy.sector_size,
        disk_id=copy.disk_id,
        partitions=copy.table,
        copies=tuple(notes),
        problems=tuple(problems),
    )


def _primary(disk: ByteSource) -> tuple[_Copy | None, Malformed | None]:
    for size in SECTOR_SIZES:
        if disk.size >= 2 * size and disk.read(size, 8) == SIGNATURE:
            try:
                return _read_copy(disk, 1, size), None
            except Malformed as error:
                return None, error
    return None, None


def _backup(
    disk: ByteSource, primary: _Copy | None, problems: list[str]
) -> tuple[_Copy | None, Malformed | None]:
    """The copy in the last sector, or where the primary says it is."""
    failure: Malformed | None = None
    for size in (primary.sector_size,) if primary else SECTOR_SIZES:
        last = disk.size // size - 1
        try:
            return _read_copy(disk, last, size), None
        except Malformed as error:
            failure = failure or error
        if primary is not None and primary.other_lba != last:
            try:
                backup = _read_copy(disk, primary.other_lba, size)
            except Malformed as error:
                failure = error
            else:
                problems.append(f"the backup table is in sector {primary.other_lba}, not the last one")
                return backup, None
    return None, failure


def _read_copy(disk: ByteSource, lba: int, sector_size: int) -> _Copy:
    offset = lba * sector_size
    if lba < 1 or offset + sector_size > disk.size:
        raise Malformed(disk.name, max(offset, 0), "a GPT header", "the end of the disk")
    sector = disk.read(offset, sector_size)
    (
        signature, _revision, header_size, crc, _reserved, this_lba, other_lba,
        _first, _last, guid, entries_lba, count, entry_size, entries_crc,
    ) = _HEADER.unpack_from(sector)  # fmt: skip
    if signature != SIGNATURE:
        raise Malformed(disk.name, offset, "the GPT signature 'EFI PART'", repr(signature))
    if not _HEADER.size <= header_size <= sector_size:
        raise Malformed(disk.name, offset + 12, f"a header of 92 to {sector_size} bytes", str(header_size))
    blank = sector[:16] + b"\0\0\0\0" + sector[20:header_size]
    if zlib.crc32(blank) != crc:
        raise Malformed(disk.name, offset + 16, f"header CRC {zlib.crc32(blank):#010x}", f"{crc:#010x}")
    if this_lba != lba:
        raise Malformed(disk.name, offset + 24, f"its own sector {lba}", str(this_lba))
    if not _ENTRY.size <= entry_size <= _MAX_ENTRY_SIZE or entry_size % 8:
        raise Malformed(disk.name, offset + 84, "entries of 128·2ⁿ bytes", f"{entry_size} bytes")
    if count > _MAX_ENTRIES:
        raise Malformed(disk.name, offset + 80, f"at most {_MAX_ENTRIES} entries", str(count))
    start = entries_lba * sector_size
    entries = disk.read(start, count * entry_size)
    if zlib.crc32(entries) != entries_crc:
        raise Malformed(
            disk.name, offset + 88, f"entries CRC {zlib.crc32(entries):#010x}", f"{entries_crc:#010x}"
        )
    table: list[Partition] = []
    problems: list[str] = []
    for index in range(count):
        kind, unique, first, last, attributes, name = _ENTRY.unpack_from(entries, index * entry_size)
        if kind == bytes(16):
            continue
        if last < first:
            problems.append(f"partition {index + 1} ends before it begins")
            continue
        type_id = str(uuid.UUID(bytes_le=kind))
        table.append(
            Partition(
                number=index + 1,
                offset=first * sector_size,
                size=(last - first + 1) * sector_size,
                type=type_id,
                type_name=TYPES.get(type_id),
                label=name.decode("utf-16-le", "replace").split("\0", 1)[0] or None,
                uuid=str(uuid.UUID(bytes_le=unique)),
                attributes=attributes,
                # The same place for both copies, so that their tables compare equal.
                entry_offset=2 * sector_size + index * entry_size,
            )
        )
    return _Copy(
        table=tuple(table),
        disk_id=str(uuid.UUID(bytes_le=guid)),
        this_lba=this_lba,
        other_lba=other_lba,
        sector_size=sector_size,
        problems=tuple(problems),
    )
