"""External programs: found, or reported with what to install; run without a shell, bounded in time."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from bootwright.foundation.errors import ToolFailed, Unequipped

# mkfs, mkswap and their kin live where an ordinary user's PATH does not look.
_SYSTEM_DIRECTORIES = ("/usr/sbin", "/sbin", "/usr/local/sbin")

# Program → Debian package, for the hint; other distributions name them alike.
PACKAGES: Mapping[str, str] = {
    "qemu-system-aarch64": "qemu-system-arm",
    "mksquashfs": "squashfs-tools",
    "mkfs.ext4": "e2fsprogs",
    "mkswap": "util-linux",
    "gpgv": "gpgv",
    "git": "git",
    "dtc": "device-tree-compiler",
    "fdtoverlay": "device-tree-compiler",
    "fdtput": "device-tree-compiler",
    "aarch64-linux-gnu-gcc": "gcc-aarch64-linux-gnu",
    "aarch64-linux-gnu-ld": "binutils-aarch64-linux-gnu",
    "aarch64-linux-gnu-objcopy": "binutils-aarch64-linux-gnu",
    "depmod": "kmod",
    "mcopy": "mtools",
    "mmd": "mtools",
    "mdel": "mtools",
    "mkfs.vfat": "dosfstools",
    "fsck.vfat": "dosfstools",
    "mkfs.xfs": "xfsprogs",
    "xfs_db": "xfsprogs",
    "xfs_repair": "xfsprogs",
    "mkfs.btrfs": "btrfs-progs",
    "mke2fs": "e2fsprogs",
    "e2fsck": "e2fsprogs",
    "debugfs": "e2fsprogs",
    "unsquashfs": "squashfs-tools",
    "sqfstar": "squashfs-tools",
    "grub-mkimage": "grub-common",
    "xz": "xz-utils",
    "zstd": "zstd",
    "lz4": "lz4",
    "gzip": "gzip",
    "bzip2": "bzip2",
}


def find(name: str) -> Path | None:
    """The program `name`, or None."""
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), *_SYSTEM_DIRECTORIES))
    program = shutil.which(name, path=path)
    return Path(program) if program else None


def need(name: str, *, purpose: str) -> Path:
    """The program `name`; raises `Missing` saying what it is needed for and what to install."""
    program = find(name)
    if program is None:
        raise Unequipped(f"{name} is needed to {purpose}, and is not installed", hint=_hint(name))
    return program


def need_all(names: Sequence[str], *, purpose: str) -> None:
    """Raises `Missing` with every one of these programs that is not here, and what to install."""
    lacking = [name for name in dict.fromkeys(names) if find(name) is None]
    if len(lacking) > 1:
        listed = f"{', '.join(lacking[:-1])} and {lacking[-1]}"
        raise Unequipped(f"{listed} are needed to {purpose}, and are not installed", hint=_hint(*lacking))
    if lacking:
        need(lacking[0], purpose=purpose)


def _hint(*names: str) -> str:
    return f"install {' '.join(dict.fromkeys(PACKAGES.get(name, name) for name in names))}"


def run(
    command: Sequence[str | Path],
    *,
    timeout: float = 120.0,
    input_bytes: bytes | None = None,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    input_file: IO[bytes] | None = None,
    with_messages: bool = False,
) -> bytes:
    """Run `command` and return its stdout; raises `ToolFailed` with its stderr when it exits non-zero.

    A program named without a folder is looked for as `find` does; raises `Missing` when it is not there.
    `timeout` is in seconds. The locale is C, so that messages can be read by a program. `input_file` is read
    as stdin in place of `input_bytes`; `with_messages` returns what it says on stderr among its stdout.
    """
    tool = Path(command[0]).name
    program = find(tool) if str(command[0]) == tool else Path(command[0])
    if program is None:
        raise Unequipped(f"{tool} is needed, and is not installed", hint=_hint(tool))
    try:
        done = subprocess.run(
            [str(program), *(str(part) for part in command[1:])],
            input=input_bytes,
            stdin=(input_file or subprocess.DEVNULL) if input_bytes is None else None,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if with_messages else subprocess.PIPE,
            timeout=timeout,
            cwd=cwd,
            env={**os.environ, "LC_ALL": "C", **(env or {})},
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ToolFailed(tool, f"it did not finish within {timeout:.0f} s") from error
    except OSError as error:
        raise ToolFailed(tool, f"it could not be started: {error.strerror}") from error
    if done.returncode != 0:
        raise ToolFailed(tool, (done.stderr or done.stdout).decode(errors="replace")[-4000:])
    return done.stdout
