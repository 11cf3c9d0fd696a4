"""Fuzz superblocks that are named and not read further: `python fuzz/fuzz_superblocks.py CORPUS`."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import files_target

from bootwright.formats.filesystems.superblocks import read_named
from bootwright.formats.sources.streams import compression_of
from bootwright.foundation.errors import BootwrightError


def one_input(data: bytes) -> None:
    """The input's first 5000 bytes at each place where a superblock may be."""
    for place in (0, 1024, 0x8000, 0x10000):
        source = files_target.padded(bytes(place) + data[:5000], 0x12000)
        with contextlib.suppress(BootwrightError):
            named = read_named(source)
            assert named is None or all(size >= 0 for _, size in named.sizes)
        compression_of(source, place)


if __name__ == "__main__":
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
