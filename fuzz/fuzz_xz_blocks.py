"""Fuzz the readers of compressed files: `python fuzz/fuzz_xz_blocks.py CORPUS` with atheris installed."""

from __future__ import annotations

import contextlib

from bootwright.formats.sources.bytesource import Bytes
from bootwright.formats.sources.compressed import Expansion
from bootwright.formats.sources.streams import compression_of
from bootwright.formats.sources.xz_blocks import XzBlocks, read_index
from bootwright.foundation.errors import BootwrightError

LIMIT = 4 << 20


def one_input(data: bytes) -> None:
    """Expand it from front to back, and at random through the index."""
    source = Bytes(data, "fuzz")
    kind = compression_of(source)
    if kind is not None and kind != "lz4":
        with contextlib.suppress(BootwrightError):
            total = sum(len(chunk) for chunk in Expansion(source, kind, limit=LIMIT))
            assert total <= LIMIT
    with contextlib.suppress(BootwrightError):
        index = read_index(source)
        if index.size <= LIMIT and len(index.blocks) < 1000:
            blocks = XzBlocks(source, index, "fuzz")
            assert len(blocks.read(0, blocks.size)) == index.size


if __name__ == "__main__":
    import sys

    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
