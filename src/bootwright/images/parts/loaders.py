"""Boot loaders and their configuration: GRUB made by grub-mkimage, systemd-boot, extlinux."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from pathlib import Path

from bootwright.foundation import tools
from bootwright.foundation.errors import Missing, Refused
from bootwright.kernels.boot_parts import Unpacked

# What a Talos menu needs: partition tables, both file systems, the menu, the loader of kernels, compression.
GRUB_MODULES = (
    "part_gpt", "part_msdos", "fat", "xfs", "ext2", "normal", "configfile", "search", "search_label",
    "search_fs_uuid", "linux", "echo", "test", "sleep", "reboot", "halt", "boot", "ls", "cat", "all_video",
    "gzio", "xzio", "zstd", "fdt", "minicmd", "loadenv", "regexp",
)  # fmt: skip

_PLAIN = re.compile(r"[A-Za-z0-9_.,:/=+@%~^-]+")


def grub_image(grub: Unpacked, label: str, config_path: str, work: Path) -> Path:
    """GRUB as one EFI program that finds its configuration on the file system labelled `label`.

    Raises `Missing` without grub-mkimage or where the package lacks a module.
    """
    program = tools.need("grub-mkimage", purpose="make GRUB's EFI program")
    modules = [name for name in GRUB_MODULES if (grub.folder / f"{name}.mod").is_file()]
    for needed in ("part_gpt", "normal", "linux", "search_label"):
        if needed not in modules:
            raise Missing(f"{grub.package} {grub.version} has no module {needed}", hint="use another version")
    folder = posixpath.dirname(config_path)
    early = work / "grub-early.cfg"
    early.write_text(f"search --no-floppy --set=root --label {label}\nset prefix=($root){folder}\n")
    output = work / "BOOTAA64.EFI"
    tools.run(
        [
            *(program, "-O", "arm64-efi", "-d", grub.folder, "-p", folder or "/", "-c", early, "-o", output),
            *modules,
        ]
    )
    return output


def grub_config(
    title: str, timeout: int, kernel: str, initramfs: str | None, arguments: Sequence[str]
) -> str:
    """grub.cfg with one entry, in the form Talos's installer writes (slot A); paths on GRUB's root."""
    lines = [
        f"set default={_grub_word(title)}",
        f"set timeout={timeout}",
        "",
        "insmod all_video",
        "",
        "terminal_input console",
        "terminal_output console",
        "",
        f"menuentry {_grub_word(title)} {{",
        "  set gfxmode=auto",
        "  set gfxpayload=text",
        f"  linux {' '.join((_grub_path(kernel), *map(grub_argument, arguments)))}",
        *([f"  initrd {_grub_path(initramfs)}"] if initramfs else []),
        "}",
    ]
    return "\n".join(lines) + "\n"


def grub_argument(text: str) -> str:
    """A kernel argument as one word of GRUB's language (manual 2.12, section 6.4 "Quoting")."""
    if _PLAIN.fullmatch(text):
        return text
    _printable(text)
    return "'" + text.replace("'", "'\\''") + "'"


def _grub_word(text: str) -> str:
    _printable(text)
    return '"' + re.sub(r'([\\"$])', r"\\\1", text) + '"'


def _grub_path(path: str) -> str:
    if not _PLAIN.fullmatch(path):
        raise Refused(
            f"{path!r} cannot be used as a path in a GRUB configuration", hint="use letters, digits and ._-/"
        )
    return path


def _printable(text: str) -> None:
    if not text.isprintable():
        raise Refused(
            f"{ascii(text)[:80]} cannot be used in a boot configuration: it has a control character"
        )


def extlinux_config(
    title: str,
    timeout: int,
    *,
    kernel: str,
    initramfs: str | None,
    arguments: Sequence[str],
    trees: str | None,
    devicetree: str | None = None,
    overlays: Sequence[str] = (),
) -> str:
    """extlinux.conf with one entry (U-Boot 2024.10, doc/README.pxe), whose time-out is in tenths.

    `trees` is the folder of blobs that U-Boot picks from by its board; `devicetree` is one blob instead.
    """
    for text in (title, *arguments):
        _printable(text)
    lines = [
        f"default {_extlinux_label(title)}",
        f"timeout {timeout * 10}",
        "",
        f"label {_extlinux_label(title)}",
        f"  menu label {title}",
        f"  kernel {kernel}",
        *([f"  initrd {initramfs}"] if initramfs else []),
        *([f"  fdt {devicetree}"] if devicetree else [f"  fdtdir {trees}"] if trees else []),
        *([f"  fdtoverlays {' '.join(overlays)}"] if overlays else []),
        *([f"  append {' '.join(arguments)}"] if arguments else []),
    ]
    return "\n".join(lines) + "\n"


def _extlinux_label(title: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", title) or "linux"


def loader_config(timeout: int) -> str:
    """systemd-boot's loader.conf (systemd 257, loader.conf(5))."""
    return f"timeout {timeout}\nconsole-mode keep\n"
