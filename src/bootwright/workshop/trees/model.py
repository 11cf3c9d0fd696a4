"""What a kernel source tree is, once it is on this machine."""

from __future__ import annotations

import re
from pathlib import Path

from attrs import frozen

from bootwright.foundation.errors import Malformed, Refused

_NUMBERS = ("VERSION", "PATCHLEVEL", "SUBLEVEL")
_ASSIGNED = re.compile(rb"^(VERSION|PATCHLEVEL|SUBLEVEL|EXTRAVERSION)[ \t]*=[ \t]*(\S*)[ \t]*$", re.MULTILINE)
_HEAD = 4096
"""Bytes of the Makefile in which the four lines stand: they are its first (Makefile, Linux 2.6.12 to 7.3)."""


@frozen
class KernelTree:
    """A kernel's source, as files."""

    folder: Path
    version: str
    """As its Makefile says: `6.12.117`, `6.19.0-rc3`."""
    identity: str
    """What it is by content, such as `package SHA256`: the same text, the same files."""
    origin: str
    """Where it comes from, and what was verified, in words."""
    kept: bool
    """Whether it is in the cache, and never changes."""

    @property
    def series(self) -> str:
        """The first two numbers of its version."""
        return ".".join(self.version.split("-")[0].split(".")[:2])


def read_version(folder: Path, given: str | None = None) -> str:
    """The version of the tree in a folder, which errors call as it was given (None: by the folder's name).

    Raises `Refused` where it is no kernel tree, `Malformed` where its Makefile does not say.
    """
    makefile = folder / "Makefile"
    called = given or str(folder)
    lacking = [name for name in ("Makefile", "Kconfig") if not (folder / name).is_file()]
    if lacking:
        raise Refused(
            f"{called} is no kernel source: there is no {' and no '.join(lacking)} in it",
            hint="give the folder that holds arch/, Kconfig and Makefile",
        )
    if not (folder / "arch/arm64/Kconfig").is_file():
        raise Refused(
            f"{called} has no arch/arm64: it cannot be built for arm64", hint="give a whole kernel tree"
        )
    with makefile.open("rb") as file:
        assigned = {
            name.decode(): value.decode("ascii", "replace")
            for name, value in _ASSIGNED.findall(file.read(_HEAD))
        }
    numbers = [assigned.get(name, "") for name in _NUMBERS]
    if not all(number.isdigit() for number in numbers[:2]):
        raise Malformed(
            f"{called}/Makefile", 0, "VERSION and PATCHLEVEL, with numbers, as a kernel's has", "others"
        )
    return f"{numbers[0]}.{numbers[1]}.{numbers[2] or 0}{assigned.get('EXTRAVERSION', '')}"
