"""Fuzz the decoders of LZ4 and LZO blocks: `python fuzz/fuzz_lz_blocks.py CORPUS` with atheris installed."""

from __future__ import annotations

import contextlib

from bootwright.formats.sources.lz_blocks import lz4_block, lzo1x

_MOST = 1 << 17


def one_input(data: bytes) -> None:
    """Decode as both; what comes out is bounded."""
    for decode in (lz4_block, lzo1x):
        with contextlib.suppress(ValueError):
            assert len(decode(data, _MOST)) <= _MOST


if __name__ == "__main__":
    import sys

    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
