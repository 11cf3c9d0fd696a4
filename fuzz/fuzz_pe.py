"""Fuzz the PE reader: `python fuzz/fuzz_pe.py CORPUS` with atheris installed."""

from __future__ import annotations

import contextlib

from bootwright.formats.programs.pe import is_pe, open_section, read_pe
from bootwright.formats.sources.bytesource import Bytes
from bootwright.foundation.errors import BootwrightError


def one_input(data: bytes) -> None:
    """Read the headers and open every section."""
    source = Bytes(data, "fuzz")
    is_pe(source)
    with contextlib.suppress(BootwrightError):
        headers = read_pe(source)
        for section in headers.sections:
            inside = open_section(source, section)
            assert inside.size == section.size
            inside.read(0, inside.size)


if __name__ == "__main__":
    import sys

    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
