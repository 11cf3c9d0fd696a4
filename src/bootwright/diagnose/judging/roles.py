"""What a device carries: how much its failure matters depends on that, not on the words of the message."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from bootwright.diagnose.judging.state import BootState

_ROOT: Final = re.compile(r"(?:^|\s)root=(?:/dev/)?(\S+)")
_TYPE: Final = re.compile(r"(?:^|\s)rootfstype=(\S+)")
_PART: Final = re.compile(r"(?:(?<=\d)p|(?<=[a-z]))\d+$")
"""A partition's number: `mmcblk0p2` on `mmcblk0`, `sda2` on `sda` (block/partitions/core.c, Linux 6.12)."""


def carries(role: str, facts: Mapping[str, str], boot: BootState) -> bool:
    """Whether the device that the facts name carries `role`; False where the log does not tell."""
    return role == "root" and _is_root(facts, boot)


def _is_root(facts: Mapping[str, str], boot: BootState) -> bool:
    arguments = " ".join(_arguments(boot))
    device = facts.get("device", "").removeprefix("/dev/")
    root = _ROOT.search(arguments)
    if device and root is not None:
        return device in {root[1], _PART.sub("", root[1])}
    if device:
        return False
    # squashfs does not name the device: its type has to do.
    kind = facts.get("fstype", "").lower()
    named = _TYPE.search(arguments)
    mounted = boot.tallies.get("no-root/mounted", {}).values()
    return bool(kind) and kind in {
        *([named[1].lower()] if named is not None else []),
        *(tally.facts.get("fstype", "").lower() for tally in mounted),
    }


def _arguments(boot: BootState) -> Iterator[str]:
    for tally in boot.tallies.get("@kernel/arguments", {}).values():
        yield tally.facts.get("arguments", "")
