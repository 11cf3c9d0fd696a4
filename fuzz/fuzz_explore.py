"""Fuzz all formats at once, as inspect does: `python fuzz/fuzz_explore.py CORPUS` with atheris installed."""

from __future__ import annotations

import contextlib

from bootwright.formats.sources.bytesource import Bytes
from bootwright.foundation.errors import BootwrightError
from bootwright.inspect.explore import Explorer, Limits


def one_input(data: bytes) -> None:
    """Describe the input as inspect does; the first byte chooses the name it has."""
    names = (
        "disk.img",
        "config.txt",
        "grub.cfg",
        "vmlinuz",
        "image.tar",
        "initrd.img",
        "a.conf",
        "config-6.1",
    )
    name = names[data[0] % len(names)] if data else "empty"
    with contextlib.suppress(BootwrightError):
        limits = Limits(depth=6, items=500, expanded=4 << 20)
        item = Explorer(limits=limits).source(Bytes(data[1:], "fuzz"), name)
        document = item.as_json()
        assert document["kind"] == item.kind


if __name__ == "__main__":
    import sys

    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
