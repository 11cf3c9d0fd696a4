"""Recordings that are not taken: the guest had less to load from than it was given.

A boot whose initramfs was not unpacked whole, or that could load none of its modules, states devices without
drivers for a reason that has nothing to do with the machine or the kernel.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from attrs import frozen

from bootwright.foundation.errors import ToolFailed

GUEST = "the guest"
"""The name under which a boot that did not state its devices fails."""
# init/initramfs.c do_populate_rootfs, Linux 6.12, at level KERN_EMERG: `quiet` does not hide it.
_NOT_UNPACKED = re.compile(r"Initramfs unpacking failed: [^\n]*")
_TABLES = re.compile(r"truth tables (\d{1,9}) (\d{1,9})")
_LOADS = re.compile(r"truth \d{1,9} loads (\d{1,9}) (\d{1,9}) (\d{1,9})")


@frozen
class Given:
    """What the guest's archive holds."""

    modules: int
    aliases: int
    forbidden: bool = False
    """Whether the kernel was started so that it loads no module at all (`nomodule`)."""


def refuse(console: bytes, mark: str, given: Given) -> None:
    """Raise `ToolFailed` where the console shows that the archive did not reach the guest whole.

    `mark` begins the lines of the guest's own program: kernel messages that it quotes do not count as its
    own.
    """
    ours, kernels = _parted(console, mark)
    broken = next((match[0] for line in kernels if (match := _NOT_UNPACKED.search(line))), None)
    if broken is not None:
        raise ToolFailed(GUEST, f"its archive was not unpacked: {broken}", hint=_HINT)
    for line in ours:
        if (match := _TABLES.search(line)) is not None:
            modules, aliases = int(match[1]), int(match[2])
            if (modules, aliases) != (given.modules, given.aliases):
                raise ToolFailed(
                    GUEST,
                    f"the guest found {modules} of {given.modules} modules and {aliases} of "
                    f"{given.aliases} aliases in its archive",
                    hint=_HINT,
                )
        if (match := _LOADS.search(line)) is not None:
            loaded, refused, missing = (int(match[group]) for group in (1, 2, 3))
            if missing:
                raise ToolFailed(GUEST, f"{missing} files of modules were not in its archive", hint=_HINT)
            if refused and not loaded and not given.forbidden:
                raise ToolFailed(
                    GUEST,
                    f"none of the {refused} modules that devices asked for could be loaded",
                    hint="the modules must be those of this kernel; --console shows why each was refused",
                )


_HINT = "give the machine more memory, and see the console with --console"


def _parted(console: bytes, mark: str) -> tuple[list[str], list[str]]:
    """The lines of the guest's program, and the kernel's."""
    ours: list[str] = []
    kernels: list[str] = []
    for line in _lines(console):
        (ours if f"{mark}: " in line else kernels).append(line)
    return ours, kernels


def _lines(console: bytes) -> Iterator[str]:
    yield from console.decode(errors="replace").replace("\r", "").split("\n")
