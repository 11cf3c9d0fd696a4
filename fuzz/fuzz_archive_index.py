"""Fuzz the readers of Release and Packages: `python fuzz/fuzz_archive_index.py CORPUS` with atheris."""

from __future__ import annotations

import contextlib

from bootwright.formats.sources.bytesource import Bytes
from bootwright.formats.sources.streams import SourceStream
from bootwright.foundation.errors import BootwrightError
from bootwright.kernels.archive.apt import read_proxies
from bootwright.kernels.archive.packages import read_packages, version_key
from bootwright.kernels.archive.release import read_release


def one_input(data: bytes) -> None:
    """Read as each; what is read is as strict as promised."""
    with contextlib.suppress(BootwrightError):
        release = read_release(data.decode("utf-8", "replace"), "fuzz")
        assert all(len(digest) == 64 for digest, _ in release.files.values())
    read_proxies(data.decode("utf-8", "replace"))
    with contextlib.suppress(BootwrightError):
        for package in read_packages(SourceStream(Bytes(data, "fuzz")), "fuzz", lambda _: True, "arm64"):
            assert len(package.sha256) == 64
            assert not package.filename.startswith("/")
            assert ".." not in package.filename.split("/")
            assert version_key(package.version) == version_key(package.version)


if __name__ == "__main__":
    import sys

    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
