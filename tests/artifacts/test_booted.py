from __future__ import annotations

from pathlib import Path

import pytest
from talos_kit import ARGUMENTS, Talos, initramfs, kernel, talos_image

from bootwright.artifacts.booted import boot_of
from bootwright.artifacts.explore import Explorer
from bootwright.foundation.errors import Missing


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOOTWRIGHT_CACHE", str(tmp_path_factory.mktemp("cache")))


def test_what_a_talos_image_boots(tmp_path: Path) -> None:
    image = talos_image(tmp_path / "a")
    boot = boot_of(Explorer().artifact(str(image)))
    assert boot.kernel.name == "/A/vmlinuz"
    assert boot.entry is not None
    assert boot.entry.title == "A - Talos v1.12.1"
    assert boot.arguments == ARGUMENTS
    assert boot.initramfs is not None
    assert boot.initramfs.name == "/A/initramfs.xz"
    assert boot.modules is not None
    assert boot.modules.fact("modules") == 3
    assert boot.os["VERSION_ID"] == "v1.12.1"
    assert boot.config is not None
    assert [each.name for each in boot.devicetrees] == ["/bcm2712-rpi-5-b.dtb"]


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


def test_without_a_kernel_there_is_nothing_to_boot(tmp_path: Path) -> None:
    (tmp_path / "initramfs.xz").write_bytes(initramfs(tmp_path, Talos()))
    with pytest.raises(Missing, match="holds no arm64 kernel"):
        boot_of(Explorer().artifact(str(tmp_path / "initramfs.xz")))
