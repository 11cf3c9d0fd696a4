"""The id tables by which Linux matches drivers to devices, decoded from bytes.

Layouts from include/linux/mod_devicetable.h (Linux 6.12, LP64). Each decoder takes the bytes of a file and
the offset of a table's first entry, and returns the entries up to the all-zero one, or None where the bytes
are not such a table: fields that are strings must be printable and padded with zeros, which random data
and other structures are not.
"""

from __future__ import annotations

import re
import struct

from attrs import frozen

from bootwright.foundation.errors import Malformed

_STRING = re.compile(rb"[!-~]*\0*\Z")
_LOOSE = re.compile(rb"[ -~]*\0*\Z")
_MAX_EFFORT = 200_000
"""Debian's kernels and modules take some thousand each."""
_MAX_ENTRIES = 1024
"""Debian's kernels 6.12 to 7.3 have built-in tables of at most 64 entries."""

OF_STRIDE = 200
"""`struct of_device_id`: name[32], type[32], compatible[128], data."""
PCI_STRIDE = 40
"""`struct pci_device_id`: six u32, driver_data, override_only and padding."""
I2C_STRIDE = 32
"""`struct i2c_device_id` (name[20]) and `struct platform_device_id` (name[24]), driver_data at 24."""
SPI_STRIDE = 40
"""`struct spi_device_id`: name[32], driver_data."""
AMBA_STRIDE = 16
"""`struct amba_id`: id, mask, data."""


@frozen
class OfId:
    """One entry of an of_device_id table; empty strings match anything."""

    compatible: str
    name: str = ""
    type: str = ""
    data: int = 0
    """The pointer in the file, where it is relocated in place; otherwise 0."""


@frozen
class PciId:
    """One entry of a pci_device_id table; 0xffffffff matches anything."""

    vendor: int
    device: int
    device_class: int
    class_mask: int


class Effort:
    """How many more entries may be decoded in one file: hostile ones make many tables of the same bytes."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._left = _MAX_EFFORT

    def spend(self) -> None:
        """Count one; raises `Malformed` when they are too many."""
        self._left -= 1
        if self._left < 0:
            raise Malformed(self._where, None, f"at most {_MAX_EFFORT} match table entries", "more")


def of_table(data: bytes, at: int, effort: Effort | None = None) -> tuple[OfId, ...] | None:
    """Decode an of_device_id table."""
    of_ids: list[OfId] = []
    while len(of_ids) < _MAX_ENTRIES:
        if of_ids and effort is not None:  # most of what is tried fails at the first entry
            effort.spend()
        entry = data[at : at + OF_STRIDE]
        if len(entry) < OF_STRIDE:
            return None
        compatible = entry[64:192]
        if compatible[0] == 0 and entry[0] == 0 and entry[32] == 0:
            # The terminator's pointer may be relocated garbage only if the table is not one.
            return tuple(of_ids) if of_ids and not any(entry) else None
        if not (_STRING.match(compatible) and _LOOSE.match(entry[:32]) and _LOOSE.match(entry[32:64])):
            return None
        of_ids.append(
            OfId(
                compatible=compatible.rstrip(b"\0").decode(),
                name=entry[:32].rstrip(b"\0").decode(),
                type=entry[32:64].rstrip(b"\0").decode(),
                data=int.from_bytes(entry[192:200], "little"),
            )
        )
        at += OF_STRIDE
    return None


def pci_table(data: bytes, at: int) -> tuple[PciId, ...] | None:
    """Decode a pci_device_id table."""
    pci_ids: list[PciId] = []
    while len(pci_ids) < _MAX_ENTRIES and at + PCI_STRIDE <= len(data):
        vendor, device, subvendor, subdevice, code, mask, _, override, pad = struct.unpack_from(
            "<6IQ2I", data, at
        )
        if not vendor and not subvendor and not mask:
            return tuple(pci_ids) if pci_ids else None
        if any(value > 0xFFFF and value != 0xFFFFFFFF for value in (vendor, device, subvendor, subdevice)):
            return None
        if code > 0xFFFFFF or mask > 0xFFFFFFFF or override > 0xFF or pad:
            return None
        pci_ids.append(PciId(vendor, device, code, mask))
        at += PCI_STRIDE
    return None


def name_table(data: bytes, at: int, *, stride: int) -> tuple[str, ...] | None:
    """Decode a table of names: i2c or platform (stride 32), spi (stride 40)."""
    width = stride - 8
    names: list[str] = []
    while len(names) < _MAX_ENTRIES:
        entry = data[at : at + stride]
        if len(entry) < stride:
            return None
        if entry[0] == 0:
            return tuple(names) if names and not any(entry[:width]) else None
        if not _STRING.match(entry[:width]):
            return None
        names.append(entry[:width].rstrip(b"\0").decode())
        at += stride
    return None


def amba_table(data: bytes, at: int) -> tuple[tuple[int, int], ...] | None:
    """Decode an amba_id table into (id, mask) pairs."""
    ids: list[tuple[int, int]] = []
    while len(ids) < 256 and at + AMBA_STRIDE <= len(data):
        identity, mask, _ = struct.unpack_from("<2IQ", data, at)
        if mask == 0:
            return tuple(ids) if ids and identity == 0 else None
        # Part number (12 bits) and designer (8 bits) count at least; the designer is never 0.
        if identity & ~mask or mask & 0x7FFFF != 0x7FFFF or not identity & 0xFF000:
            return None
        ids.append((identity, mask))
        at += AMBA_STRIDE
    return None


def c_string(data: bytes, at: int, limit: int = 64) -> str | None:
    """A printable, non-empty C string of at most `limit` bytes, or None."""
    if not 0 <= at < len(data):
        return None
    end = data.find(b"\0", at, at + limit)
    if end <= at or not _LOOSE.match(data[at:end]):
        return None
    return data[at:end].decode()
