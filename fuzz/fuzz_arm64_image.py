"""Fuzz the kernel image reader: `python fuzz/fuzz_arm64_image.py CORPUS` with atheris installed."""

from __future__ import annotations

import contextlib

from bootwright.formats.kernel.arm64_image import read_kernel_image
from bootwright.formats.kernel.build_id import image_build_id
from bootwright.formats.sources.bytesource import Bytes
from bootwright.foundation.errors import BootwrightError


def one_input(data: bytes) -> None:
    """Read, and look at every fact."""
    identifier = image_build_id(data)
    assert identifier is None or bytes.fromhex(identifier) in data
    with contextlib.suppress(BootwrightError):
        image = read_kernel_image(Bytes(data, "fuzz"))
        assert image.page_size in {None, 4096, 16384, 65536}
        assert image.release is None or (image.banner is not None and image.release in image.banner)
        assert image.file_size >= 64


if __name__ == "__main__":
    import sys

    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
