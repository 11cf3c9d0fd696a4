"""Fuzz the partition table readers: `python fuzz/fuzz_gpt.py CORPUS` with atheris installed."""

from __future__ import annotations

import contextlib

from bootwright.formats.disks.gpt import is_gpt
from bootwright.formats.disks.mbr import is_mbr, read_mbr, read_partition_table
from bootwright.formats.sources.bytesource import Bytes
from bootwright.foundation.errors import BootwrightError


def one_input(data: bytes) -> None:
    """Read the tables and open every partition."""
    disk = Bytes(data, "fuzz")
    is_gpt(disk)
    is_mbr(disk)
    for read in (read_partition_table, read_mbr):
        with contextlib.suppress(BootwrightError):
            table = read(disk)
            for partition in (*table.partitions, *table.mbr_partitions):
                with contextlib.suppress(BootwrightError):
                    inside = partition.open(disk)
                    assert inside.size == partition.size
                    inside.read(0, min(512, inside.size))


if __name__ == "__main__":
    import sys

    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
