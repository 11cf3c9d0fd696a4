"""What an EFI program is: a boot loader by its marks, a unified kernel image, or a kernel."""

from __future__ import annotations

import re
from enum import StrEnum

from bootwright.formats.programs.pe import read_pe
from bootwright.formats.sources.bytesource import ByteSource
from bootwright.foundation.errors import BootwrightError

_MOST_MARK = 4096
_ARM64_MAGIC = b"ARM\x64"
_U_BOOT_BANNER = re.compile(rb"U-Boot (?:SPL |TPL )?20\d\d\.\d\d")
_MOST_U_BOOT = 4 << 20
"""Bytes; a U-Boot has about one million, a kernel for a board rather more than this."""


class Program(StrEnum):
    """What runs when firmware starts it."""

    UKI = "uki"
    KERNEL = "kernel"
    GRUB = "GRUB"
    SYSTEMD_BOOT = "systemd-boot"
    SHIM = "shim"
    UNKNOWN = "unknown"


def identify(source: ByteSource) -> Program:
    """By sections and SBAT (systemd 257, src/fundamental/sbat.h; GRUB 2.12, util/mkimage.c; shim SBAT.md).

    A GRUB made without SBAT has a section `mods` with its modules; systemd-boot has `.sdmagic`.
    """
    try:
        headers = read_pe(source)
    except BootwrightError:
        return Program.UNKNOWN
    if headers.is_uki:
        return Program.UKI
    if headers.is_zboot or source.read(0, 64)[56:60] == _ARM64_MAGIC:
        return Program.KERNEL
    magic, sbat = headers.section(".sdmagic"), headers.section(".sbat")
    marks = b"".join(
        source.read(section.offset, min(section.size, _MOST_MARK))
        for section in (magic, sbat)
        if section is not None
    )
    for line in marks.split(b"\n"):
        name = line.partition(b",")[0].strip(b"\0 ")
        if name == b"shim":
            return Program.SHIM
        if name == b"grub" or name.startswith(b"grub."):
            return Program.GRUB
        if name == b"systemd-boot" or b"LoaderInfo: systemd-boot" in line:
            return Program.SYSTEMD_BOOT
    return Program.GRUB if headers.section("mods") is not None else Program.UNKNOWN


def is_arm64_kernel(source: ByteSource) -> bool:
    """Whether it begins as an arm64 Image, or as something compressed, which U-Boot binaries never do.

    The magic alone also marks a U-Boot made with a Linux header, so that its banner is looked for first.
    """
    head = source.read(0, min(64, source.size))
    if is_u_boot(source):
        return False
    compressed = head[:2] == b"\x1f\x8b" or head[:4] == b"\x28\xb5\x2f\xfd" or head[:6] == b"\xfd7zXZ\0"
    zboot = len(head) >= 8 and head[:2] == b"MZ" and head[4:8] == b"zimg"
    return compressed or zboot or head[56:60] == _ARM64_MAGIC


def is_u_boot(source: ByteSource) -> bool:
    """Whether it holds U-Boot's banner (include/version.h)."""
    if source.size > _MOST_U_BOOT:
        return False
    return _U_BOOT_BANNER.search(source.read(0, source.size)) is not None
