"""What UEFI starts from a disk it was never installed on: EFI/BOOT/BOOTAA64.EFI (UEFI 2.10, 3.5.1.1).

The program says what comes next: a UKI or a kernel starts at once, GRUB and systemd-boot read their own
configurations. Where the program is not among the files or is not recognised, the configurations that are
there say what it would be.
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import evolve

from bootwright.bootchain.efi.loader_entries import loader_entry_chains
from bootwright.bootchain.efi.program import Program, identify
from bootwright.bootchain.efi.uki import uki_chains
from bootwright.bootchain.grub.chain import grub_chains
from bootwright.bootchain.model import Chain, Part, Stage
from bootwright.bootchain.volumes import Volume, efi_volumes, file_at, open_at, place

REMOVABLE = "/EFI/BOOT/BOOTAA64.EFI"
UNRECOGNISED = "EFI program"
"""The stage of a program that could be any."""
_AFTER_SHIM = "/EFI/BOOT/grubaa64.efi"


def has_removable_program(volume: Volume) -> bool:
    """Whether UEFI finds a program on the volume."""
    return file_at(volume, REMOVABLE) is not None


def efi_chains(volumes: Sequence[Volume], stages: Sequence[Stage]) -> list[Chain]:
    """What starts through UEFI, what starts by itself first; raises `Malformed`."""
    esp = next((volume for volume in efi_volumes(volumes) if has_removable_program(volume)), None)
    if esp is None:
        return _by_configuration(volumes, stages, None, "")
    path, kind, program_stages = _program(esp, stages)
    if kind is Program.UKI:
        return uki_chains(esp, path, program_stages)
    if kind is Program.KERNEL:
        part = Part(esp, path, "UEFI's default path")
        return [Chain(kind="efi", stages=program_stages, title=path.rpartition("/")[2], kernel=part)]
    if kind is Program.GRUB:
        chains = grub_chains(volumes, program_stages)
        return chains or _other_than(kind, volumes, program_stages, esp)
    if kind is Program.SYSTEMD_BOOT:
        chains = loader_entry_chains(volumes, program_stages, esp)
        return chains or _other_than(kind, volumes, program_stages, esp)
    return _by_configuration(
        volumes, program_stages, esp, f"{place(esp, path)} is no boot loader that is recognised"
    )


def _program(esp: Volume, stages: Sequence[Stage]) -> tuple[str, Program, tuple[Stage, ...]]:
    """(path, what it is, the stages up to it); shim is followed to what it starts."""
    path, program_stages = REMOVABLE, tuple(stages)
    for _ in range(2):
        source = open_at(esp, path)
        kind = identify(source) if source is not None else Program.UNKNOWN
        program_stages = (
            *program_stages,
            Stage(UNRECOGNISED if kind is Program.UNKNOWN else str(kind), place(esp, path)),
        )
        if kind is not Program.SHIM or file_at(esp, _AFTER_SHIM) is None:
            break
        path = _AFTER_SHIM
    return path, kind, program_stages


def _other_than(
    kind: Program, volumes: Sequence[Volume], stages: Sequence[Stage], esp: Volume
) -> list[Chain]:
    """The configurations of another loader than the one that starts: perhaps its own is elsewhere."""
    chains = [*grub_chains(volumes, stages), *loader_entry_chains(volumes, stages, esp)]
    reason = f"{place(esp, REMOVABLE)} is {kind}, and no configuration of it was found"
    return [evolve(chain, unsure=reason) for chain in chains]


def _by_configuration(
    volumes: Sequence[Volume], stages: Sequence[Stage], esp: Volume | None, unknown: str
) -> list[Chain]:
    """What the configurations say where the loader itself does not tell which it is."""
    menu = grub_chains(volumes, stages)
    entries = loader_entry_chains(volumes, [*stages, Stage("systemd-boot")], esp)
    named = {chain.config[1] for chain in menu if chain.config is not None and chain.kind == "loader-entry"}
    entries = [entry for entry in entries if entry.config is None or entry.config[1] not in named]
    if menu and entries:
        reason = unknown or f"there is no {REMOVABLE}"
        menu[0] = evolve(
            menu[0], unsure=menu[0].unsure or f"GRUB and systemd-boot are both configured, and {reason}"
        )
    return [*menu, *entries]
