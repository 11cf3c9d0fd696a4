"""Fuzz the `.modinfo` reader: `python fuzz/fuzz_modinfo.py CORPUS` with atheris installed."""

from __future__ import annotations

import contextlib

from bootwright.formats.modules.modinfo import read_modinfo
from bootwright.formats.sources.bytesource import Bytes
from bootwright.foundation.errors import BootwrightError


def one_input(data: bytes) -> None:
    """Read as a module and as modules.builtin.modinfo."""
    with contextlib.suppress(BootwrightError):
        module = read_modinfo(Bytes(data, "fuzz.ko"))
        assert "-" not in module.name
        assert all(module.depends)
        assert isinstance(module.signed, bool)


if __name__ == "__main__":
    import sys

    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
