"""Files that were saved of a node, and programs that carry a config.txt: read, or an error is raised."""

from __future__ import annotations

from contextlib import suppress

from bootwright.formats.programs.go_embed import embedded_bytes
from bootwright.foundation.errors import BootwrightError
from bootwright.prepare.upgrading.disks import read_disks
from bootwright.prepare.upgrading.listing import read_listing


def one_input(data: bytes) -> None:
    """Lists of partitions, listings, programs."""
    with suppress(BootwrightError):
        for disk in read_disks(data, "list") or ():
            assert all(part.size is None or part.size >= 0 for part in disk.parts)
    for path in read_listing(data) or ():
        assert not path.startswith("/")
    with suppress(BootwrightError):
        embedded_bytes(data, "main.configTxt", "program")


if __name__ == "__main__":
    import sys

    import atheris

    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
