"""UEFI, systemd-boot, GRUB and U-Boot start, in the emulator, what the boot chain says they start."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import pytest
from chain_kit import ESP, LINUX, XBOOTLDR, Files, Partition, disk, grubenv, os_release, script_image
from click.testing import CliRunner

from bootwright.cli.main import main
from bootwright.foundation import tools
from bootwright.foundation.errors import Missing, Refused
from bootwright.images.opened import open_image
from bootwright.images.parts.loaders import GRUB_MODULES
from bootwright.images.write.uki import NewSection, add_sections
from bootwright.kernels.boot_parts import Unpacked, boot_part
from bootwright.kernels.catalogue import open_library

pytestmark = [pytest.mark.boot, pytest.mark.download, pytest.mark.timeout(900)]
ARGUMENTS = "console=ttyAMA0 panic=-1"


@cache
def part(name: str) -> Unpacked:
    try:
        return boot_part(name)
    except (Missing, Refused) as error:
        pytest.skip(f"{name}: {error}")


@cache
def kernel() -> bytes:
    try:
        return open_library().get("debian-6.18-4k").image.read_bytes()
    except (Missing, Refused) as error:
        pytest.skip(f"kernel: {error}")


def systemd_boot() -> bytes:
    return (part("systemd-boot-arm64").folder / "systemd-bootaa64.efi").read_bytes()


def uki(name: str, release: str) -> bytes:
    stub = (part("systemd-boot-arm64").folder / "linuxaa64.efi.stub").read_bytes()
    sections = [
        (".osrel", release.encode()),
        (".cmdline", f"entry={name} {ARGUMENTS}".encode()),
        (".linux", kernel()),
    ]
    return add_sections(stub, [NewSection(*section) for section in sections], "kit")


def grub(work: Path, label: str) -> bytes:
    from bootwright.images.parts.loaders import grub_image

    tools.need("grub-mkimage", purpose="make GRUB's EFI program")
    assert "loadenv" in GRUB_MODULES
    return grub_image(part("grub-arm64-efi"), label, "/grub/grub.cfg", work).read_bytes()


def entry(name: str, more: str = "") -> str:
    return f"title {name}\nlinux /vmlinuz\noptions entry={name} {ARGUMENTS}\n{more}"


def menu(*names: str, head: str) -> str:
    text = "".join(
        f'menuentry "{name}" --id {name} {{\n linux /vmlinuz entry={name} {ARGUMENTS}\n}}\n' for name in names
    )
    return f"set timeout=0\n{head}\n{text}"


def extlinux(name: str) -> str:
    return f"timeout 1\ndefault {name}\nlabel {name}\n linux /vmlinuz\n append entry={name} {ARGUMENTS}\n"


def sd_boot_entries(_: Path) -> list[Partition]:
    files: Files = {
        "/EFI/BOOT/BOOTAA64.EFI": systemd_boot(),
        "/loader/loader.conf": "timeout 0\n",
        "/vmlinuz": kernel(),
        "/loader/entries/z.conf": entry("old", "sort-key kit\nversion 9\n"),
        "/loader/entries/a.conf": entry("new", "sort-key kit\nversion 10\n"),
        "/loader/entries/plain-99.conf": entry("plain"),
        "/loader/entries/spent+0-3.conf": entry("spent", "sort-key aaa\nversion 1\n"),
    }
    return [Partition("EFI", files, ESP)]


def sd_boot_default_elsewhere(_: Path) -> list[Partition]:
    first: Files = {
        "/EFI/BOOT/BOOTAA64.EFI": systemd_boot(),
        "/loader/loader.conf": "timeout 0\ndefault mine-*\n",
        "/vmlinuz": kernel(),
        "/loader/entries/other-9.conf": entry("other"),
    }
    second: Files = {"/vmlinuz": kernel(), "/loader/entries/mine-1.conf": entry("mine")}
    return [Partition("EFI", first, ESP), Partition("BOOT", second, XBOOTLDR)]


def sd_boot_ukis(_: Path) -> list[Partition]:
    files: Files = {
        "/EFI/BOOT/BOOTAA64.EFI": systemd_boot(),
        "/loader/loader.conf": "timeout 0\n",
        "/EFI/Linux/z.efi": uki("old", os_release("1", image_version="9")),
        "/EFI/Linux/a.efi": uki("new", os_release("1", image_version="10")),
    }
    return [Partition("EFI", files, ESP)]


def grub_by_grubenv(work: Path) -> list[Partition]:
    boot: Files = {
        "/grub/grub.cfg": menu("A", "B", head='load_env -f /grub/grubenv\nset default="${next}"'),
        "/grub/grubenv": grubenv(next="B"),
        "/vmlinuz": kernel(),
    }
    return [
        Partition("EFI", {"/EFI/BOOT/BOOTAA64.EFI": grub(work, "BOOT")}, ESP),
        Partition("BOOT", boot, LINUX, "vfat"),
    ]


def u_boot_flagged(_: Path) -> list[Partition]:
    first, second = (
        {"/vmlinuz": kernel(), "/extlinux/extlinux.conf": extlinux(name)} for name in ("first", "flagged")
    )
    return [
        Partition("ONE", first, LINUX, "vfat"),
        Partition("TWO", second, LINUX, "ext4", "LegacyBIOSBootable"),
    ]


def u_boot_script(_: Path) -> list[Partition]:
    text = (
        f"setenv bootargs entry=script {ARGUMENTS}\n"
        "load ${devtype} ${devnum}:${distro_bootpart} ${kernel_addr_r} ${prefix}vmlinuz\n"
        "booti ${kernel_addr_r} - ${fdtcontroladdr}\n"
    )
    return [Partition("ONE", {"/vmlinuz": kernel(), "/boot.scr": script_image(text)}, LINUX, "vfat")]


@pytest.mark.parametrize(
    ("make", "firmware", "expected"),
    [
        (sd_boot_entries, "aavmf", "new"),
        (sd_boot_default_elsewhere, "aavmf", "mine"),
        (sd_boot_ukis, "aavmf", "new"),
        (grub_by_grubenv, "aavmf", "B"),
        (u_boot_flagged, "uboot", "flagged"),
        (u_boot_script, "uboot", "script"),
        (sd_boot_entries, "uboot", "new"),
    ],
)  # fmt: skip
def test_what_starts_is_what_was_said(make: object, firmware: str, expected: str, tmp_path: Path) -> None:
    assert callable(make)
    image = disk(tmp_path / "disk.raw", make(tmp_path), size=128)
    chain = open_image(image).chain()
    assert chain.arguments == f"entry={expected} {ARGUMENTS}"
    assert not chain.unsure
    result = CliRunner().invoke(
        main,
        ["image", "boot", str(image), "--firmware", firmware, "--until", f"entry={expected} ", "--json", "-q",
         "--keep-cmdline", "--timeout", "240", "--keep", str(tmp_path / "kept")],
    )  # fmt: skip
    console = b"".join(path.read_bytes() for path in (tmp_path / "kept").rglob("*") if path.is_file())
    assert result.exit_code == 0, (json.loads(result.stdout or "{}"), console[-3000:])
    assert b"entry=" + expected.encode() in console
