"""Images around a real kernel of the catalogue, with a devicetree as the Raspberry Pi's firmware has it."""

from __future__ import annotations

import stat
from functools import cache
from pathlib import Path, PurePosixPath

import pytest

from bootwright import api
from bootwright.formats.archives import cpio
from bootwright.foundation import tools
from bootwright.foundation.errors import Missing, Refused
from bootwright.foundation.places import DATA
from bootwright.kernels.catalogue import open_library
from bootwright.kernels.model import Kernel
from bootwright.kernels.modules import ModuleFiles

OWN, NEW = "debian-6.18-4k", "debian-7.3-4k"
C0, D0 = "bcm2712-rpi-5-b.dtb", "bcm2712-d-rpi-5-b.dtb"


@cache
def kernel(name: str) -> Kernel:
    try:
        return open_library().get(name, modules=True)
    except (Missing, Refused) as error:
        pytest.skip(f"{name}: {error}")


def vendor_style(source: Path, target: Path) -> Path:
    """The blob as the Raspberry Pi tree would have it: `rp1` a simple-bus, and the label clk_xosc."""
    text = tools.run(["dtc", "-q", "-I", "dtb", "-O", "dts", source]).decode()
    assert "rp1_nexus" in text
    text = text.replace('compatible = "pci1de4,1"', 'compatible = "simple-bus"')
    text = text.replace("rp1_nexus", "rp1").replace("clk_rp1_xosc", "clk_xosc")
    target.write_bytes(tools.run(["dtc", "-q", "-I", "dts", "-O", "dtb", "-"], input_bytes=text.encode()))
    return target


@pytest.fixture(scope="session")
def standin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stand-in for Talos of the recipes, on a smaller disk: hashing it takes a fifth."""
    own = kernel(OWN)
    kernel(NEW)
    folder = tmp_path_factory.mktemp("standin")
    text = (DATA / "recipes/talos-standin-grub.toml").read_text().replace('"2000 MiB"', '"320 MiB"')
    # Without the modules that only make up the number.
    text = "".join(line for line in text.splitlines(keepends=True) if not line.startswith('  "drivers/'))
    (folder / "small.toml").write_text(text.replace('from = "debian-6.18-4k"', f'from = "{own.name}"'))
    api.compose_image(folder / "small.toml", folder / "talos.raw")
    return folder / "talos.raw"


@pytest.fixture(scope="session")
def with_firmware_trees(standin: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with the devicetrees of the firmware, added by hand as in the report."""
    folder = tmp_path_factory.mktemp("firmware")
    own = kernel(OWN).dtbs
    assert own is not None
    trees = [vendor_style(next(own.rglob(name)), folder / name) for name in (C0, D0)]
    api.swap_image(standin, folder / "report.raw", dtbs=trees, any_result=True)
    return folder / "report.raw"


DEBIAN = """
title = "Debian for ROCK64"
[kernel]
from = "{kernel}"
[initramfs]
from = "initrd"
[dtbs]
from = "dtbs"
files = ["rockchip/rk3328-rock64.dtb"]
[cmdline]
arguments = ["root=LABEL=rootfs", "console=ttyS2,1500000"]
[loader]
kind = "extlinux"
[[partition]]
label = "BOOT"
type = "linux"
size = "96 MiB"
filesystem = "ext4"
[partition.files]
"/vmlinuz" = "kernel"
"/initrd.img" = "initramfs"
"/dtb/rockchip" = "dtbs"
"/extlinux/extlinux.conf" = "loader-config"
[[partition]]
label = "rootfs"
type = "linux"
size = "16 MiB"
filesystem = "ext4"
[partition.files]
"/" = "folder:root"
"""
_EARLY = ("dw_mmc_rockchip", "ext4", "dwmac_rk", "realtek", "fixed", "gpio_regulator", "rk808_regulator",
          "rk8xx_i2c", "i2c_rk3x", "gpio_rockchip", "pinctrl_rockchip")  # fmt: skip


@pytest.fixture(scope="session")
def debian(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Debian image for a ROCK64 whose devicetree has its Ethernet switched off."""
    own = kernel(OWN)
    assert own.modules is not None
    assert own.dtbs is not None
    folder = tmp_path_factory.mktemp("debian")
    modules = ModuleFiles(own.modules)
    members = [cpio.Member("init", b"#!/bin/sh\n", stat.S_IFREG | 0o755)]
    for path in modules.order([name for name in _EARLY if name in modules]):
        place = f"usr/lib/modules/{own.release}/{path.relative_to(own.modules)}"
        members += [cpio.folder(str(above)) for above in reversed(PurePosixPath(place).parents[:-1])]
        members.append(cpio.Member(place, path.read_bytes()))
    (folder / "initrd").write_bytes(tools.run(["zstd", "-q", "-c"], input_bytes=cpio.write(members)))
    (folder / "root/etc").mkdir(parents=True)
    (folder / "root/etc/os-release").write_text('ID=debian\nVERSION_ID="13"\n')
    old = folder / "root/usr/lib/modules/6.1.0-9-arm64"
    old.mkdir(parents=True)
    (old / "modules.dep").touch()
    (folder / "dtbs/rockchip").mkdir(parents=True)
    tree = folder / "dtbs/rockchip/rk3328-rock64.dtb"
    tree.write_bytes(next(own.dtbs.rglob(tree.name)).read_bytes())
    tools.run(["fdtput", "-t", "s", tree, "/ethernet@ff540000", "status", "disabled"])
    (folder / "debian.toml").write_text(DEBIAN.replace("{kernel}", own.name))
    api.compose_image(folder / "debian.toml", folder / "debian.img")
    return folder / "debian.img"
