"""Whether two findings are about the same device, by the names in their facts."""

from __future__ import annotations

import re
from typing import Final

from bootwright.diagnose.model import Finding, Line

_KINDS: Final = {
    "card": re.compile(r"\bmmc(?:blk)?(\d+)"),
    "nvme": re.compile(r"\bnvme(\d+)"),
    "scsi": re.compile(r"\bsd([a-z]{1,2})\d*\b"),
    "ata": re.compile(r"\bata(\d+)"),
    "interface": re.compile(r"\b((?:eth|end|lan|wan|wlan|enp|eno|ens|enx)\w{0,12})\b"),
    "array": re.compile(r"\bmd(\d+)"),
    "usb": re.compile(r"\b(\d{1,2}-\d{1,2}(?:\.\d{1,2})*)(?=$|[\s:,])"),
}
"""Devices that are told apart by a number or letter; a fact may name several."""


def of_its_devices(finding: Finding, other: Finding) -> tuple[Line, ...]:
    """Lines of another finding that name a device of this one: they are about the same trouble."""
    names, others = (set(dict(entry.facts).get("device", "").split(", ")) for entry in (finding, other))
    shared = [re.compile(rf"(?<![\w.-]){re.escape(name)}(?![\w-])") for name in names & others if name]
    return tuple(line for line in other.lines if any(name.search(line.text) is not None for name in shared))


def of_different_devices(cause: Finding, effect: Finding) -> bool:
    """Whether both name devices of one kind, and none in common."""
    cause_words = " ".join(value for _, value in cause.facts)
    # Disks that are there are not what is missing.
    other = " ".join(value for name, value in effect.facts if name != "disks")
    for kind in _KINDS.values():
        of_cause, of_effect = set(kind.findall(cause_words)), set(kind.findall(other))
        if of_cause and of_effect and not of_cause & of_effect:
            return True
    return False


def share_device(finding: Finding, other: Finding) -> bool:
    """Whether both are about a certain device, the same."""
    devices = [dict(entry.facts).get("device") for entry in (finding, other)]
    return None not in devices and not name_different_devices(finding, other)


def name_different_devices(cause: Finding, effect: Finding) -> bool:
    """Whether both are about certain devices, and none of them is the same."""
    devices = [dict(finding.facts).get("device") for finding in (cause, effect)]
    if devices[0] is None or devices[1] is None:
        return False
    return set(devices[0].split(", ")).isdisjoint(devices[1].split(", "))
