"""Fuzz the readers of registries: `python fuzz/fuzz_registry.py CORPUS` with atheris installed."""

from __future__ import annotations

import contextlib

from bootwright.formats.archives.registry_image import expanded, read_index, read_manifest
from bootwright.formats.sources.bytesource import Bytes
from bootwright.formats.sources.registry import read_reference
from bootwright.formats.sources.streams import SourceStream
from bootwright.foundation.errors import BootwrightError
from bootwright.kernels.archive.keys import binary_key


def one_input(data: bytes) -> None:
    """Read as each; digests are digests, and no layer expands beyond its limit."""
    for read in (read_index, read_manifest):
        with contextlib.suppress(BootwrightError):
            listed = read(data, "fuzz") or []
            descriptors = [listed[0], *listed[1]] if isinstance(listed, tuple) else listed
            for descriptor in descriptors:
                assert len(descriptor.digest) == 71
                assert descriptor.size >= 0
    with contextlib.suppress(BootwrightError):
        reference = read_reference(data.decode("utf-8", "replace"))
        assert ".." not in reference.name.split("/")
    with contextlib.suppress(BootwrightError):
        limit = 1 << 20
        assert sum(map(len, expanded(SourceStream(Bytes(data, "fuzz")), "fuzz", limit))) <= limit
    with contextlib.suppress(BootwrightError):
        assert binary_key(data, "fuzz")


if __name__ == "__main__":
    import sys

    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
