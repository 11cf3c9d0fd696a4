"""Small parts for images, as far as readers look, and recipes around them."""

from __future__ import annotations

import stat
import struct
import subprocess
import tempfile
from pathlib import Path

import pe_kit
from attrs import evolve

from bootwright.formats.archives import cpio
from bootwright.foundation.tools import find
from bootwright.images.recipes.recipe import Recipe

RELEASE = "6.18.5-kit"


def kernel_image(release: str = RELEASE, page: int = 1, size: int = 1 << 20, filler: bytes = b"") -> bytes:
    """An arm64 Image by its header (booting.rst): no code, but a banner."""
    head = bytearray(64)
    head[0:2] = b"MZ"
    struct.pack_into("<QQQ", head, 8, 0, size, page << 1 | 8)
    head[56:60] = b"ARM\x64"
    struct.pack_into("<I", head, 60, 64)
    banner = f"Linux version {release} (kit@example.org) (gcc 12) #1 SMP 2024-01-01\n".encode()
    return (bytes(head) + b"PE\0\0".ljust(64, b"\0") + banner + filler).ljust(size, b"\0")


def u_boot(size: int = 80_000) -> bytes:
    """U-Boot by its start (arch/arm/cpu/armv8/start.S), with its version near its end."""
    data = bytearray(size)
    struct.pack_into("<4Q", data, 0, 0x1400000A, 0x80000, size, size)
    banner = b"U-Boot 2025.01-kit (Jan 01 2025 - 00:00:00)"
    data[-1000 : len(banner) - 1000] = banner
    return bytes(data)


def module(release: str = RELEASE, name: str = "m", text: bytes = b"") -> bytes:
    """A module by its form (no code): `.modinfo`, the section that every module has, and `text` as data."""
    data = "".join(f"\\{byte:03o}" for byte in text)
    vermagic = f"{release} SMP preempt mod_unload aarch64"
    code = (
        f'char i[] __attribute__((section(".modinfo"))) = "name={name}\\0vermagic={vermagic}\\0depends=";'
        'char t[1024] __attribute__((section(".gnu.linkonce.this_module")));'
        f'char d[] = "{data}";'
    )
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "m.ko"
        command = ["aarch64-linux-gnu-gcc", "-c", "-x", "c", "-", "-o", made]
        subprocess.run(command, input=code.encode(), check=True)
        return made.read_bytes()


def devicetree(folder: Path, name: str, model: str) -> Path:
    """A small DTB made by dtc."""
    source = f'/dts-v1/; / {{ model = "{model}"; compatible = "raspberrypi,5-model-b"; }};'
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["dtc", "-q", "-I", "dts", "-O", "dtb", "-o", path], input=source.encode(), check=True)
    return path


def parts(folder: Path, release: str = RELEASE) -> Path:
    """A folder with `vmlinuz`, `dtbs/broadcom/*.dtb`, `initramfs` and `pi.dtbo`-like extras."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vmlinuz").write_bytes(kernel_image(release))
    for stepping in ("bcm2712-rpi-5-b.dtb", "bcm2712-d-rpi-5-b.dtb"):
        devicetree(folder / "dtbs/broadcom", stepping, stepping)
    (folder / "loader.efi").write_bytes(pe_kit.efi_program())
    (folder / "u-boot.bin").write_bytes(u_boot())
    archive = cpio.write([cpio.Member("init", b"#!/bin/sh\n", stat.S_IFREG | 0o755)])
    (folder / "initramfs").write_bytes(
        subprocess.run(["xz", "--check=crc32", "-c"], input=archive, capture_output=True, check=True).stdout
    )
    return folder


KIT = """
title = "kit"
[kernel]
from = "."
[initramfs]
from = "initramfs"
[dtbs]
from = "kernel"
files = ["broadcom/*.dtb"]
[config_txt]
lines = ["arm_64bit=1", "[pi5]", "enable_uart=0", "[all]"]
[cmdline]
arguments = ["console=ttyAMA0", "quiet"]
[loader]
kind = "grub"
title = "Kit"
[[partition]]
label = "EFI"
type = "efi"
size = "64 MiB"
filesystem = "vfat"
[partition.files]
"/" = "dtbs"
"/config.txt" = "config.txt"
"/EFI/BOOT/BOOTAA64.EFI" = "file:loader.efi"
[[partition]]
label = "BOOT"
type = "linux"
size = "300 MiB"
filesystem = "xfs"
[partition.files]
"/A/vmlinuz" = "kernel"
"/A/initramfs.xz" = "initramfs"
"/grub/grub.cfg" = "loader-config"
[[partition]]
label = "META"
type = "linux"
size = "1 MiB"
"""

EXTLINUX = (
    KIT.replace('kind = "grub"', 'kind = "extlinux"')
    .replace('"/EFI/BOOT/BOOTAA64.EFI" = "file:loader.efi"\n', "")
    .replace('"/" = "dtbs"\n', "")
    .replace("/grub/grub.cfg", "/extlinux/extlinux.conf")
    .replace('"/A/initramfs.xz"', '"/dtbs" = "dtbs"\n"/A/initramfs.xz"')
    .replace('"300 MiB"', '"32 MiB"')
    .replace('"xfs"', '"ext4"')
)
"""The same behind U-Boot, on ext4."""


U_BOOT = KIT.replace('"arm_64bit=1", ', '"arm_64bit=1", "kernel=u-boot.bin", ').replace(
    '"/EFI/BOOT/BOOTAA64.EFI"', '"/u-boot.bin" = "file:u-boot.bin"\n"/EFI/BOOT/BOOTAA64.EFI"'
)
"""The same behind a Raspberry Pi's firmware and U-Boot."""


def recipe(folder: Path, text: str = KIT, name: str = "kit.toml") -> Path:
    """The recipe's file, with its parts beside it."""
    if not (folder / "vmlinuz").exists():
        parts(folder)
    path = folder / name
    path.write_text(text)
    return path


def on_small_disk(recipe: Recipe) -> Recipe:
    """The recipe with 400 MiB where Talos has two gigabytes: every step reads and hashes the whole disk."""
    small = (evolve(part, size=min(part.size, 400 << 20)) for part in recipe.partitions)
    return evolve(recipe, partitions=tuple(small))


def clean(image: Path, work: Path, offset: int, size: int, kind: str) -> None:
    """The file system passes its own checker: `fsck.vfat -n`, `xfs_repair -n`."""
    from bootwright.images.write.sparse import extract

    part = work / "checked"
    extract(image, offset, size, part)
    program, option = {
        "vfat": ("fsck.vfat", "-n"),
        "xfs": ("xfs_repair", "-n"),
        "ext4": ("e2fsck", "-fn"),
    }[kind]
    done = subprocess.run([find(program), option, part], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
