"""Fuzz the boot loader configurations: `python fuzz/fuzz_boot_config.py CORPUS` with atheris installed."""

from __future__ import annotations

import contextlib

from bootwright.bootchain.boot_config import (
    read_extlinux,
    read_grub_config,
    read_loader_config,
    read_loader_entry,
)
from bootwright.formats.os_release import read_command_line, read_os_release
from bootwright.foundation.errors import BootwrightError


def one_input(data: bytes) -> None:
    """Read the text as each of the formats."""
    for read in (read_grub_config, read_extlinux, read_loader_config, read_loader_entry, read_os_release):
        with contextlib.suppress(BootwrightError):
            read(data, "fuzz")
    for argument in read_command_line(data.decode("utf-8", "replace")):
        assert isinstance(str(argument), str)


if __name__ == "__main__":
    import sys

    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
