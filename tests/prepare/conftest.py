"""Images around a real kernel of the catalogue, with a devicetree as the Raspberry Pi's firmware has it."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from bootwright import api
from bootwright.foundation import tools
from bootwright.foundation.errors import Missing, Refused
from bootwright.foundation.places import DATA
from bootwright.kernels.catalogue import open_library
from bootwright.kernels.model import Kernel

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
    api.swap_image(standin, folder / "report.raw", dtbs=trees)
    return folder / "report.raw"
