"""Boot loaders and their configuration: GRUB made by grub-mkimage, systemd-boot, extlinux."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from pathlib import Path

from attrs import frozen

from bootwright.foundation import tools
from bootwright.foundation.errors import Missing, Refused
from bootwright.images.recipes.recipe import MAIN
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


@frozen
class MenuEntry:
    """One way to start."""

    id: str
    title: str
    arguments: tuple[str, ...]


def grub_config(
    entries: Sequence[MenuEntry], timeout: int, kernel: str, initramfs: str | None, *, default: str = MAIN
) -> str:
    """grub.cfg in the form Talos's installer writes; paths on GRUB's root.

    `default` is the id of the entry that starts by itself.
    """
    lines = [
        *(f"set default={_grub_word(entry.title)}" for entry in entries if entry.id == default),
        f"set timeout={timeout}",
        "",
        "insmod all_video",
        "",
        "terminal_input console",
        "terminal_output console",
        "",
    ]
    for entry in entries:
        lines += [
            f"menuentry {_grub_word(entry.title)} {{",
            "  set gfxmode=auto",
            "  set gfxpayload=text",
            f"  linux {' '.join((_grub_path(kernel), *map(grub_argument, entry.arguments)))}",
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
    entries: Sequence[MenuEntry],
    timeout: int,
    *,
    kernel: str,
    initramfs: str | None,
    trees: str | None,
    default: str = MAIN,
    devicetree: str | None = None,
    overlays: Sequence[str] = (),
) -> str:
    """extlinux.conf (U-Boot 2024.10, doc/README.pxe), whose time-out is in tenths.

    `trees` is the folder of blobs that U-Boot picks from by its board; `devicetree` is one blob instead.
    """
    lines = [
        *(f"default {_extlinux_label(entry.title)}" for entry in entries if entry.id == default),
        f"timeout {timeout * 10}",
    ]
    for entry in entries:
        for text in (entry.title, *entry.arguments):
            _printable(text)
        lines += [
            "",
            f"label {_extlinux_label(entry.title)}",
            f"  menu label {entry.title}",
            f"  kernel {kernel}",
            *([f"  initrd {initramfs}"] if initramfs else []),
            *([f"  fdt {devicetree}"] if devicetree else [f"  fdtdir {trees}"] if trees else []),
            *([f"  fdtoverlays {' '.join(overlays)}"] if overlays else []),
            *([f"  append {' '.join(entry.arguments)}"] if entry.arguments else []),
        ]
    return "\n".join(lines) + "\n"


def _extlinux_label(title: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", title) or "linux"


def loader_config(timeout: int, default: str | None = None) -> str:
    """systemd-boot's loader.conf (systemd 257, loader.conf(5)); `default` is an entry's id."""
    chosen = f"default {default}\n" if default else ""
    return f"timeout {timeout}\n{chosen}console-mode keep\n"
