"""Fuzz the kernel module reader: `python fuzz/fuzz_module_file.py CORPUS` with atheris installed."""

from __future__ import annotations

import contextlib

from bootwright.formats.modules.module_file import read_module, unpack_module
from bootwright.foundation.errors import BootwrightError


def one_input(data: bytes) -> None:
    """Unpack and read."""
    with contextlib.suppress(BootwrightError):
        facts = read_module(unpack_module(data, "fuzz.ko"), "fuzz.ko")
        assert facts.name


if __name__ == "__main__":
    import sys

    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
