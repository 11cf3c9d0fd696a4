"""Whether `root=` names a file system of the image that the kernel, or its initramfs, can find and mount.

The kernel itself knows PARTUUID=, PARTLABEL=, /dev names and numbers (block/early-lookup.c
`early_lookup_bdev`, Linux 6.12); UUID=, LABEL= and /dev/disk/by-… need an initramfs.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from attrs import frozen

from bootwright.predict.kernel.drivers import KernelFacts
from bootwright.predict.model import Answer, Evidence, Link

_LOOKUP = "block/early-lookup.c early_lookup_bdev, Linux 6.12"
_MOUNT = "init/do_mounts.c mount_root_generic, Linux 6.12"
_BY_DISK = re.compile(r"/dev/disk/by-(uuid|partuuid|label|partlabel)/(.+)")
_DEVICE = re.compile(r"/dev/(?:mmcblk\d+p|nvme\d+n\d+p|[sv]d[a-z]+|nbd\d+p)(\d+)")
_TYPES = {
    "ext": ("CONFIG_EXT4_FS", "ext4"),
    "ext2": ("CONFIG_EXT4_FS", "ext4"),
    "ext3": ("CONFIG_EXT4_FS", "ext4"),
    "ext4": ("CONFIG_EXT4_FS", "ext4"),
    "xfs": ("CONFIG_XFS_FS", "xfs"),
    "btrfs": ("CONFIG_BTRFS_FS", "btrfs"),
    "squashfs": ("CONFIG_SQUASHFS", "squashfs"),
    "f2fs": ("CONFIG_F2FS_FS", "f2fs"),
    "erofs": ("CONFIG_EROFS_FS", "erofs"),
}
"""File system → its option and module."""


@frozen
class Volume:
    """A partition of the image with what is on it."""

    number: int
    partuuid: str
    partlabel: str
    uuid: str
    label: str
    type: str
    """Of its file system; empty where none is recognised."""
    where: str


@frozen
class Root:
    """The answer about `root=`: links of the chain, and what could not be looked at."""

    links: tuple[Link, ...] = ()
    not_checked: tuple[str, ...] = ()


def root_links(kernel: KernelFacts, volumes: Sequence[Volume] | None, *, initramfs: bool | None) -> Root:
    """What `root=` leads to; `initramfs` says whether there is one, None where that is not known."""
    argument = kernel.arguments.last("root")
    if argument is None or not argument.value:
        return Root()
    shown = f"{argument.text} ({kernel.arguments.source})"
    if volumes is None:
        return Root(not_checked=(f"{shown}: no disk image was given to look in",))
    kind, name = _parsed(argument.value)
    if kind == "":
        return Root(not_checked=(f"{shown}: the image does not show what it names",))
    if kind in {"uuid", "label", "path"} and initramfs is False:
        return Root(
            (
                _broken(
                    shown,
                    f"{argument.text} cannot be found without an initramfs: the kernel itself knows "
                    "PARTUUID=, PARTLABEL= and device names",
                    "name the partition by PARTUUID=, or boot with an initramfs",
                ),
            )
        )
    matching = [volume for volume in volumes if _fits(volume, kind, name)]
    if not matching:
        present = ", ".join(filter(None, (_named(volume, kind) for volume in volumes))) or "none"
        return Root(
            (
                _broken(
                    shown,
                    f"{argument.text} names a partition that is not in the image; it has: {present}",
                    "name the partition that holds the root file system",
                ),
            )
        )
    skipped = (f"{shown}: whether the device has that name on the board",) if kind == "number" else ()
    return Root(_mounted(kernel, matching[0], shown, initramfs=initramfs), skipped)


def _parsed(value: str) -> tuple[str, str]:
    """(kind, name): kind is `partuuid`, `partlabel`, `uuid`, `label`, `number`, `path`, or empty: unknown."""
    key, equals, identity = value.partition("=")
    if equals and key in {"PARTUUID", "PARTLABEL", "UUID", "LABEL"}:
        if key == "PARTUUID" and "/PARTNROFF=" in identity:
            return "", ""
        return key.lower(), identity
    by_disk = _BY_DISK.fullmatch(value)
    if by_disk is not None:
        return by_disk[1], by_disk[2]
    device = _DEVICE.fullmatch(value)
    return ("number", device[1]) if device is not None else ("", "")


def _named(volume: Volume, kind: str) -> str:
    return {
        "partuuid": volume.partuuid,
        "partlabel": volume.partlabel,
        "uuid": volume.uuid,
        "label": volume.label,
        "number": str(volume.number),
    }.get(kind, "")


def _fits(volume: Volume, kind: str, name: str) -> bool:
    own_name = _named(volume, kind)
    return own_name.lower() == name.lower() if kind in {"partuuid", "uuid"} else own_name == name


def _mounted(kernel: KernelFacts, volume: Volume, shown: str, *, initramfs: bool | None) -> tuple[Link, ...]:
    wanted = kernel.arguments.last("rootfstype")
    if wanted is not None and wanted.value and volume.type and initramfs is False:
        names = {"ext4", "ext3", "ext2", "ext"} if volume.type.startswith("ext") else {volume.type}
        if not names.intersection(wanted.value.split(",")):
            return (
                _broken(
                    shown,
                    f"{wanted.text}, and {volume.where} holds {volume.type}",
                    f"write rootfstype={volume.type}, or leave it out",
                    rule=_MOUNT,
                ),
            )
    option, module = _TYPES.get(volume.type, ("", ""))
    if not option:
        return ()
    needs = f"root file system: {volume.type}"
    where = Evidence(volume.where, _MOUNT)
    built_in = kernel.option(option) == "y" or (
        kernel.modules is not None and module in kernel.modules.built_in
    )
    if built_in:
        return (Link("/", needs, Answer.YES, where),)
    if kernel.option(option) == "n" and (kernel.modules is None or module not in kernel.modules):
        reason = f"the root file system is {volume.type}, and this kernel has none ({option} is not set)"
        return (Link("/", needs, Answer.NO, where, reason, remedy=f"build the kernel with {option}=y"),)
    if kernel.modules is None or module not in kernel.modules:
        return ()
    remedy = f"put the module {module} into the initramfs, or build it in ({option}=y)"
    if initramfs is False:
        reason = (
            f"the root file system is {volume.type}, whose driver is the module {module}: without an "
            "initramfs nothing loads it before the root file system is there"
        )
        return (Link("/", needs, Answer.NO, where, reason, remedy=remedy),)
    obstacle = kernel.module_obstacle(module)
    if obstacle is not None:
        answer = Answer.NO if obstacle.certain else Answer.UNKNOWN
        return (
            Link(
                "/",
                needs,
                answer,
                Evidence(volume.where, obstacle.rule),
                obstacle.reason,
                remedy=obstacle.remedy,
            ),
        )
    missing = kernel.not_early(module)
    if missing is not None:
        reason = (
            f"the root file system is {volume.type}, and the module {missing}, which it needs, is not in the "
            "initramfs"
        )
        remedy = f"put the module {missing} into the initramfs"
        return (Link("/", needs, Answer.NO, where, reason, remedy=remedy),)
    soft = kernel.soft_not_early(module)
    if soft is not None:
        reason = (
            f"{soft[0]}, which mounting {volume.type} needs, asks for {soft[1]} first (softdep), and nothing "
            "of that name is in the initramfs"
        )
        remedy = f"put {soft[1]} into the initramfs"
        return (Link("/", needs, Answer.UNKNOWN, where, reason, remedy=remedy),)
    answer = Answer.YES if kernel.initramfs_modules is not None else Answer.UNKNOWN
    reason = "" if answer is Answer.YES else f"whether the module {module} is in the initramfs is not known"
    return (Link("/", needs, answer, where, reason, remedy="" if answer is Answer.YES else remedy),)


def _broken(shown: str, reason: str, remedy: str, *, rule: str = _LOOKUP) -> Link:
    return Link("/", "root file system", Answer.NO, Evidence(shown, rule), reason, remedy=remedy)
