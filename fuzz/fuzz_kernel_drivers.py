"""Fuzz the reader of symbols and match tables in an Image: `python fuzz/fuzz_kernel_drivers.py CORPUS`."""

from __future__ import annotations

import contextlib

from bootwright.formats.kernel.builtin_drivers import read_built_in
from bootwright.foundation.errors import BootwrightError


def one_input(data: bytes) -> None:
    """Find the symbol table and the drivers."""
    with contextlib.suppress(BootwrightError):
        drivers = read_built_in(data, "fuzz")
        assert all(driver.name for driver in drivers.drivers)
        assert all(entry.compatible for entry in drivers.early)


if __name__ == "__main__":
    import sys

    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
