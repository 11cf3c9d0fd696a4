from __future__ import annotations

from pathlib import Path

import pytest
from chain_kit import os_release, uki
from talos_kit import ARGUMENTS, Talos, devicetree, initramfs, kernel, talos_image

from bootwright.foundation.errors import Missing, Refused
from bootwright.inspect.booted import boot_of
from bootwright.inspect.explore import Explorer


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
    assert [blob.name for blob in boot.devicetrees] == ["/bcm2712-rpi-5-b.dtb"]


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
    menu = boot_of(Explorer().artifact(str(boot)))
    assert menu.kernel.fact("release") == "6.18.5"
    assert menu.arguments == "one=B"
    assert [other.fact("release") for other in menu.others] == ["6.12.1"]
    (boot / "grub" / "grub.cfg").write_text(f"set default=0\n{entries}")
    assert boot_of(Explorer().artifact(str(boot))).kernel.fact("release") == "6.12.1"


def test_without_a_kernel_there_is_nothing_to_boot(tmp_path: Path) -> None:
    (tmp_path / "initramfs.xz").write_bytes(initramfs(tmp_path, Talos()))
    with pytest.raises(Missing, match="holds no arm64 kernel"):
        boot_of(Explorer().artifact(str(tmp_path / "initramfs.xz")))


def boot_folder(tmp_path: Path, files: dict[str, str | bytes]) -> Path:
    for name, content in files.items():
        path = tmp_path / "boot" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return tmp_path / "boot"


OLD, NEW = kernel(Talos(release="6.12.1")), kernel(Talos(release="6.18.5"))


def entry(name: str, more: str = "") -> str:
    return f"title {name}\nlinux /{name}/vmlinuz\noptions one={name}\n{more}"


@pytest.mark.parametrize(
    ("files", "title", "unsure"),
    [
        # Without a default systemd-boot starts the newest version.
        ({"loader/entries/a.conf": entry("old"), "loader/entries/b.conf": entry("new")}, "new", False),
        (
            {
                "loader/entries/a.conf": entry("old", "version 9\n"),
                "loader/entries/b.conf": entry("new", "version 10\n"),
            },
            "new",
            False,
        ),
        (
            {
                "loader/entries/a.conf": entry("old"),
                "loader/entries/b.conf": entry("new"),
                "loader/loader.conf": "default a*\n",
            },
            "old",
            False,
        ),
        (
            {
                "loader/entries/a.conf": entry("old"),
                "loader/entries/b.conf": entry("new"),
                "loader/loader.conf": "default @saved\n",
            },
            "new",
            True,
        ),
        ({"config.txt": "arm_64bit=1\nkernel=old/vmlinuz\n"}, "config.txt: kernel=old/vmlinuz", False),
        ({"config.txt": "[pi5]\nkernel=new/vmlinuz\n"}, "config.txt: kernel=new/vmlinuz", True),
        ({"grub/grub.cfg": "blscfg\nset default=a\n", "loader/entries/a.conf": entry("old")}, "old", False),
        ({}, "", True),
    ],
)
def test_which_entry_is_started(
    tmp_path: Path, files: dict[str, str | bytes], title: str, unsure: bool
) -> None:
    folder = boot_folder(tmp_path, {"old/vmlinuz": OLD, "new/vmlinuz": NEW, **files})
    boot = boot_of(Explorer().artifact(str(folder)))
    assert (boot.title, bool(boot.unsure)) == (title, unsure)
    assert len(boot.others) == 1
    for name in ("old", "new"):
        if name in title:
            assert boot.kernel.name == f"/{name}/vmlinuz"


@pytest.mark.parametrize(("default", "version"), [("kit-9*", "9"), ("kit-10*", "10"), ("", "10")])
def test_of_several_ukis_the_system_is_that_of_the_chosen_one(
    tmp_path: Path, default: str, version: str
) -> None:
    files: dict[str, str | bytes] = {
        f"EFI/Linux/kit-{number}.efi": uki(number, "quiet", os_release(number)) for number in ("9", "10")
    }
    folder = boot_folder(tmp_path, {**files, "loader/loader.conf": f"default {default}\n" if default else ""})
    boot = boot_of(Explorer().artifact(str(folder)))
    assert boot.kernel.origin.where.endswith(f"kit-{version}.efi:.linux")
    assert boot.os["VERSION_ID"] == version


def test_of_two_root_file_systems_only_what_both_say_is_known(tmp_path: Path) -> None:
    files = {f"{root}/os-release": os_release(version) for root, version in (("etc", "1"), ("usr/lib", "2"))}
    boot = boot_of(Explorer().artifact(str(boot_folder(tmp_path, {"vmlinuz": NEW, **files}))))
    assert (boot.os["ID"], boot.os.get("VERSION_ID")) == ("kit", None)


def test_what_an_entry_hands_over_and_what_is_another_one_s(tmp_path: Path) -> None:
    text = "default two\nlabel one\n linux /old/vmlinuz\n initrd /old/initramfs.img\nlabel two\n"
    text += " linux /new/vmlinuz\n initrd /new/initramfs.img\n fdt /dtb/other.dtb\n append quiet\n"
    folders = {name: tmp_path / name for name in ("old", "new")}
    for folder in folders.values():
        folder.mkdir()
    folder = boot_folder(
        tmp_path,
        {
            "old/vmlinuz": OLD,
            "new/vmlinuz": NEW,
            "old/initramfs.img": initramfs(folders["old"], Talos(release="6.12.1", version="v1.11.0")),
            "new/initramfs.img": initramfs(folders["new"], Talos(version="v1.12.1")),
            "extlinux/extlinux.conf": text,
            "dtb/other.dtb": devicetree(Talos()),
            "sub/bcm2712-rpi-5-b.dtb": devicetree(Talos(phy=2)),
            "config.txt": "arm_64bit=1\n",
        },
    )
    root = Explorer().artifact(str(folder))
    boot = boot_of(root)
    assert (boot.title, boot.arguments, boot.os["VERSION_ID"]) == ("two", "quiet", "v1.12.1")
    assert boot.devicetree is not None
    assert boot.devicetree.name == "/dtb/other.dtb"
    other = boot_of(root, "one")
    assert other.os["VERSION_ID"] == "v1.11.0"
    assert other.devicetree is None
    assert [str(module_tree.fact("release")) for module_tree in other.module_trees] == ["6.12.1"]
    with pytest.raises(Refused, match="no boot entry"):
        boot_of(root, "three")
