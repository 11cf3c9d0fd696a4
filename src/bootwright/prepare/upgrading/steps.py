"""What an upgrade needs of a node's disk: the boot loader that the installer looks for, and room.

The installer looks for GRUB on the system disk (a partition BOOT), then for systemd-boot (UKIs on EFI), and
gives up where there is neither; GRUB's kernels lie on BOOT in A and B, UKIs on EFI, the running one kept
[siderolabs/talos internal/app/machined/pkg/runtime/v1alpha1/bootloader, v1.12 to v1.14].
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from attrs import frozen

from bootwright.foundation.verdict import Verdict
from bootwright.prepare.upgrading.disks import Disk, Part
from bootwright.prepare.upgrading.installer import Installer

_OWN = frozenset({"EFI", "BIOS", "BOOT", "META", "STATE", "EPHEMERAL"})
_UKI = re.compile(r"efi/linux/[^/]+\.efi")
_ANEW = "write the image of the new version to the disk anew"
_SOURCE = "siderolabs/talos internal/app/machined/pkg/runtime/v1alpha1/bootloader"


@frozen
class Step:
    """One thing that an upgrade needs."""

    needs: str
    verdict: Verdict
    reason: str = ""
    remedy: str = ""
    source: str = _SOURCE


def steps(disks: Sequence[Disk], paths: Sequence[str], installer: Installer | None) -> tuple[Step, ...]:
    """In the order of the upgrade; none where no list of partitions was given.

    `paths` are the files of the EFI system partition, as far as they are known.
    """
    if not disks:
        return ()
    return tuple(_steps(disks, paths, installer))


def first_broken(steps: Sequence[Step]) -> Step | None:
    """The first that fails; else the first that is not known."""
    for wanted in (Verdict.FAILS, Verdict.UNKNOWN):
        for step in steps:
            if step.verdict is wanted:
                return step
    return None


def _steps(disks: Sequence[Disk], paths: Sequence[str], installer: Installer | None) -> Iterator[Step]:
    holding = [disk for disk in disks if disk.labels & _OWN]
    if not holding:
        labels = sorted({label for disk in disks for label in disk.labels})
        said = f"it has {', '.join(labels)[:200]}" if labels else "it names no partitions"
        yield Step(
            "system disk",
            Verdict.UNKNOWN,
            f"none of Talos's partitions is in the list ({said})",
            "give talosctl get discoveredvolumes -o yaml, or sfdisk -d of the system disk",
        )
        return
    disk = next((disk for disk in holding if {"META", "STATE"} & disk.labels), holding[0])
    yield Step(f"system disk: {disk.name}", Verdict.WORKS)
    for other in holding:
        twice = sorted(other.labels & disk.labels & {"EFI", "BOOT", "META", "STATE"})
        if other is not disk and twice:
            yield Step(
                "one system disk",
                Verdict.UNKNOWN,
                f"{other.name} has {', '.join(twice)} as well as {disk.name}: the board may start from one "
                "and the upgrade write to the other",
                f"wipe the one that is not used (talosctl wipe disk), or take it out: {other.name}",
            )
    if disk.table == "dos":
        yield Step(
            "partition table",
            Verdict.FAILS,
            f"{disk.name} has an MBR; Talos finds its partitions by the labels of a GPT",
            _ANEW,
        )
    yield from _loader(disk, paths, installer)


def _loader(disk: Disk, paths: Sequence[str], installer: Installer | None) -> Iterator[Step]:
    boot, efi = disk.part("BOOT"), disk.part("EFI")
    ukis = [
        path
        for path in paths
        if path.casefold().startswith("efi/linux/") and path.casefold().endswith(".efi")
    ]
    new = (
        installer.kernel + installer.initramfs
        if installer and installer.kernel and installer.initramfs
        else None
    )
    if boot is not None:
        yield Step("boot loader: GRUB", Verdict.WORKS)
        yield from _room(boot, new, "BOOT", "the old kernel stays beside the new one, in A and B")
        if efi is None:
            yield Step(
                "EFI",
                Verdict.UNKNOWN,
                f"{disk.name} has no partition EFI: an overlay has no place for its files",
                "see how the board starts; where it needs EFI, write the image of the new version anew",
            )
    elif efi is None:
        yield Step(
            "boot loader",
            Verdict.FAILS,
            f"{disk.name} has neither BOOT (GRUB) nor EFI (systemd-boot): the installer finds no boot loader",
            _ANEW,
        )
    elif ukis or not paths:
        answer = Verdict.WORKS if ukis else Verdict.UNKNOWN
        why = "" if ukis else "whether EFI holds UKIs (EFI/Linux) is not known"
        yield Step("boot loader: systemd-boot", answer, why, "give a copy or a listing of EFI" if why else "")
        yield from _room(efi, new, "EFI", "the running UKI stays beside the new one")
    else:
        yield Step(
            "boot loader",
            Verdict.FAILS,
            f"{disk.name} has no BOOT, and no UKI is in EFI/Linux: the installer finds no boot loader",
            _ANEW,
        )


def _room(part: Part, new: int | None, name: str, why: str) -> Iterator[Step]:
    if new is None:
        return  # a kernel alone does not say how much is written
    if part.size is None:
        why = "the size of the partition is not known"
        yield Step(f"room on {name}", Verdict.UNKNOWN, why, "give a list with sizes: sfdisk -d, lsblk -b -J")
        return
    sizes = f"{new / 1e6:.0f} MB are written, {name} has {part.size / 1e6:.0f} MB"
    if new > part.size:
        yield Step(f"room on {name}", Verdict.FAILS, sizes, _ANEW)
    elif 2 * new > part.size:
        remedy = "see what is free: talosctl list, or df on the mounted partition"
        yield Step(f"room on {name}", Verdict.UNKNOWN, f"{sizes}, and {why}", remedy)
    else:
        yield Step(f"room on {name}", Verdict.WORKS)
