"""Fuzz the initramfs reader: `python fuzz/fuzz_initramfs.py CORPUS` with atheris installed."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from files_target import look_at

from bootwright.formats.archives.initramfs import InitramfsTree, read_segments
from bootwright.formats.sources.bytesource import Bytes
from bootwright.foundation.errors import BootwrightError


def one_input(data: bytes) -> None:
    """Take the archives apart and look at the tree they make."""
    if data[:4] == b"\x04\x22\x4d\x18":
        return  # lz4 would start a program for each input
    with contextlib.suppress(BootwrightError):
        segments = read_segments(Bytes(data, "fuzz"), limit=4 << 20)
        for segment in segments:
            assert 0 <= segment.offset < segment.offset + segment.size <= len(data)
        look_at(InitramfsTree("fuzz", segments))


if __name__ == "__main__":
    import sys

    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
