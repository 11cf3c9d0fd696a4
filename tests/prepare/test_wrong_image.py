"""Images that were not made for the board: for another architecture, or without what starts it there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from command_kit import in_process
from disk_kit import make_disk, make_fat
from pe_kit import efi_program

from bootwright import api
from bootwright.boards.model import board
from bootwright.foundation.errors import Refused
from bootwright.predict.given.blobs import Blob, Origin
from bootwright.predict.given.gathered import Gathered
from bootwright.prepare.condition import condition
from prepare.conftest import OWN, kernel

ESP = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
X86 = 0x8664


def disk_with(folder: Path, name: str, content: bytes) -> Path:
    """A disk whose EFI system partition has one program."""
    place = folder / "files" / name
    place.parent.mkdir(parents=True)
    place.write_bytes(content)
    part = make_fat(folder / "esp.img", folder / "files", 32, 40 << 20)
    return make_disk(folder / "disk.raw", [(part, ESP, "EFI", 44)])


@pytest.mark.parametrize("name", ["EFI/BOOT/BOOTX64.EFI", "EFI/Linux/talos.efi"])
def test_an_image_for_another_architecture_is_called_so(tmp_path: Path, name: str) -> None:
    image = disk_with(tmp_path, name, efi_program(X86))
    for command in ("check", "prepare"):
        done = in_process(command, str(image), "--board", "raspberrypi-5")
        assert done.returncode == 2
        assert "is for x86-64" in done.stderr
        assert "arm64 (aarch64) image" in done.stderr


def test_a_kernel_for_another_architecture_is_called_so(tmp_path: Path) -> None:
    (tmp_path / "bzImage").write_bytes(efi_program(X86))
    done = in_process("check", str(tmp_path / "bzImage"), "--board", "raspberrypi-5")
    assert done.returncode == 2
    assert "found a program for x86-64" in done.stderr


def test_verify_names_a_loader_of_another_architecture(tmp_path: Path) -> None:
    image = disk_with(tmp_path, "EFI/BOOT/BOOTX64.EFI", efi_program(X86))
    done = in_process("image", "verify", str(image))
    assert done.returncode == 1
    assert "BOOTX64.EFI is for x86-64" in done.stdout


def test_no_image_for_arm64_is_refused_for_its_other_programs(tmp_path: Path) -> None:
    image = disk_with(tmp_path, "EFI/BOOT/BOOTX64.EFI", efi_program(X86))
    with pytest.raises(Refused, match="x86-64"):
        api.check(str(image), boards="raspberrypi-5")
    (tmp_path / "files/EFI/BOOT/BOOTAA64.EFI").write_bytes(efi_program())
    both = make_fat(tmp_path / "both.img", tmp_path / "files", 32, 40 << 20)
    done = in_process("check", str(both), "--board", "raspberrypi-5")
    assert "x86-64" not in done.stderr


@pytest.mark.parametrize("label", ["gpt", "dos"])
def test_what_the_board_must_hold_follows_from_what_the_image_lacks(tmp_path: Path, label: str) -> None:
    image = make_disk(tmp_path / "disk.raw", [(None, ESP if label == "gpt" else "0c", "EFI", 4)], label=label)
    rock, pi = board("rock-5b"), board("raspberrypi-5")
    tree = Blob("rk3588-rock-5b.dtb", tmp_path / "rk3588-rock-5b.dtb", Origin.GIVEN)
    bare, handed = Gathered(None, ()), Gathered(None, (tree,))
    assert "no boot loader for Radxa ROCK 5B" in condition(bare, rock, image)
    assert "no boot loader and no devicetree" in condition(handed, rock, image)
    assert "hands over rk3588-rock-5b.dtb" in condition(handed, rock, image)
    assert condition(bare, pi, image) == ""
    assert condition(bare, rock, "https://example.org/disk.raw") == ""
    with image.open("r+b") as file:  # a boot loader where the processor's ROM looks for it
        file.seek(64 * 512)
        file.write(b"RKNS")
    assert condition(bare, rock, image) == ""
    assert "no devicetree" in condition(handed, rock, image)


@pytest.mark.download
def test_a_card_for_a_raspberry_pi_works_elsewhere_only_on_a_condition(standin: Path, tmp_path: Path) -> None:
    own = kernel(OWN).dtbs
    assert own is not None
    tree = next(own.rglob("rk3588-rock-5b.dtb"))
    words = ["prepare", str(standin), "--board", "rock-5b", "--dtb", str(tree), "-q"]
    done = in_process(*words, "-o", str(tmp_path / "rock.raw"))
    assert done.returncode == 0, done.stderr
    said = " ".join(done.stdout.split())
    assert "works now, on the condition below: " in said
    assert "no boot loader and no devicetree for Radxa ROCK 5B" in said
    assert "a Raspberry Pi's firmware, which this board has not" in said


@pytest.mark.download
def test_what_holds_for_all_steppings_is_said_once(standin: Path) -> None:
    done = in_process(
        "prepare", str(standin), "--board", "raspberrypi-cm5", "--check-only", "--offline", "-q"
    )
    said = " ".join(done.stdout.split())
    assert re.search(r"ethernet (fails|unknown) on all; storage \w+ on all", said), said


@pytest.mark.parametrize(("code", "digits"), [("e0417", 5), ("e041711", 7)])
def test_a_revision_code_with_another_number_of_digits_is_said(code: str, digits: int) -> None:
    with pytest.raises(Refused, match="is not one of") as caught:
        board("raspberrypi-5").stepping_of(code)
    assert f"it has {digits} digits" in caught.value.hint


def test_a_large_disk_image_is_no_long_log(tmp_path: Path) -> None:
    image = make_disk(tmp_path / "disk.raw", [(None, ESP, "EFI", 300)])
    with pytest.raises(Refused, match="disk image"):
        api.observe(board="raspberrypi-5", logs=image)


@pytest.mark.download
def test_a_devicetree_is_named_by_a_kernel_that_has_it(standin: Path, tmp_path: Path) -> None:
    own = kernel(OWN)
    words = ["prepare", str(standin), "--board", "rock-5b", "--check-only", "--offline", "-q"]
    without = in_process(*words)
    assert without.returncode == 3
    command = re.search(r"--dtb (debian-\S+)", without.stdout)
    assert command is not None
    for name in (own.name, command[1], "rk3588-rock-5b.dtb"):
        done = in_process(*words, "--dtb", name)
        assert "(4K pages), rk3588-rock-5b.dtb" in " ".join(done.stdout.split()), (name, done.stderr)


@pytest.mark.download
@pytest.mark.parametrize("name", ["nosuch.dtb", "/nowhere/dir", "debian-6.18.999-4k", "recipe.yaml"])
@pytest.mark.parametrize("for_board", ["raspberrypi-5", "rock-5b"])
def test_a_devicetree_that_is_not_there_is_said(standin: Path, name: str, for_board: str) -> None:
    words = ["prepare", str(standin), "--board", for_board, "--check-only", "--offline", "-q"]
    done = in_process(*words, "--dtb", name)
    assert done.returncode == 2
    assert f"there is no {name}" in done.stderr
