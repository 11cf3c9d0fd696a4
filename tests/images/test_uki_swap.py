"""Arguments that one profile or one entry has, and signatures, when an image is changed."""

from __future__ import annotations

import struct
from pathlib import Path

import image_kit
import pe_kit
import pytest

from bootwright.foundation.errors import Refused
from bootwright.images.change.changes import Changes
from bootwright.images.change.edits import ArgumentEdit
from bootwright.images.change.swap import Swapped, swap
from bootwright.images.compose.compose import compose
from bootwright.images.opened import open_image
from bootwright.images.recipes.reader import find_recipe
from bootwright.images.verify.verify import verify
from bootwright.images.write.uki import NewSection, add_sections

LOADER = "EFI:/EFI/BOOT/BOOTAA64.EFI"


@pytest.fixture(scope="module")
def grub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kit")
    return compose(find_recipe(str(image_kit.recipe(folder))), folder / "kit.raw").image


@pytest.fixture(scope="module")
def image(grub: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image that starts a signed UKI of two profiles."""
    folder = tmp_path_factory.mktemp("uki")
    sections = (
        (".osrel", b"ID=kit\n"),
        (".cmdline", b"console=tty0 quiet"),
        (".linux", image_kit.kernel_image()),
        (".initrd", (grub.parent / "initramfs").read_bytes()),
        (".profile", b"ID=main\n"),
        (".profile", b"ID=reset\nTITLE=Reset\n"),
        (".cmdline", b"console=tty0 kit.wipe=system"),
    )
    made = bytearray(
        add_sections(pe_kit.efi_program(), [NewSection(*section) for section in sections], "kit")
    )
    struct.pack_into("<II", made, 88 + 112 + 8 * 4, len(made), 16)
    (folder / "kit.efi").write_bytes(bytes(made) + b"a signature here")
    return swap(grub, folder / "uki.raw", Changes(files=((LOADER, folder / "kit.efi"),))).image


def edited(image: Path, out: Path, *edits: str) -> Swapped:
    return swap(image, out, Changes(arguments=tuple(map(ArgumentEdit.parse, edits))))


def arguments(image: Path) -> list[str]:
    return [chain.arguments for chain in open_image(image).chains()]


def test_an_argument_of_one_profile_alone_is_taken_away(image: Path, tmp_path: Path) -> None:
    assert arguments(image) == ["console=tty0 quiet", "console=tty0 kit.wipe=system"]
    out = tmp_path / "new.raw"
    edited(image, out, "-kit.wipe=system", "+debug")
    assert arguments(out) == ["console=tty0 quiet debug", "console=tty0 debug"]
    edited(out, tmp_path / "more.raw", "-quiet")
    assert arguments(tmp_path / "more.raw") == ["console=tty0 debug", "console=tty0 debug"]
    with pytest.raises(Refused, match=r"there is no kernel argument 'kit\.wipe=none'") as caught:
        edited(image, tmp_path / "none.raw", "-kit.wipe=none")
    assert caught.value.hint == "did you mean kit.wipe=system?"
    with pytest.raises(Refused, match="there is no kernel argument 'zzz'") as caught:
        edited(image, tmp_path / "none.raw", "-zzz")
    assert caught.value.hint == "there are console, quiet, kit.wipe"


def test_an_argument_of_one_entry_alone_is_taken_away(grub: Path, tmp_path: Path) -> None:
    menu = tmp_path / "grub.cfg"
    entry = "menuentry '{0}' {{\n linux /A/vmlinuz {1}\n initrd /A/initramfs.xz\n}}\n"
    menu.write_text(entry.format("main", "quiet") + entry.format("reset", "kit.wipe"))
    two = swap(grub, tmp_path / "two.raw", Changes(files=(("BOOT:/grub/grub.cfg", menu),))).image
    edited(two, tmp_path / "new.raw", "-kit.wipe", "+debug")
    assert arguments(tmp_path / "new.raw") == ["quiet debug", "debug"]


def test_a_signature_is_spoken_of_where_there_is_one(image: Path, tmp_path: Path) -> None:
    assert [check.detail for check in verify(image).checks if "; signed" in check.detail]
    made = edited(image, tmp_path / "new.raw", "+debug")
    assert any("signature was taken off" in note for note in made.notes)
    assert not [check for check in verify(made.image).checks if "; signed" in check.detail]
    again = edited(made.image, tmp_path / "again.raw", "+debug")
    assert not [note for note in again.notes if "signature" in note]


@pytest.mark.parametrize(
    ("sections", "wanted"),
    [
        ((), "unknown"),
        (((".cmdline", b"root=PARTUUID=1-02"),), "works"),
        (((".cmdline", b"quiet"),), "unknown"),
    ],
)
def test_a_uki_needs_its_kernel_only(
    grub: Path, tmp_path: Path, sections: tuple[tuple[str, bytes], ...], wanted: str
) -> None:
    made = [NewSection(*section) for section in ((".linux", image_kit.kernel_image()), *sections)]
    (tmp_path / "kit.efi").write_bytes(add_sections(pe_kit.efi_program(), made, "kit"))
    image = swap(grub, tmp_path / "out.raw", Changes(files=((LOADER, tmp_path / "kit.efi"),))).image
    checks = [check for check in verify(image).checks if "BOOTAA64" in (check.where or "")]
    assert {check.name: check.verdict for check in checks}.get("uki") == "works"
    assert {check.name: check.verdict for check in checks}.get("root file system", "works") == wanted
