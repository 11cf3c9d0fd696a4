"""Fuzz the XFS reader: `python fuzz/fuzz_xfs.py CORPUS` with atheris installed."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from files_target import look_at, padded

from bootwright.formats.filesystems.xfs import Xfs
from bootwright.foundation.errors import BootwrightError

SIZE = 320 << 20
"""Bytes of the volume: what the input does not give is zeros."""


def one_input(data: bytes) -> None:
    """Open the volume and look at all its files."""
    with contextlib.suppress(BootwrightError):
        look_at(Xfs(padded(data, SIZE)))


if __name__ == "__main__":
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
