"""What a device carries: how much its failure matters depends on that, not on the words of the message."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from bootwright.diagnose.judging.device_roles import is_extra, is_extra_driver
from bootwright.diagnose.judging.state import BootState
from bootwright.diagnose.messages.speaker import kernel_modules

_ROOT: Final = re.compile(r"(?:^|\s)root=(?:/dev/)?(\S+)")
_TYPE: Final = re.compile(r"(?:^|\s)rootfstype=(\S+)")
_PART: Final = re.compile(r"(?:(?<=\d)p|(?<=[a-z]))\d+$")
"""A partition's number: `mmcblk0p2` on `mmcblk0`, `sda2` on `sda` (block/partitions/core.c, Linux 6.12)."""

_ESCAPED: Final = re.compile(r"\\x([0-9a-f]{2})")
_BY_TAG: Final = re.compile(r"disk/by-(uuid|partuuid|label|partlabel)/(.+)")
_TAG: Final = re.compile(r"(?:PART)?(?:UUID|LABEL)=")
_GUESSED_ROOT: Final = re.compile(r"disk/by-designator/root\S*|gpt-auto-root\S*|root|/?sysroot")
"""The root device, as systemd-gpt-auto-generator and 60-persistent-storage.rules call it (systemd 258)."""


def carries(role: str, facts: Mapping[str, str], boot: BootState) -> bool:
    """Whether what the facts name carries `role`; False where the log does not tell.

    `root`: the device holds the root file system. `kernel-module`: the module is one that
    kernels bring along. `extra`: the driver is of what a machine does its work without.
    """
    if role == "extra":
        driver = facts.get("driver", "")
        files = kernel_modules().get(driver.replace("-", "_"), ())
        return is_extra_driver(files) if files else is_extra(driver.encode())
    if role == "kernel-module":
        return (
            facts.get("module", "").rpartition("/")[2].partition(".")[0].replace("-", "_") in kernel_modules()
        )
    return role == "root" and _is_root(facts, boot)


def _is_root(facts: Mapping[str, str], boot: BootState) -> bool:
    arguments = " ".join(_arguments(boot))
    device = _plain(facts.get("device", ""))
    root = _ROOT.search(arguments)
    if device and _GUESSED_ROOT.fullmatch(device) is not None:
        return True
    if device:
        named = {_plain(root[1].strip('"'))} if root is not None else set()
        names = named | _mounted_by_kernel(boot)
        return device in names | {_PART.sub("", name) for name in names}
    # squashfs does not name the device: its type has to do.
    kind = facts.get("fstype", "").lower()
    named_type = _TYPE.search(arguments)
    roots = boot.tallies.get("no-root/mounted", {}).values()
    return bool(kind) and kind in {
        *([named_type[1].lower()] if named_type is not None else []),
        *(tally.facts.get("fstype", "").lower() for tally in roots),
    }


def _mounted_by_kernel(boot: BootState) -> set[str]:
    """What the kernel itself mounted as its root, by what a file system said last before; or empty."""
    said = [
        (place.line, tally.facts["device"])
        for tally in boot.tallies.get("no-root/filesystem", {}).values()
        for place in tally.first
    ]
    roots = [tally.first[0].line for tally in boot.tallies.get("no-root/mounted", {}).values()]
    return {max(before)[1] for root in roots if (before := [entry for entry in said if entry[0] < root])}


def _plain(device: str) -> str:
    """One name for one device: a unit's (`dev-disk-by\\x2duuid-…`), a path's, and that of `root=UUID=…`."""
    name = device.removesuffix(".device")
    if name.startswith("dev-"):
        name = "/" + name.replace("-", "/")
        name = _ESCAPED.sub(lambda match: chr(int(match[1], 16)), name)
    name = name.removeprefix("/dev/")
    by_tag = _BY_TAG.fullmatch(name)
    return f"{by_tag[1].upper()}={by_tag[2]}".upper() if by_tag is not None else _upper_tag(name)


def _upper_tag(name: str) -> str:
    return name.upper() if _TAG.match(name) is not None else name


def _arguments(boot: BootState) -> Iterator[str]:
    for tally in boot.tallies.get("@kernel/arguments", {}).values():
        yield tally.facts.get("arguments", "")
