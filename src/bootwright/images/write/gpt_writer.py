"""Writes GUID partition tables: protective MBR, both copies, their checksums.

UEFI Specification 2.10, sections 5.2.3 and 5.3; partitions begin at multiples of 1 MiB, as Talos and every
current partitioning tool lay them.
"""

from __future__ import annotations

import os
import struct
import uuid
import zlib
from collections.abc import Sequence

from attrs import frozen

from bootwright.formats.disks.gpt import TYPES
from bootwright.foundation.choices import no_such
from bootwright.foundation.errors import Refused

SECTOR = 512
ALIGN = 1 << 20
_ENTRIES = 128
_ENTRY = struct.Struct("<16s16sQQQ72s")
_HEADER = struct.Struct("<8sIIIIQQQQ16sQIII")
_TABLE_SECTORS = _ENTRIES * _ENTRY.size // SECTOR

TYPE_NAMES = {
    "efi": "EFI system",
    "bios": "BIOS boot",
    "linux": "Linux file system",
    "xbootldr": "Linux extended boot (XBOOTLDR)",
    "swap": "Linux swap",
    "root-arm64": "Linux root (arm64)",
}
"""Short names for recipes → as in `formats.disks.gpt.TYPES`."""

_GUIDS = {name: guid for guid, name in TYPES.items()}


@frozen
class NewPartition:
    """A partition to be laid out; sizes and offsets in bytes, multiples of 1 MiB."""

    label: str
    type: str
    """GUID."""
    uuid: str
    offset: int
    size: int
    attributes: int = 0


def type_guid(name: str) -> str:
    """The type GUID of a short name or a GUID; raises `Refused`."""
    if name in TYPE_NAMES:
        return _GUIDS[TYPE_NAMES[name]]
    try:
        return str(uuid.UUID(name))
    except ValueError:
        raise no_such(
            f"{name!r} is neither a partition type nor a GUID", name, TYPE_NAMES, kind="partition types"
        ) from None


def disk_size(partitions: Sequence[NewPartition]) -> int:
    """Bytes of a disk that holds them and the backup table, whole MiB."""
    end = max((partition.offset + partition.size for partition in partitions), default=ALIGN)
    return end + ALIGN


def write_gpt(handle: int, size: int, disk_id: str, partitions: Sequence[NewPartition]) -> None:
    """Write the tables to a file of `size` bytes; raises `Refused` for more than 128 partitions."""
    if len(partitions) > _ENTRIES:
        raise Refused(f"{len(partitions)} partitions do not fit in a table of {_ENTRIES}")
    last = size // SECTOR - 1
    entries = b"".join(_entry(partition) for partition in partitions).ljust(_ENTRIES * _ENTRY.size, b"\0")
    guid = uuid.UUID(disk_id).bytes_le
    backup_entries = last - _TABLE_SECTORS
    os.pwrite(handle, _protective_mbr(last), 0)
    os.pwrite(handle, _header(1, last, entries_at=2, last=last, guid=guid, entries=entries), SECTOR)
    os.pwrite(handle, entries, 2 * SECTOR)
    os.pwrite(handle, entries, backup_entries * SECTOR)
    os.pwrite(
        handle,
        _header(last, 1, entries_at=backup_entries, last=last, guid=guid, entries=entries),
        last * SECTOR,
    )


def _entry(partition: NewPartition) -> bytes:
    name = partition.label.encode("utf-16-le")
    if len(name) > 72:
        raise Refused(f"the partition name {partition.label!r} is longer than 36 characters")
    return _ENTRY.pack(
        uuid.UUID(partition.type).bytes_le,
        uuid.UUID(partition.uuid).bytes_le,
        partition.offset // SECTOR,
        (partition.offset + partition.size) // SECTOR - 1,
        partition.attributes,
        name,
    )


def _header(this: int, other: int, *, entries_at: int, last: int, guid: bytes, entries: bytes) -> bytes:
    def packed(crc: int) -> bytes:
        return _HEADER.pack(
            b"EFI PART", 0x00010000, _HEADER.size, crc, 0, this, other,
            2 + _TABLE_SECTORS, last - _TABLE_SECTORS - 1, guid,
            entries_at, _ENTRIES, _ENTRY.size, zlib.crc32(entries),
        )  # fmt: skip

    return packed(zlib.crc32(packed(0))).ljust(SECTOR, b"\0")


def _protective_mbr(last: int) -> bytes:
    # Status, CHS of the first sector after this one, type 0xEE, the largest CHS, first LBA, sectors.
    entry = struct.pack("<B3sB3sII", 0, b"\0\2\0", 0xEE, b"\xff\xff\xff", 1, min(last, 0xFFFFFFFF))
    return bytes(446) + entry + bytes(48) + b"\x55\xaa"
