"""A change of an image by which something stops working is refused before the result has its name."""

from __future__ import annotations

import re
from pathlib import Path

import pe_kit
import pytest

from bootwright import api
from bootwright.foundation.errors import Refused
from bootwright.images.change.changes import Changes
from bootwright.images.change.edits import ArgumentEdit

PREDICT = Path(__file__).parents[2] / "src/bootwright/predict"
RECIPES = PREDICT.parent / "data/recipes"


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stand-in for Talos with GRUB, on a smaller disk and with the modules that matter."""
    folder = tmp_path_factory.mktemp("change")
    text = (RECIPES / "talos-standin-grub.toml").read_text().replace('"2000 MiB"', '"320 MiB"')
    text = "".join(line for line in text.splitlines(keepends=True) if not line.startswith('  "drivers/'))
    (folder / "small.toml").write_text(text)
    return api.compose_image(folder / "small.toml", folder / "talos.raw").image


@pytest.mark.download
@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        ("+debugfs=off", r"^os-start works, and would not any more: .*\(here: debugfs=off\)"),
        ("+efi=noruntime", r"^os-start works, and would not any more: .*efivarfs"),
        ("+module_blacklist=macb", r"^ethernet on Raspberry Pi 5 c0 works, .*forbid the module macb"),
    ],
)
def test_what_stops_working_is_refused_with_the_way_on(
    image: Path, tmp_path: Path, edit: str, expected: str
) -> None:
    with pytest.raises(Refused, match=expected) as caught:
        api.swap_image(image, tmp_path / "new.raw", cmdline=edit, board="raspberrypi-5")
    assert caught.value.hint is not None
    assert caught.value.hint.endswith("write it all the same: --any-result")
    assert not list(tmp_path.iterdir())
    api.swap_image(image, tmp_path / "new.raw", cmdline=edit, any_result=True)


@pytest.mark.download
def test_without_a_board_every_board_of_the_image_counts(image: Path, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="no driver for brcm,bcm2712-pcie"):
        api.swap_image(image, tmp_path / "old.raw", kernel="debian-6.12.107-4k")
    made = api.swap_image(image, tmp_path / "new.raw", cmdline="+fw_devlink=on")
    # What failed before is said, and is no reason to refuse.
    assert any(note.startswith("fails as before: ") and "d0" in note for note in made.notes)


@pytest.mark.download
def test_what_a_result_that_boots_nothing_lacks_is_said(image: Path, tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"^BOOT:/grub/grub.cfg starts /A/vmlinuz, which is not there"):
        api.swap_image(image, tmp_path / "none.raw", remove="BOOT:/A/vmlinuz")


@pytest.mark.download
def test_a_program_that_is_no_boot_loader_does_not_take_ones_place(image: Path, tmp_path: Path) -> None:
    (tmp_path / "new.efi").write_bytes(pe_kit.efi_program())
    place = "EFI:/EFI/BOOT/BOOTAA64.EFI"
    with pytest.raises(Refused, match=rf"^{place} is GRUB, and would be no boot loader that is recognised"):
        api.swap_image(image, tmp_path / "new.raw", files={place: tmp_path / "new.efi"})


@pytest.mark.download
def test_without_a_devicetree_the_systems_own_needs_are_judged(image: Path, tmp_path: Path) -> None:
    trees = [f"EFI:/{name}.dtb" for name in ("bcm2712-rpi-5-b", "bcm2712-d-rpi-5-b")]
    bare = api.swap_image(image, tmp_path / "bare.raw", remove=trees, any_result=True).image
    with pytest.raises(Refused, match=r"^os-mounts works, and would not any more: open_tree"):
        api.swap_image(bare, tmp_path / "old.raw", kernel="debian-6.12.107-4k")
    made = api.swap_image(bare, tmp_path / "more.raw", cmdline="+debugfs=on", board="raspberrypi-5")
    assert any(
        note.startswith("not judged for Raspberry Pi 5, as the image has no devicetree")
        and note.endswith("bootwright check IMAGE DEVICETREE --board raspberrypi-5")
        for note in made.notes
    )


@pytest.mark.download
def test_modules_that_what_fails_lacks_are_named_all_at_once(image: Path, tmp_path: Path) -> None:
    """A remedy names the first that is missing; what comes behind it is missing too."""
    swapped = {"kernel": "debian-6.18.15-16k", "board": "raspberrypi-5"}
    made = api.swap_image(image, tmp_path / "new.raw", **swapped)
    notes = [note for note in made.notes if "would work with more of the kernel's modules" in note]
    assert len(notes) == 1
    assert notes[0].startswith("storage on Raspberry Pi 5 c0, usb on Raspberry Pi 5 c0 would work")
    names = re.findall(r"--add-module (\w+)", notes[0])
    assert {"gpio_brcmstb", "gpio_regulator"} <= set(names)
    made = api.swap_image(image, tmp_path / "all.raw", **swapped, add_modules=names)
    assert not [note for note in made.notes if "c0" in note]


def test_every_argument_that_a_prediction_asks_for_is_known_to_decide() -> None:
    from bootwright.evidence.change import may_matter

    asked = {
        name
        for path in PREDICT.rglob("*.py")
        for name in re.findall(r"""\.(?:last|of)\("([a-z_.]+)"\)""", path.read_text())
    }
    assert {"root", "module_blacklist", "fw_devlink"} <= asked
    for name in sorted(asked | {"selinux", "debugfs", "efi"}):
        assert may_matter(Changes(arguments=(ArgumentEdit.parse(f"+{name}=x"),))), name
    assert not may_matter(Changes(arguments=(ArgumentEdit.parse("+initcall_debug"),)))
