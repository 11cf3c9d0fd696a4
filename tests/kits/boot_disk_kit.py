"""A disk that boots by itself: GRUB, a 16K kernel of Debian, and the guest's init, which prints KTAP."""

from __future__ import annotations

import stat
from pathlib import Path

from bootwright.formats.archives import cpio
from bootwright.foundation import tools
from bootwright.kernels.boot_parts import boot_part
from bootwright.kernels.catalogue import open_library
from bootwright.lab.probes.boot import _quick
from bootwright.lab.probes.initramfs import build
from bootwright.lab.probes.probe import init

# As probes are booted, but with the kernel's own lines.
ARGUMENTS = " ".join(
    ("console=ttyAMA0", "panic=-1", *(word for word in _quick(modules=False) if word != "quiet"))
)


def boot_disk(folder: Path) -> Path:
    """As a boot loader finds them on a card; made in `folder`."""
    kernel = open_library().get("debian-6.12-16k")
    archive, _ = build(init(), [cpio.Member("here", b"", stat.S_IFREG | 0o644)])
    grub = boot_part("grub-arm64-efi").folder
    (folder / "early.cfg").write_text(
        "search --no-floppy --set=root --label BWTEST\nset prefix=($root)/grub\n"
    )
    (folder / "grub.cfg").write_text(
        f"linux /vmlinuz {ARGUMENTS} bootwright.probe=mounts bootwright.mark=bw1\ninitrd /initrd\nboot\n"
    )
    loader = folder / "BOOTAA64.EFI"
    modules = ["part_gpt", "fat", "normal", "configfile", "search", "search_label", "linux", "boot", "gzio"]
    tools.run(
        ["grub-mkimage", "-O", "arm64-efi", "-d", grub, "-p", "/grub", "-c", folder / "early.cfg",
         "-o", loader, *modules]
    )  # fmt: skip
    part, disk = folder / "part.img", folder / "disk.img"
    with part.open("wb") as file:
        file.truncate(96 << 20)
    tools.run(["mkfs.vfat", "-F", "32", "-n", "BWTEST", part])
    tools.run(["mmd", "-i", part, "::/EFI", "::/EFI/BOOT", "::/grub"])
    for source, target in (
        (loader, "EFI/BOOT/BOOTAA64.EFI"),
        (folder / "grub.cfg", "grub/grub.cfg"),
        (kernel.image, "vmlinuz"),
        (archive, "initrd"),
    ):
        tools.run(["mcopy", "-i", part, source, f"::/{target}"])
    with disk.open("wb") as file:
        file.truncate(100 << 20)
    tools.run(
        ["sfdisk", "--quiet", "--no-tell-kernel", disk],
        input_bytes=b"label: gpt\nstart=2048, size=196608, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B\n",
    )
    tools.run(["dd", f"if={part}", f"of={disk}", "bs=1M", "seek=1", "conv=notrunc,sparse", "status=none"])
    return disk
