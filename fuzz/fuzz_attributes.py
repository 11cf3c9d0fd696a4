"""Fuzz the readers of owners, times and extended attributes in XFS and squashfs volumes."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from files_target import padded

from bootwright.formats.filesystems.filesystem import Unreadable, walk
from bootwright.formats.filesystems.squashfs import SquashFs
from bootwright.formats.filesystems.squashfs_attributes import SquashAttributes
from bootwright.formats.filesystems.xfs import Xfs
from bootwright.formats.filesystems.xfs_attributes import read_attributes
from bootwright.foundation.errors import BootwrightError

_SIZE = 320 << 20
"""Bytes of an XFS volume: what the input does not give is zeros."""


def one_input(data: bytes) -> None:
    """Read the attributes of everything that can be reached."""
    source = padded(data, _SIZE)
    with contextlib.suppress(BootwrightError):
        xfs = Xfs(source)
        for entry in [xfs.root(), *walk(xfs, limit=500)]:
            if not isinstance(entry, Unreadable):
                with contextlib.suppress(BootwrightError):
                    read_attributes(source, xfs.superblock, entry.handle)
    source = padded(data, 0)
    with contextlib.suppress(BootwrightError):
        squash = SquashFs(source)
        attributes = SquashAttributes(squash, source)
        for entry in [squash.root(), *walk(squash, limit=500)]:
            if not isinstance(entry, Unreadable):
                with contextlib.suppress(BootwrightError):
                    attributes.of(entry.handle)


if __name__ == "__main__":
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
