"""Fuzz the kernel configuration reader: `python fuzz/fuzz_kernel_config.py CORPUS` with atheris installed."""

from __future__ import annotations

import contextlib

from bootwright.formats.kernel.config import embedded_config, read_kernel_config
from bootwright.formats.sources.bytesource import Bytes
from bootwright.foundation.errors import BootwrightError


def one_input(data: bytes) -> None:
    """Read as a file and as an image with a configuration inside."""
    with contextlib.suppress(BootwrightError):
        config = read_kernel_config(Bytes(data, "fuzz"))
        assert config.page_size in {None, 4096, 16384, 65536}
        assert not config.unset & set(config.options)
    with contextlib.suppress(BootwrightError):
        embedded_config(Bytes(data, "fuzz"))


if __name__ == "__main__":
    import sys

    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
