"""`check` of an image with several boot entries, and modules in the initramfs and in a root inside it."""

from __future__ import annotations

import json
import lzma
import shutil
import tarfile
from functools import cache
from pathlib import Path
from typing import Any

import pe_kit
import pytest
from click.testing import CliRunner

from bootwright.cli.main import main
from bootwright.foundation import tools
from bootwright.foundation.errors import Missing, Refused
from bootwright.images.write.uki import NewSection, add_sections
from bootwright.inspect.booted import boot_of
from bootwright.inspect.explore import Explorer
from bootwright.kernels.catalogue import open_library
from bootwright.kernels.model import Kernel
from bootwright.predict.api import dtb_for

ETHERNET = ("macb", "phylink", "broadcom", "bcm-phy-lib", "bcm-phy-ptp", "irq-bcm2712-mip", "rp1-pci")
MORE = ("clk-rp1", "pinctrl-rp1")


@cache
def kernel(name: str) -> Kernel:
    try:
        return open_library().get(name, modules=True)
    except (Missing, Refused) as error:
        pytest.skip(f"{name}: {error}")


def initramfs(folder: Path, of: Kernel, early: tuple[str, ...], root: tuple[str, ...], version: str) -> bytes:
    """A cpio with some modules of its own and a squashfs root that has others."""
    assert of.modules is not None
    files = {path.name.partition(".")[0]: path for path in of.modules.rglob("*.ko.xz")}
    for place, names in ((folder / "early", early), (folder / "root", root)):
        tree = place / "usr" / "lib" / "modules" / of.release / "kernel"
        tree.mkdir(parents=True)
        for name in names:
            if name in files:
                (tree / files[name].name).write_bytes(files[name].read_bytes())
    release = folder / "root" / "usr" / "lib" / "os-release"
    release.write_text(f"ID=talos\nVERSION_ID={version}\n")
    (folder / "early" / "init").write_bytes(b"\x7fELF")
    image = folder / "early" / "rootfs.sqsh"
    tools.run(["mksquashfs", folder / "root", image, "-noappend", "-quiet", "-no-progress"])
    names = "\n".join(str(path.relative_to(folder / "early")) for path in (folder / "early").rglob("*"))
    packed = tools.run(
        ["cpio", "-o", "-H", "newc", "--quiet", "-D", folder / "early"], input_bytes=names.encode()
    )
    return lzma.compress(packed, check=lzma.CHECK_CRC32, preset=0)


