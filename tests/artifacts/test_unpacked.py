from __future__ import annotations

from pathlib import Path

import pytest
from talos_kit import ARGUMENTS, Talos, devicetree, initramfs, kernel, talos_image

from bootwright.artifacts.bytesource import FileBytes
from bootwright.artifacts.explore import Explorer
from bootwright.artifacts.kernel_config import read_kernel_config
from bootwright.artifacts.unpacked import boot_of, unpack
from bootwright.foundation.errors import Missing


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOOTWRIGHT_CACHE", str(tmp_path_factory.mktemp("cache")))


def test_what_a_talos_image_boots_becomes_files(tmp_path: Path) -> None:
    talos = Talos(config='CONFIG_MACB=m\nCONFIG_LOCALVERSION="-\\"x\\\\y"\n# CONFIG_GONE is not set\n')
    image = talos_image(tmp_path / "a", talos)
    root = Explorer().artifact(str(image))
    found = unpack(root)
    assert found.release == "6.18.5-talos"
    assert found.kernel.read_bytes() == kernel(talos)
    assert found.modules is not None
    assert sorted(path.name for path in found.modules.rglob("*") if path.is_file()) == [
        "irq-bcm2712-mip.ko.xz", "macb.ko.xz", "modules.builtin", "rp1-pci.ko.xz"
    ]  # fmt: skip
    assert found.dtbs is not None
    assert (found.dtbs / "bcm2712-rpi-5-b.dtb").read_bytes() == devicetree(talos)
    assert found.initramfs is not None
    assert found.initramfs.read_bytes()[:6] == b"\xfd7zXZ\0"
    assert found.config_txt is not None
    assert found.config_txt.read_text().startswith("kernel=u-boot.bin")
    assert found.boot.arguments == ARGUMENTS
    assert found.boot.os["VERSION_ID"] == "v1.12.1"
    assert found.config is not None
    config = read_kernel_config(FileBytes(found.config))
    assert config.value("CONFIG_LOCALVERSION") == '-"x\\y'
    assert config.value("CONFIG_PAGE_SHIFT") == "12"
    assert "CONFIG_GONE" in config.unset
    # The second time nothing is written.
    before = found.kernel.stat().st_ino
    assert unpack(Explorer().artifact(str(image))).kernel.stat().st_ino == before


def test_the_default_entry_of_the_menu_chooses_among_kernels(tmp_path: Path) -> None:
    boot = tmp_path / "boot"
    for name, release in (("A", "6.12.1"), ("B", "6.18.5")):
        (boot / name).mkdir(parents=True)
        (boot / name / "vmlinuz").write_bytes(kernel(Talos(release=release)))
    (boot / "grub").mkdir()
    entries = "".join(
        f"menuentry '{name}' {{\nlinux ($root)/{name}/vmlinuz one={name}\n}}\n" for name in "AB"
    )
    (boot / "grub" / "grub.cfg").write_text(f"set default=B\n{entries}")
    found = boot_of(Explorer().artifact(str(boot)))
    assert found.kernel.fact("release") == "6.18.5"
    assert found.arguments == "one=B"
    assert [each.fact("release") for each in found.others] == ["6.12.1"]
    (boot / "grub" / "grub.cfg").write_text(f"set default=0\n{entries}")
    assert boot_of(Explorer().artifact(str(boot))).kernel.fact("release") == "6.12.1"


def test_names_from_the_medium_stay_inside_the_folder(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "vmlinuz").write_bytes(kernel(Talos(release="6.1/../../../../evil")))
    found = unpack(Explorer().artifact(str(tmp_path / "root")))
    assert found.kernel.is_relative_to(found.folder)
    assert ".." not in found.kernel.relative_to(found.folder).parts


def test_without_a_kernel_there_is_nothing_to_boot(tmp_path: Path) -> None:
    (tmp_path / "initramfs.xz").write_bytes(initramfs(tmp_path, Talos()))
    with pytest.raises(Missing, match="holds no arm64 kernel"):
        unpack(Explorer().artifact(str(tmp_path / "initramfs.xz")))
