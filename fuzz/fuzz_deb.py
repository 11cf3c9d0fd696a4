"""Fuzz the package reader: `python fuzz/fuzz_deb.py CORPUS` with atheris installed."""

from __future__ import annotations

import contextlib

from bootwright.formats.archives.deb import DebReader
from bootwright.formats.archives.tarstream import read_tar
from bootwright.formats.sources.bytesource import Bytes
from bootwright.formats.sources.streams import SourceStream
from bootwright.foundation.errors import BootwrightError

_MOST = 1 << 22


def one_input(data: bytes) -> None:
    """Read as a package and as a bare tar archive; a name never leaves the root."""
    with contextlib.suppress(BootwrightError):
        deb = DebReader(SourceStream(Bytes(data, "fuzz")), "fuzz")
        _walk(deb.files())
    with contextlib.suppress(BootwrightError):
        _walk(read_tar(SourceStream(Bytes(data, "fuzz")), "fuzz"))


def _walk(members: object) -> None:
    total = 0
    for member, content in members:  # type: ignore[attr-defined]
        assert not member.name.startswith("/")
        assert ".." not in member.name.split("/")
        assert member.size >= 0
        while piece := content.read(65536):
            total += len(piece)
            if total > _MOST:
                return


if __name__ == "__main__":
    import sys

    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
