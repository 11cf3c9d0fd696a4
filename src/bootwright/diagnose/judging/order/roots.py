"""Whether a suspicion may be why a root was not found: not where the log shows that a disk is there."""

from __future__ import annotations

import re
from typing import Final

from bootwright.diagnose.judging.device_roles import role_of_name
from bootwright.diagnose.judging.state import BootState
from bootwright.diagnose.model import Finding

_BY_TAG: Final = re.compile(r"(?i)(?:/dev/disk/by-)?(?:part)?(?:uuid|label)\b.*|/dev/mapper/.*")
"""Names of a root that do not say which disk it is on."""
_ROOT_IS_NAMED_AND_THERE: Final = re.compile(r"unknown-block\((?!0,0\)|\d*[a-z])\d+,\d+\)")
"""The kernel has a driver for the number that root= gives (init/do_mounts.c, Linux 6.12)."""
_NO_ROOT_ASKED: Final = re.compile(r"Cannot open root device \"(?:\(null\))?\"")


def disk_lines(boot: BootState) -> tuple[int, ...]:
    """The lines in which the kernel read a disk's table of partitions."""
    return tuple(tally.first[0].line for tally in boot.tallies.get("@kernel/disk", {}).values())


_MOST_NAMED: Final = 4


def disk_names(boot: BootState, before: int) -> str:
    """Names of the disks whose partitions the kernel read before a line, four at most; empty for none."""
    tallies = sorted(boot.tallies.get("@kernel/disk", {}).values(), key=lambda tally: tally.first[0].line)
    names = [tally.facts["disk"] for tally in tallies if tally.first[0].line < before]
    return ", ".join(dict.fromkeys(names[:_MOST_NAMED]))


def has_a_disk_to_be_on(cause: Finding, effect: Finding, disks: tuple[int, ...]) -> bool:
    """Whether nothing ties a root that is missing to a suspicion: a disk came before it was given up.

    The root's name does not say which disk it is on, so it may as well be missing on that one; and the
    suspicion names no disk. An empty slot, a USB device or a clock keeps most machines from nothing.
    """
    if effect.area != "root" or not effect.lines:
        return False
    device = dict(effect.facts).get("device", "")
    if device and _BY_TAG.fullmatch(device) is None:
        return False
    last = effect.lines[-1].number
    if not any(line < last for line in disks):
        return False
    facts = dict(cause.facts)
    named = " ".join(facts.get(name, "") for name in ("driver", "device", "who")).encode()
    role = role_of_name(named)
    return role is None or role.name != "storage"


def misses_no_device(effect: Finding) -> bool:
    """Whether a root could not be mounted though its device is there, or none was asked for.

    What may keep a device away, and is no trouble with the disk itself, has then no part in it.
    """
    if effect.area not in {"storage", "root"}:
        return False
    return any(
        _ROOT_IS_NAMED_AND_THERE.search(line.text) is not None or _NO_ROOT_ASKED.search(line.text) is not None
        for line in effect.lines
    )
