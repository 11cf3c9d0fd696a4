"""A small image laid out like Talos's for the Raspberry Pi 5, with made-up content, made without root."""

from __future__ import annotations

import lzma
import struct
import subprocess
from pathlib import Path

from attrs import define
from disk_kit import make_disk, make_fat, make_xfs, run, tool

ESP = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
BIOS = "21686148-6449-6E6F-744E-656564454649"
LINUX = "0FC63DAF-8483-4772-8E79-3D69D8477DE4"

CONFIG_TXT = "kernel=u-boot.bin\narm_64bit=1\nenable_uart=1\n[pi5]\nenable_uart=0\n[all]\n"
ARGUMENTS = "talos.platform=metal console=tty0 console=ttyAMA10,115200 slab_nomerge= pti=on"


@define
class Talos:
    """What may differ from one image to the next."""

    release: str = "6.18.5-talos"
    page_flag: int = 1
    """arm64 Image flags, bits 1-2: 1 for 4K, 2 for 16K."""
    version: str = "v1.12.1"
    config_txt: str = CONFIG_TXT
    arguments: str = ARGUMENTS
    modules: tuple[str, ...] = ("macb", "rp1-pci", "irq-bcm2712-mip")
    firmware: tuple[str, ...] = ("brcm/brcmfmac.bin",)
    config: str = "CONFIG_MACB=m\nCONFIG_BCM2712_MIP=m\n# CONFIG_PINCTRL_BCM2712 is not set\n"
    phy: int = 1
    model: str = "Raspberry Pi 5 Model B"


def kernel(talos: Talos) -> bytes:
    """An arm64 Image's header and the two things that are looked for inside: banner and configuration."""
    import gzip

    head = (
        struct.pack("<IIQQQ", 0, 0, 0, 0x200000, talos.page_flag << 1 | 8) + bytes(24) + b"ARM\x64" + bytes(4)
    )
    banner = f"Linux version {talos.release} (builder@host) (gcc 14.2.0) #1 SMP\n".encode() + b"\0"
    shift = {1: 12, 2: 14, 3: 16}[talos.page_flag]
    text = f"{talos.config}CONFIG_PAGE_SHIFT={shift}\nCONFIG_64BIT=y\n"
    config = gzip.compress(text.encode(), mtime=0)
    return head + bytes(4096) + banner + b"IKCFG_ST" + config + b"IKCFG_ED" + bytes(60000)


def devicetree(talos: Talos) -> bytes:
    source = f"""/dts-v1/;
/ {{
    #address-cells = <2>; #size-cells = <1>;
    model = "{talos.model}";
    compatible = "raspberrypi,5-model-b", "brcm,bcm2712";
    ethernet: ethernet@100000 {{
        compatible = "raspberrypi,rp1-gem";
        reg = <0 0x100000 0x4000>;
        phy-handle = <&phy>;
        mdio {{
            #address-cells = <1>; #size-cells = <0>;
            phy: ethernet-phy@{talos.phy:x} {{ reg = <{talos.phy}>; }};
        }};
    }};
}};
"""
    return subprocess.run(
        [tool("dtc"), "-q", "-@", "-O", "dtb"], input=source.encode(), capture_output=True, check=True
    ).stdout


def rootfs(folder: Path, talos: Talos) -> Path:
    modules = folder / "usr" / "lib" / "modules" / talos.release
    (modules / "kernel").mkdir(parents=True)
    for name in talos.modules:
        (modules / "kernel" / f"{name}.ko.xz").write_bytes(name.encode() * 100)
    (modules / "modules.builtin").write_text("kernel/drivers/clk/clk-rp1.ko\n")
    for name in talos.firmware:
        path = folder / "usr" / "lib" / "firmware" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"firmware" * 64)
    (folder / "etc").mkdir()
    (folder / "usr" / "lib" / "os-release").write_text(
        f'NAME="Talos"\nID=talos\nVERSION_ID={talos.version}\nPRETTY_NAME="Talos ({talos.version})"\n'
    )
    (folder / "etc" / "os-release").symlink_to("../usr/lib/os-release")
    (folder / "sbin").symlink_to("usr/bin")
    return folder


def initramfs(folder: Path, talos: Talos) -> bytes:
    (folder / "initramfs").mkdir()
    rootfs(folder / "rootfs", talos)
    squashed = folder / "initramfs" / "rootfs.sqsh"
    run("mksquashfs", folder / "rootfs", squashed, "-comp", "zstd", "-noappend", "-quiet", "-no-progress")
    (folder / "initramfs" / "init").write_bytes(b"\x7fELF")
    command = [tool("cpio"), "-o", "-H", "newc", "--quiet"]
    packed = subprocess.run(
        command, cwd=folder / "initramfs", input=b"init\nrootfs.sqsh\n", capture_output=True, check=True
    )
    return lzma.compress(packed.stdout, check=lzma.CHECK_CRC32, preset=0)


def talos_image(folder: Path, talos: Talos | None = None) -> Path:
    """GPT with EFI (vfat), BIOS, BOOT (xfs) and META, as Talos's imager lays it out; 380 MB, sparse."""
    talos = talos or Talos()
    folder.mkdir(parents=True, exist_ok=True)
    esp = folder / "esp"
    (esp / "overlays").mkdir(parents=True)
    (esp / "config.txt").write_text(talos.config_txt)
    (esp / "u-boot.bin").write_bytes(b"u-boot" * 1000)
    (esp / "bcm2712-rpi-5-b.dtb").write_bytes(devicetree(talos))
    boot = folder / "boot"
    (boot / "A").mkdir(parents=True)
    (boot / "grub").mkdir()
    (boot / "A" / "vmlinuz").write_bytes(kernel(talos))
    (boot / "A" / "initramfs.xz").write_bytes(initramfs(folder, talos))
    title = f"A - Talos {talos.version}"
    lines = f"  linux /A/vmlinuz {talos.arguments}\n  initrd /A/initramfs.xz\n"
    menu = f'set default="{title}"\nset timeout=3\nmenuentry "{title}" {{\n{lines}}}\n'
    (boot / "grub" / "grub.cfg").write_text(menu)
    fat = make_fat(folder / "esp.img", esp, 32, 40 << 20, "-n", "EFI")
    xfs = make_xfs(folder / "boot.img", boot, "-L", "BOOT", "-i", "nrext64=1")
    image = make_disk(
        folder / "talos.raw",
        ((fat, ESP, "EFI", 40), (None, BIOS, "BIOS", 1), (xfs, LINUX, "BOOT", 320), (None, LINUX, "META", 1)),
    )
    fat.unlink()
    xfs.unlink()
    return image
