"""What runs before the kernel: are those files there, and are they what they are taken for?"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence

from bootwright.bootchain.efi.program import is_u_boot
from bootwright.bootchain.efi.start import REMOVABLE
from bootwright.bootchain.firmware_models import firmware_models
from bootwright.bootchain.model import Chain, Part
from bootwright.bootchain.volumes import ESP_TYPES, open_at
from bootwright.firmware.config_txt import ConfigTxt, read_config_txt
from bootwright.formats.devicetree.fdt import read_fdt
from bootwright.formats.filesystems.filesystem import Entry, lookup, read_small
from bootwright.formats.programs.pe import read_pe
from bootwright.formats.programs.u_boot import version_in
from bootwright.formats.sources.bytesource import ByteSource
from bootwright.foundation.errors import BootwrightError
from bootwright.foundation.verdict import Verdict
from bootwright.images.opened import OpenImage, Volume
from bootwright.images.verify.verify_model import Check, fails, unknown, works

_VOLUME = b"_FVH"
"""The signature of a UEFI firmware volume (Platform Initialization 1.8, volume 3, section 3.2.1)."""
_ELF = b"\x7fELF"
_MOST_PROGRAM = 64 << 20
_PAGE = 4096


def loader_checks(image: OpenImage, chains: Sequence[Chain]) -> Iterator[Check]:
    """The checks of boot loaders, and of what config.txt names."""
    yield from _removable(image, chains)
    stages = dict.fromkeys((stage.name, stage.place) for chain in chains for stage in chain.stages)
    for name, place in stages:
        held = _file(image, place)
        if held is not None:
            yield from _stage(name, place, *held)
    volume = image.config_txt()
    if volume is not None:
        yield from _firmware(volume)
        yield from _config_txt(volume)


def tree_check(part: Part) -> Check | None:
    """A devicetree or overlay that an entry names, or a UKI holds; None where it is sound, or not there."""
    if not part.section and (not part.exists or part.path.lower().endswith((".dtb", ".dtbo"))):
        return None  # that it is missing, and every file of such a name, is looked at elsewhere
    try:
        read_fdt(part.open())
    except BootwrightError as error:
        return fails("devicetree", error.message, where=part.place)
    return None


def firmware_files(volume: Volume, names: Sequence[str]) -> list[str]:
    """Those of the firmware's programs that are there and are programs."""
    return [name for name in names if _is_program(volume, name)]


def _is_program(volume: Volume, name: str) -> bool | None:
    """None where it is not there."""
    source = open_at(volume, f"/{name}")
    if source is None:
        return None
    return source.read(0, min(4, source.size)) == _ELF if name.endswith(".elf") else bool(source.size)


def _firmware(volume: Volume) -> Iterator[Check]:
    """The firmware's own programs, of whatever model, where they are there."""
    groups = (group for model in firmware_models() for group in model.programs)
    for name in dict.fromkeys(name for group in groups for name in group):
        if _is_program(volume, name) is False:
            yield fails("boot loader", "it is no program of the firmware's", where=volume.path(f"/{name}"))


def _file(image: OpenImage, place: str) -> tuple[Volume, ByteSource] | None:
    """The file at a stage's place; None for a stage without one, and for one that is not there."""
    for volume in image.volumes:
        title = f"{volume.title}:"
        source = open_at(volume, place.removeprefix(title)) if place.startswith(title) else None
        if source is not None:
            return volume, source
    return None


def _stage(name: str, place: str, volume: Volume, source: ByteSource) -> Iterator[Check]:
    if name == "U-Boot":
        yield _u_boot(source, place)
    elif name == "boot loader" and not source.size:
        yield fails("boot loader", "it is empty", where=place)
    elif name == "UEFI":
        yield _uefi(source, place)
    elif place.lower().endswith(".efi") and place != volume.path(REMOVABLE):
        yield _efi_program(source, place)


