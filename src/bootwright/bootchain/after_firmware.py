"""What follows where a boot loader is in charge: U-Boot's own ways, and EFI."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import evolve

from bootwright.bootchain.efi.start import efi_chains
from bootwright.bootchain.model import Chain, Stage
from bootwright.bootchain.u_boot.start import u_boot_chains
from bootwright.bootchain.volumes import Volume


def loader_chains(volumes: Sequence[Volume], stages: Sequence[Stage]) -> list[Chain]:
    """What U-Boot, or a loader like it, starts: extlinux.conf and scripts, then EFI. Raises `Malformed`."""
    reached, late = u_boot_chains(volumes, stages)
    return [*reached, *efi_chains(volumes, [*stages, Stage("EFI")]), *late]


def board_chains(volumes: Sequence[Volume]) -> list[Chain]:
    """The same for a board whose own firmware, U-Boot or UEFI, is not known. Raises `Malformed`."""
    reached, late = u_boot_chains(volumes, [Stage("U-Boot")])
    efi = efi_chains(volumes, [Stage("UEFI")])
    if reached and efi and not reached[0].unsure and _differ(reached[0], efi[0]):
        why = f"U-Boot starts this one, a board with UEFI {efi[0].name or 'another'}"
        reached[0] = evolve(reached[0], unsure=why)
    return [*reached, *efi, *late]


def _differ(first: Chain, other: Chain) -> bool:
    if first.kernel is None or other.kernel is None:
        return True
    return (first.kernel.place, first.arguments) != (other.kernel.place, other.arguments)
