"""Small real disk images, one for each layout: made by sfdisk, mkfs, mtools and dtc, without root."""

from __future__ import annotations

import functools
import lzma
import os
import shutil
import stat
import struct
import subprocess
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import pe_kit
from attrs import frozen

from bootwright.formats.archives import cpio
from bootwright.images.write.uki import NewSection, add_sections

ESP = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
XBOOTLDR = "BC13C2FF-59E6-4262-A352-B275FD6F7172"
LINUX = "0FC63DAF-8483-4772-8E79-3D69D8477DE4"

Files = Mapping[str, bytes | str]


@frozen
class Partition:
    """One partition of a test image."""

    label: str
    files: Files
    type: str = ESP
    filesystem: str = "vfat"
    flag: str = ""
    """`LegacyBIOSBootable` (GPT) or `bootable` (MBR)."""


def kernel(name: str, *, size: int = 96 << 10) -> bytes:
    """An arm64 Image by its header (booting.rst, with an EFI stub's PE header) and its banner: no code."""
    head = bytearray(64)
    head[0:2] = b"MZ"
    struct.pack_into("<QQQ", head, 8, 0, size, 1 << 1 | 8)
    head[56:60] = b"ARM\x64"
    struct.pack_into("<I", head, 60, 64)
    pe = bytearray(struct.pack("<4sHHIIIHH", b"PE\0\0", 0xAA64, 0, 0, 0, 0, 160, 0x206).ljust(192, b"\0"))
    struct.pack_into("<H", pe, 24, 0x20B)
    struct.pack_into("<H", pe, 24 + 68, 10)
    banner = f"Linux version 6.18.5-{name} (kit@example.org) (gcc 12) #1 SMP 2024-01-01\n".encode()
    return (bytes(head) + bytes(pe) + banner).ljust(size, b"\0")


@functools.cache
def initramfs(name: str) -> bytes:
    """A cpio with /init, compressed as the kernel reads it."""
    archive = cpio.write([cpio.Member("init", f"#!/bin/sh\n# {name}\n".encode(), stat.S_IFREG | 0o755)])
    return lzma.compress(archive, check=lzma.CHECK_CRC32, preset=0)


@functools.cache
def devicetree(model: str) -> bytes:
    """A DTB made by dtc."""
    source = f'/dts-v1/; / {{ model = "{model}"; compatible = "kit,{model.replace(" ", "-")}"; }};'
    return run("dtc", "-q", "-O", "dtb", data=source.encode())


@functools.cache
def efi_program(mark: str = "") -> bytes:
    """A PE32+ program for arm64 with one section and an SBAT line for `mark`."""
    program = pe_kit.efi_program()
    if not mark:
        return program
    sbat = f"sbat,1,SBAT Version,sbat,1,https://github.com/rhboot/shim\n{mark},1,kit,{mark},1,none\n"
    return add_sections(program, [NewSection(".sbat", sbat.encode())], "kit")


def uki(name: str, arguments: str, release: str, *, tree: str = "") -> bytes:
    """A unified kernel image with a kernel and an initramfs of that name."""
    sections = [
        NewSection(".osrel", release.encode()),
        NewSection(".cmdline", arguments.encode()),
        NewSection(".uname", f"6.18.5-{name}".encode()),
        NewSection(".initrd", initramfs(name)),
        NewSection(".linux", kernel(name)),
    ]
    if tree:
        sections.insert(0, NewSection(".dtb", devicetree(tree)))
    return add_sections(efi_program(), sections, "kit")


def os_release(version: str, *, id_: str = "kit", image_version: str = "") -> str:
    """os-release of a system; `image_version` is IMAGE_VERSION."""
    more = f"IMAGE_VERSION={image_version}\n" if image_version else ""
    return f'ID={id_}\nNAME="Kit"\nPRETTY_NAME="Kit {version}"\nVERSION_ID={version}\n{more}'


def u_boot() -> bytes:
    """Enough of a U-Boot for what looks at it: its banner."""
    return b"\x00" * 512 + b"U-Boot 2024.10 (Oct 07 2024 - 14:54:35 +0000)\0" + b"\x00" * 2048


def script_image(text: str) -> bytes:
    """boot.scr as `mkimage -T script` makes it (include/image.h, U-Boot 2024.10)."""
    body = struct.pack(">II", len(text), 0) + text.encode()
    head = struct.pack(
        ">7I4B32s", 0x27051956, 0, 0, len(body), 0, 0, zlib.crc32(body), 5, 22, 6, 0, b"kit script"
    )
    crc = zlib.crc32(head)
    return head[:4] + struct.pack(">I", crc) + head[8:] + body


def grubenv(**values: str) -> bytes:
    """GRUB's environment block: 1024 bytes, filled up with `#`."""
    text = "# GRUB Environment Block\n" + "".join(f"{key}={value}\n" for key, value in values.items())
    return text.encode().ljust(1024, b"#")


def disk(path: Path, partitions: Sequence[Partition], *, scheme: str = "gpt", size: int = 8) -> Path:
    """A disk image with the partitions, `size` MiB each."""
    with path.open("wb") as file:
        file.truncate((size * len(partitions) + 2) << 20)
    lines = [f"label: {scheme}"]
    for number, partition in enumerate(partitions):
        line = f"start={(1 + number * size) << 11}, size={size << 11}, type={partition.type}"
        line += f', name="{partition.label}"' if scheme == "gpt" else ""
        if partition.flag:
            line += f", attrs={partition.flag}" if scheme == "gpt" else ", bootable"
        lines.append(line)
    run("sfdisk", "-q", "--no-tell-kernel", path, data="\n".join([*lines, ""]).encode())
    for number, partition in enumerate(partitions):
        part = path.with_suffix(f".{number}")
        _file_system(part, partition, size << 20)
        with path.open("r+b") as file:
            file.seek((1 + number * size) << 20)
            file.write(part.read_bytes())
        part.unlink()
    return path


def folder(path: Path, files: Files) -> Path:
    """The files below a folder."""
    for name, content in files.items():
        place = path / name.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content.encode() if isinstance(content, str) else content)
    path.mkdir(exist_ok=True)
    return path


def _file_system(path: Path, partition: Partition, size: int) -> None:
    tree = folder(path.with_suffix(".tree"), partition.files)
    with path.open("wb") as file:
        file.truncate(size)
    if partition.filesystem == "vfat":
        run("mkfs.vfat", "-F", "12" if size < 64 << 20 else "32", "-n", partition.label[:11].upper(), path)
        for source in sorted(tree.iterdir()):
            run("mcopy", "-s", "-i", path, source, "::/")
    else:
        run("mkfs.ext4", "-q", "-O", "^has_journal", "-d", tree, path)
    shutil.rmtree(tree)


def run(*command: str | Path, data: bytes | None = None) -> bytes:
    """Run a tool; fails with what it printed."""
    where = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))
    program = shutil.which(str(command[0]), path=where)
    assert program, f"{command[0]} is not installed"
    done = subprocess.run(
        [program, *map(str, command[1:])],
        input=data,
        capture_output=True,
        check=False,
        env={**os.environ, "LC_ALL": "C.UTF-8", "MTOOLS_SKIP_CHECK": "1"},
    )
    assert done.returncode == 0, f"{command}: {done.stderr.decode() or done.stdout.decode()}"
    return done.stdout