def _u_boot(source: ByteSource, place: str) -> Check:
    """By its version and, where its start says how long it is (arch/arm/cpu/armv8/start.S), its length."""
    if not source.size:
        return fails("boot loader", "it is empty, and so no U-Boot", where=place)
    head = source.read(0, min(64, source.size))
    # A Linux header, which some have, says how much memory is needed.
    if len(head) == 64 and head[56:60] != b"ARM\x64":
        _, base, end, bss = struct.unpack_from("<4Q", head)
        # BSS is not in the file, and begins at most a page behind what is.
        if base % _PAGE == 0 and source.size + _PAGE < bss <= end <= _MOST_PROGRAM:
            detail = f"U-Boot is cut short: it has {source.size} bytes of {bss}"
            return fails("boot loader", detail, where=place)
    if not is_u_boot(source) and not version_in(source):
        start = source.read(0, min(8, source.size)).hex(" ")
        detail = f"it is no U-Boot: no version of U-Boot is in it (it begins with {start})"
        return fails("boot loader", detail, where=place)
    return works("boot loader", f"U-Boot {version_in(source)}".rstrip(), where=place)


def _uefi(source: ByteSource, place: str) -> Check:
    if not source.size:
        return fails("boot loader", "it is empty, and so no UEFI", where=place)
    if source.size > _MOST_PROGRAM or _VOLUME not in source.read(0, source.size):
        return unknown("boot loader", "it is taken for UEFI, and no firmware volume is in it", where=place)
    return works("boot loader", "UEFI by its firmware volumes", where=place)


def _efi_program(source: ByteSource, place: str) -> Check:
    try:
        headers = read_pe(source)
    except BootwrightError as error:
        return fails("boot loader", error.message, where=place)
    if headers.machine != "arm64" or not headers.is_efi_application:
        return fails("boot loader", f"it is for {headers.machine}, or no EFI application", where=place)
    signed = ", signed (the signature is not verified)" if headers.signed else ""
    return works("boot loader", f"an EFI application for arm64{signed}", where=place)


def _removable(image: OpenImage, chains: Sequence[Chain]) -> Iterator[Check]:
    """UEFI starts EFI/BOOT/BOOTAA64.EFI of removable media (UEFI 2.10, section 3.5.1.1)."""
    if not any(chain.kind in {"grub", "uki", "loader-entry", "efi"} for chain in chains):
        return
    for volume in image.volumes:
        source = open_at(volume, REMOVABLE)
        if source is None:
            continue
        check = _efi_program(source, volume.path(REMOVABLE))
        esp = volume.partition.type in ESP_TYPES or not image.table.scheme.startswith("gpt")
        if check.verdict is Verdict.WORKS and not esp:
            check = fails("boot loader", "its partition is not of the type EFI system", where=check.where)
        yield check
        return
    yield fails("boot loader", f"no partition holds {REMOVABLE}, which UEFI starts")


def _config_txt(volume: Volume) -> Iterator[Check]:
    place = volume.path("/config.txt")
    data = read_small(volume.files, "/config.txt") or b""
    config = read_config_txt(data, place, load=lambda name: read_small(volume.files, f"/{name}"))
    broken = 0
    for problem in config.problems:
        broken += 1
        yield fails("config.txt", problem, where=place)
    for setting in config.settings:
        for name in _named(setting.key, setting.value):
            entry = _found(volume, config, name)
            wrong = "is not there" if entry is None else "" if entry.size else "is empty"
            if wrong and not (entry is not None and setting.key == "cmdline"):
                broken += 1
                detail = f"line {setting.line}: {setting.key}={setting.value} names {name}, which {wrong}"
                yield fails("config.txt", detail, where=place)
    if not broken:
        yield works("config.txt", f"{len(config.settings)} settings; what they name is there", where=place)


def _found(volume: Volume, config: ConfigTxt, name: str) -> Entry | None:
    """The file of that name, with any of the prefixes that config.txt has for some board."""
    prefixes = ["", *(setting.value for setting in config.values("os_prefix"))]
    names = [f"/{prefix}{name.lstrip('/')}" for prefix in prefixes]
    for setting in config.values("overlay_prefix"):
        names += [place.replace("/overlays/", f"/{setting.value}", 1) for place in names]
    return next((entry for place in names if (entry := lookup(volume.files, place)) is not None), None)


def _named(key: str, value: str) -> list[str]:
    """The files a setting makes the firmware read (Raspberry Pi documentation, "config.txt")."""
    if key in {"kernel", "device_tree", "cmdline", "armstub"} and value:
        return [f"/{value}"]
    if key in {"initramfs", "ramfsfile"} and value:
        return [f"/{part}" for part in value.split(maxsplit=1)[0].split(",") if part]
    if key == "dtoverlay" and value:
        return [f"/overlays/{value.partition(',')[0].partition(':')[0]}.dtbo"]
    return []
