"""Disks with a master boot record."""

from __future__ import annotations

from bootwright.formats.disks.mbr import is_mbr
from bootwright.formats.sources.bytesource import ByteSource
from bootwright.inspect.format import Format
from bootwright.inspect.formats.disks._partitions import disk


def _matches(source: ByteSource, head: bytes) -> bool:  # noqa: ARG001
    return is_mbr(source)


FORMAT = Format(
    name="disk",
    title="disk with a master boot record",
    documentation="UEFI Specification 2.10, section 5.2; block/partitions/msdos.c (Linux 6.12)",
    limits="primary and logical partitions; no BSD labels inside",
    describe=disk,
    matches=_matches,
    order=130,
)
