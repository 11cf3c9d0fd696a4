"""Debian's own kernels, from the archive that this machine's apt uses. Cached, they need no network."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from bootwright.formats.kernel import builtin_drivers as kernel_drivers
from bootwright.formats.kernel.arm64_image import read_kernel_image
from bootwright.formats.kernel.builtin_drivers import read_built_in
from bootwright.formats.kernel.config import read_kernel_config
from bootwright.formats.kernel.driver_scan import Scan
from bootwright.formats.kernel.kallsyms import Symbols, read_symbols
from bootwright.formats.kernel.relocations import relocated
from bootwright.formats.modules.modinfo import read_module
from bootwright.formats.sources.bytesource import FileBytes
from bootwright.foundation import tools
from bootwright.kernels.catalogue import open_library

pytestmark = pytest.mark.download


@pytest.mark.parametrize(
    ("name", "pages", "gem"), [("debian-6.12-4k", 4096, "m"), ("debian-6.12-16k", 16384, "m")]
)
def test_front_of_a_real_package(name: str, pages: int, gem: str) -> None:
    kernel = open_library().get(name)
    facts = read_kernel_image(FileBytes(kernel.image))
    assert facts.page_size == kernel.page_size == pages
    assert facts.release == kernel.release
    assert kernel.release.startswith(f"{kernel.version}+deb")
    assert facts.efi_stub
    assert kernel.config is not None
    config = read_kernel_config(FileBytes(kernel.config))
    assert (config.page_size, config.value("CONFIG_MACB")) == (pages, gem)
    assert kernel.provenance["verified"]


@pytest.mark.parametrize(
    ("name", "release", "pages"),
    [
        ("debian-6.1-4k", r"6\.1\.0-\d+-arm64", 4096),
        ("debian-6.1-4k-cloud", r"6\.1\.0-\d+-cloud-arm64", 4096),
        ("debian-6.1-4k-rt", r"6\.1\.0-\d+-rt-arm64", 4096),
        ("debian-6.12-4k-cloud", r"6\.12\.\d+\+deb13-cloud-arm64", 4096),
        ("debian-6.12-4k-rt", r"6\.12\.\d+\+deb13-rt-arm64", 4096),
        ("debian-7.3-4k-cloud", r"7\.3\.\d+\+deb13-cloud-arm64", 4096),
    ],
)
def test_flavours_and_releases_that_name_an_abi(name: str, release: str, pages: int) -> None:
    """Each is read as far as its built-in drivers, whose buses' own must be among them."""
    kernel = open_library().get(name)
    facts = read_kernel_image(FileBytes(kernel.image))
    assert re.fullmatch(release, kernel.release)
    assert facts.version == str(kernel.version)  # of the banner, and of the package
    assert kernel.config is not None
    config = read_kernel_config(FileBytes(kernel.config))
    assert config.page_size == facts.page_size == pages
    assert (config.value("CONFIG_PREEMPT_RT") == "y") == name.endswith("-rt")
    built_in = read_built_in(kernel.image.read_bytes(), name)
    drivers = {driver.name: driver for driver in built_in.drivers}
    assert [entry.compatible for entry in drivers["pci-host-generic"].of][:2] == [
        "pci-host-cam-generic", "pci-host-ecam-generic"
    ]  # fmt: skip
    assert any(driver.amba for driver in built_in.drivers)
    assert drivers["of_fixed_clk"].calls == ("of_clk_add_hw_provider",) or drivers["of_fixed_clk"].of
    early = {(entry.kind, entry.compatible) for entry in built_in.early}
    assert {("clk", "fixed-clock"), ("timer", "arm,armv8-timer"), ("irqchip", "arm,gic-v3")} <= early


def test_built_in_drivers_are_those_of_the_packages_own_list() -> None:
    """modules.builtin names every module built in; what is found as a driver of one must be listed there."""
    for name in ("debian-6.1-4k", "debian-6.12-4k"):
        kernel = open_library().get(name)
        assert kernel.config is not None
        config = read_kernel_config(FileBytes(kernel.config))
        drivers = {driver.name for driver in read_built_in(kernel.image.read_bytes(), name).drivers}
        known = {
            "brcm-pcie": "CONFIG_PCIE_BRCMSTB",
            "bcm2835-mbox": "CONFIG_BCM2835_MBOX",
            "pinctrl-bcm2835": "CONFIG_PINCTRL_BCM2835",
            "macb": "CONFIG_MACB",
            "bcmgenet": "CONFIG_BCMGENET",
            "sdhci-iproc": "CONFIG_MMC_SDHCI_IPROC",
            "dwc2": "CONFIG_USB_DWC2",
            "of_serial": "CONFIG_SERIAL_OF_PLATFORM",
            "imx8mp-ccm": "CONFIG_CLK_IMX8MP",
        }
        for driver, option in known.items():
            assert (driver in drivers) == (config.value(option) == "y"), (name, driver, option)


@pytest.mark.parametrize("name", ["debian-6.12-4k", "debian-6.18-4k", "debian-7.3-4k-cloud"])
def test_drivers_found_by_form_are_those_found_by_name(name: str) -> None:
    """The symbols of data are taken away, as a kernel without KALLSYMS_ALL has it."""
    image = relocated(open_library().get(name).image.read_bytes()).image
    symbols = read_symbols(image, name)
    kept = [symbol for symbol in symbols if symbol[1] in "tTW"]
    functions = Symbols(
        [address for address, _, _ in kept],
        "".join(kind for _, kind, _ in kept),
        [symbol for _, _, symbol in kept],
        symbols.base,
    )
    by_name = kernel_drivers._drivers(image, symbols, Scan(image, symbols, name), name)
    by_form = kernel_drivers._drivers(image, functions, Scan(image, functions, name), name)
    assert len(by_name) > 100
    assert {(driver.name, driver.of, driver.pci, driver.amba) for driver in by_name} == {
        (shape.name, shape.of, shape.pci, shape.amba) for shape in by_form
    }


def test_modules_as_modinfo_reads_them() -> None:
    modinfo = tools.need("modinfo", purpose="be the oracle for what modules say of themselves")
    kernel = open_library().get("debian-6.18-4k", modules=True)
    assert kernel.modules is not None
    files = sorted(kernel.modules.rglob("*.ko*"))
    assert len(files) > 3000
    sample = [*files[::400], next(path for path in files if path.name.startswith("macb."))]
    for path in sample:
        module = read_module(path)
        for field in ("alias", "depends", "vermagic", "license", "firmware", "softdep"):
            said = subprocess.run([modinfo, "-F", field, path], capture_output=True, check=True, text=True)
            assert list(module.fields.get(field, ())) == said.stdout.splitlines(), f"{field} of {path}"
        assert module.vermagic is not None
        assert module.vermagic.split()[0] == kernel.release
        signer = subprocess.run([modinfo, "-F", "signer", path], capture_output=True, check=True, text=True)
        assert module.signed == bool(signer.stdout.strip())


def test_devicetree_blobs_come_with_the_modules() -> None:
    kernel = open_library().get("debian-6.18-4k", modules=True)
    assert kernel.dtbs is not None
    assert Path(kernel.dtbs, "broadcom/bcm2712-rpi-5-b.dtb").read_bytes()[:4] == b"\xd0\x0d\xfe\xed"
