"""Where U-Boot looks: which partitions, and what on each (doc/develop/bootstd and distro, U-Boot 2024.10).

Of a disk with partitions marked bootable only those are looked at; of one without, the first
(boot/bootdev-uclass.c bootdev_find_in_blk; `part list -bootable` of include/config_distro_bootcmd.h before
that). On each: extlinux.conf and boot scripts in `/` and `/boot/`, then the program that UEFI starts.
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import evolve

from bootwright.bootchain.efi.start import has_removable_program
from bootwright.bootchain.model import Chain, Stage
from bootwright.bootchain.u_boot.extlinux import extlinux_chains
from bootwright.bootchain.u_boot.script import script_chain
from bootwright.bootchain.volumes import Volume, file_at, flagged_bootable

PREFIXES = ("/", "/boot/")
SCRIPTS = ("boot.scr.uimg", "boot.scr")


def u_boot_chains(volumes: Sequence[Volume], stages: Sequence[Stage]) -> tuple[list[Chain], list[Chain]]:
    """(what U-Boot starts by extlinux.conf and scripts, in the order it tries them; what it does not reach).

    The latter lies on a partition that it does not look at, or behind one that it boots by EFI; each says so.
    Raises `Malformed`.
    """
    looked = [volume for volume in volumes if flagged_bootable(volume)] or [
        volume for volume in volumes if volume.partition is not None and volume.partition.number == 1
    ]
    started: list[Chain] = []
    late: list[Chain] = []
    behind = False
    for volume in looked:
        chains = _on(volumes, volume, stages)
        if behind:
            late += [evolve(chain, unsure=_BEHIND) for chain in chains]
        else:
            started += chains
        behind = behind or has_removable_program(volume)
    others = [volume for volume in volumes if volume not in looked]
    late += [evolve(chain, unsure=_UNFLAGGED) for volume in others for chain in _on(volumes, volume, stages)]
    return started, late


_BEHIND = "U-Boot starts EFI/BOOT/BOOTAA64.EFI of an earlier partition first"
_UNFLAGGED = (
    "U-Boot looks only at the partitions marked bootable, or at the first where none is: not at this one"
)


def _on(volumes: Sequence[Volume], volume: Volume, stages: Sequence[Stage]) -> list[Chain]:
    chains: list[Chain] = []
    for prefix in PREFIXES:
        config = file_at(volume, f"{prefix}extlinux/extlinux.conf")
        if config is not None:
            chains += extlinux_chains(volume, config.path, stages)
        for name in SCRIPTS:
            script = file_at(volume, f"{prefix}{name}")
            if script is not None:
                chains.append(script_chain(volumes, volume, script.path, stages, prefix))
    return chains
