"""Small parts for images, as far as readers look, and recipes around them."""

from __future__ import annotations

import stat
import struct
import subprocess
from pathlib import Path

from bootwright.artifacts import cpio
from bootwright.foundation.tools import find

RELEASE = "6.18.5-kit"


def kernel_image(release: str = RELEASE, page: int = 1, size: int = 1 << 20, filler: bytes = b"") -> bytes:
    """An arm64 Image by its header (booting.rst): no code, but a banner."""
    head = bytearray(64)
    head[0:2] = b"MZ"
    struct.pack_into("<QQQ", head, 8, 0, size, page << 1 | 8)
    head[56:60] = b"ARM\x64"
    struct.pack_into("<I", head, 60, 64)
    banner = f"Linux version {release} (kit@example.org) (gcc 12) #1 SMP 2024-01-01\n".encode()
    return (bytes(head) + b"\0" * 64 + banner + filler).ljust(size, b"\0")


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
    archive = cpio.write([cpio.Member("init", b"#!/bin/sh\n", stat.S_IFREG | 0o755)])
    (folder / "initramfs").write_bytes(
        subprocess.run(["xz", "--check=crc32", "-c"], input=archive, capture_output=True, check=True).stdout
    )
    return folder


EXTLINUX = """
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
kind = "extlinux"
title = "Kit"
[[partition]]
label = "EFI"
type = "efi"
size = "64 MiB"
filesystem = "vfat"
[partition.files]
"/" = "dtbs"
"/config.txt" = "config.txt"
[[partition]]
label = "BOOT"
type = "linux"
size = "300 MiB"
filesystem = "xfs"
[partition.files]
"/A/vmlinuz" = "kernel"
"/A/initramfs.xz" = "initramfs"
"/extlinux/extlinux.conf" = "loader-config"
[[partition]]
label = "META"
type = "linux"
size = "1 MiB"
"""


def recipe(folder: Path, text: str = EXTLINUX, name: str = "kit.toml") -> Path:
    """The recipe's file, with its parts beside it."""
    if not (folder / "vmlinuz").exists():
        parts(folder)
    path = folder / name
    path.write_text(text)
    return path


def clean(image: Path, work: Path, offset: int, size: int, kind: str) -> None:
    """The file system passes its own checker: `fsck.vfat -n`, `xfs_repair -n`."""
    from bootwright.images.sparse import extract

    part = work / "checked"
    extract(image, offset, size, part)
    program = {"vfat": "fsck.vfat", "xfs": "xfs_repair"}[kind]
    done = subprocess.run([find(program), "-n", part], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
