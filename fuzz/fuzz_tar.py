"""Fuzz tar archives, container images and ar archives: `python fuzz/fuzz_tar.py CORPUS` with atheris."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import files_target

from bootwright.formats.archives.ar import read_ar
from bootwright.formats.archives.archive_tree import ArchiveTree
from bootwright.formats.archives.oci import is_oci, read_oci
from bootwright.formats.archives.tar_index import DebTree, tar_members
from bootwright.formats.sources.bytesource import Bytes
from bootwright.formats.sources.streams import SourceStream
from bootwright.foundation.errors import BootwrightError

_LIMIT = 1 << 22


def one_input(data: bytes) -> None:
    """Walk it as each; header checksums are made good first, so that what is behind them is reached."""
    with contextlib.suppress(BootwrightError):
        for _, content in read_ar(SourceStream(Bytes(data, "fuzz")), "fuzz"):
            content.drain()
    with contextlib.suppress(BootwrightError):
        files_target.look_at(DebTree(Bytes(data, "fuzz"), limit=_LIMIT), limit=200)
    with contextlib.suppress(BootwrightError):
        tree = ArchiveTree("fuzz", "tar", tar_members(Bytes(_summed(data), "fuzz")))
        files_target.look_at(tree, limit=200)
        if is_oci(tree):
            image = read_oci(tree, limit=_LIMIT)
            for manifest in image.manifests:
                with contextlib.suppress(BootwrightError):
                    files_target.look_at(image.files(manifest).tree, limit=200)


def _summed(data: bytes) -> bytes:
    """Every block that looks like a header with its checksum (POSIX.1-2017, pax) put right."""
    blocks = bytearray(data)
    for at in range(0, len(blocks) - 511, 512):
        if blocks[at + 257 : at + 262] == b"ustar":
            blocks[at + 148 : at + 156] = b" " * 8
            blocks[at + 148 : at + 155] = b"%06o\0" % sum(blocks[at : at + 512])
    return bytes(blocks)


if __name__ == "__main__":
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