@pytest.fixture(scope="module")
def two_slots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Like Talos after an update: A is started and newer; each slot has its own initramfs."""
    new, old = kernel("debian-6.18-4k"), kernel("debian-6.12-4k")
    folder = tmp_path_factory.mktemp("slots")
    tree = folder / "image"
    for slot, stored_kernel, early, root, version in (
        ("A", new, ("loop",), (*ETHERNET, *MORE), "v1.12.1"),
        ("B", old, ("loop",), ETHERNET, "v1.11.0"),
    ):
        (tree / slot).mkdir(parents=True)
        shutil.copyfile(
            stored_kernel.image, tree / slot / "vmlinuz"
        )  # links out of a folder are not followed
        (tree / slot / "initramfs.xz").write_bytes(
            initramfs(folder / slot, stored_kernel, early, root, version)
        )
    (tree / "grub").mkdir()
    entries = "".join(
        f'menuentry "{slot} - Talos" {{\n linux /{slot}/vmlinuz one=1\n initrd /{slot}/initramfs.xz\n}}\n'
        for slot in "AB"
    )
    (tree / "grub" / "grub.cfg").write_text(f'set default="A - Talos"\nset fallback="B - Talos"\n{entries}')
    (tree / "config.txt").write_text("kernel=u-boot.bin\n")
    blob = dtb_for(new, "raspberrypi-5")
    (tree / blob.name).write_bytes(blob.read_bytes())
    path = folder / "two.tar"
    with tarfile.open(path, "w") as archive:
        archive.add(tree, arcname="")
    return path


def check(*arguments: str) -> Any:  # noqa: ANN401 - JSON
    result = CliRunner().invoke(
        main, ["check", *arguments, "--board", "raspberrypi-5", "--stepping", "c0", "--json", "-q"]
    )
    assert result.exit_code in {0, 1, 3}, result.output
    return json.loads(result.stdout)


@pytest.mark.download
def test_modules_of_the_root_inside_the_initramfs_count_beside_its_own(two_slots: Path) -> None:
    document = check(str(two_slots), "--goal", "ethernet")
    ethernet = document["goals"]["ethernet"]
    assert ethernet["verdict"] == "works", ethernet["first_broken"]
    drivers = {link["link"]: link["evidence"] for link in ethernet["chain"]}
    assert "initramfs: macb" in drivers["driver macb"]
    assert any("'A - Talos'" in note and "'B - Talos'" in note for note in document["notes"])


@pytest.mark.download
def test_the_other_entry_is_checked_with_its_own_kernel_modules_and_system(two_slots: Path) -> None:
    document = check(str(two_slots), "--entry", "B", "--goal", "ethernet", "--goal", "os-mounts")
    assert document["goals"]["ethernet"]["first_broken"]["reason"].endswith("brcm,bcm2712-pcie")
    assert document["goals"]["os-mounts"]["verdict"] == "works"  # Talos 1.11 clones from a path
    boot = boot_of(Explorer().artifact(str(two_slots)), "B")
    assert boot.os["VERSION_ID"] == "v1.11.0"
    assert str(boot.kernel.fact("release")).startswith("6.12")
    with pytest.raises(Refused, match="no boot entry 'C'"):
        boot_of(Explorer().artifact(str(two_slots)), "C")


@pytest.mark.download
def test_a_folder_with_a_boot_loader_s_configuration_is_read_as_an_image(two_slots: Path) -> None:
    document = check(str(two_slots.parent / "image"), "--entry", "B - Talos", "--goal", "ethernet")
    assert document["goals"]["ethernet"]["first_broken"]["reason"].endswith("brcm,bcm2712-pcie")


def uki(path: Path, of: Kernel, *trees: tuple[str, Path]) -> Path:
    """A unified kernel image with sections of devicetrees."""
    assert of.image is not None
    sections = [NewSection(".osrel", b"ID=kit\nNAME=Kit\n"), NewSection(".linux", of.image.read_bytes())]
    sections += [NewSection(name, tree.read_bytes()) for name, tree in trees]
    path.write_bytes(add_sections(pe_kit.efi_program(), sections, "kit"))
    return path


@pytest.mark.download
def test_of_several_devicetrees_the_stub_takes_the_one_of_the_board(tmp_path: Path) -> None:
    of = kernel("debian-6.18-4k")
    four, five = dtb_for(of, "raspberrypi-4"), dtb_for(of, "raspberrypi-5", "c0")
    image = uki(tmp_path / "kit.efi", of, (".dtb", five), (".dtbauto", four), (".dtbauto", five))
    for board, section in (("raspberrypi-4", ".dtbauto"), ("raspberrypi-5", ".dtbauto#2")):
        judged = checked([str(image), "--modules", str(of.modules), "--board", board])
        assert Path(judged["dtb"]).name == section
        assert judged["goals"]["ethernet"]["verdict"] == "works"
    # Without one of the board's among them, what the UKI hands over in any case is taken.
    image = uki(tmp_path / "kit.efi", of, (".dtb", five), (".dtbauto", four))
    judged = checked([str(image), "--modules", str(of.modules), "--board", "raspberrypi-5"])
    assert Path(judged["dtb"]).name == ".dtb"
    image = uki(tmp_path / "kit.efi", of, (".dtbauto", four))
    judged = checked([str(image), "--modules", str(of.modules), "--board", "raspberrypi-5"])
    ethernet = judged["goals"]["ethernet"]
    assert ethernet["verdict"] == "unknown"
    assert "none of the 1 devicetrees of .dtbauto" in ethernet["first_broken"]["reason"]


def checked(arguments: list[str]) -> dict[str, Any]:
    """The verdicts of a board; of several steppings, of c0."""
    result = CliRunner().invoke(main, ["check", *arguments, "--json"])
    document = json.loads(result.stdout)
    steppings: list[dict[str, Any]] = document.get("boards") or [document]
    return next((judged for judged in steppings if judged["stepping"] == "c0"), steppings[0])
