"""What a change puts into an image, or takes out, must be what the boot chain takes it for."""

from __future__ import annotations

import stat
import struct
from collections.abc import Callable
from pathlib import Path

import image_kit
import pe_kit
import pytest

from bootwright import api
from bootwright.formats.archives import cpio
from bootwright.formats.kernel.arm64_image import read_kernel_image
from bootwright.formats.sources.bytesource import Bytes
from bootwright.foundation.errors import Malformed, Refused
from bootwright.foundation.verdict import Verdict
from bootwright.images.compose.compose import compose
from bootwright.images.recipes.reader import find_recipe

YAML = b"overlay:\n  name: rpi_5\n"


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Raspberry Pi's firmware, U-Boot, an EFI program and a menu of GRUB, each by its form."""
    folder = tmp_path_factory.mktemp("chain")
    made = compose(find_recipe(str(image_kit.recipe(folder, image_kit.U_BOOT))), folder / "kit.raw")
    assert api.verify_image(made.image).verdict is Verdict.WORKS
    return made.image


def failing(path: Path) -> list[str]:
    checks = api.verify_image(path).checks
    return [f"{check.name} {check.where}: {check.detail}" for check in checks if check.verdict == "fails"]


def kernel(missing: int = 0) -> bytes:
    """A kernel with one section, up to its end."""
    whole = bytearray(image_kit.kernel_image())
    struct.pack_into("<2xH12xH2x", whole, 68, 1, 0)
    struct.pack_into("<8s4I16x", whole, 88, b".text", len(whole) - 4096, 4096, len(whole) - 4096, 4096)
    banner = b"Linux version 6.18.5-kit (kit@example.org) (gcc 12) #1 SMP 2024-01-01\n"
    whole[4096 : 4096 + len(banner)] = banner
    return bytes(whole[: len(whole) - missing])


@pytest.mark.parametrize(
    ("place", "data", "expected"),
    [
        (
            "BOOT:/A/initramfs.xz",
            YAML,
            "initramfs BOOT:/A/initramfs.xz: at byte 0x0: expected a cpio archive",
        ),
        ("BOOT:/A/initramfs.xz", b"", "initramfs BOOT:/A/initramfs.xz: .*nothing but zeros"),
        ("BOOT:/A/initramfs.xz", cpio.write([]), "initramfs BOOT:/A/initramfs.xz: it holds no /init"),
        ("BOOT:/A/vmlinuz", YAML, "kernel BOOT:/A/vmlinuz: .*expected an arm64 kernel image"),
        (
            "BOOT:/A/vmlinuz",
            kernel(4096),
            "kernel BOOT:/A/vmlinuz: the kernel is cut short: it has 1044480 bytes",
        ),
        ("EFI:/u-boot.bin", b"", "EFI:/u-boot.bin, .*empty|boot loader EFI:/u-boot.bin: it is empty"),
        ("EFI:/u-boot.bin", YAML, "boot loader EFI:/u-boot.bin: it is no U-Boot"),
        (
            "EFI:/u-boot.bin",
            image_kit.u_boot()[:70_000],
            "EFI:/u-boot.bin: U-Boot is cut short: it has 70000 bytes",
        ),
        ("EFI:/EFI/BOOT/BOOTAA64.EFI", b"", "boot loader EFI:/EFI/BOOT/BOOTAA64.EFI: .*expected a PE file"),
        ("EFI:/EFI/BOOT/BOOTAA64.EFI", pe_kit.efi_program()[:300], "boot loader EFI:/EFI/BOOT/BOOTAA64.EFI"),
        ("EFI:/bcm2712-rpi-5-b.dtb", b"", "devicetree EFI:/bcm2712-rpi-5-b.dtb: .*expected a devicetree"),
        ("EFI:/config.txt", b"arm_64bit=1\nkernel=u-boot.bin\ndtoverlay=none\n", "names /overlays/none.dtbo"),
        ("EFI:/config.txt", b"", "starts on Raspberry Pi 5, and would not for certain: the firmware of"),
        ("BOOT:/grub/grub.cfg", b"", "nothing here boots"),
    ],
)
def test_what_is_put_there_is_looked_at_before_it_is_written(
    image: Path, tmp_path: Path, place: str, data: bytes, expected: str
) -> None:
    (tmp_path / "new").write_bytes(data)
    (tmp_path / "out").mkdir()
    out = tmp_path / "out/new.raw"
    with pytest.raises(Refused, match=expected) as caught:
        api.swap_image(image, out, files={place: tmp_path / "new"})
    assert str(tmp_path) not in caught.value.message
    assert (caught.value.hint or "").endswith("write it all the same: --any-result")
    assert not list(out.parent.iterdir())
    assert api.swap_image(image, out, files={place: tmp_path / "new"}, any_result=True).changed == (place,)
    # `verify` finds the same, but for a config.txt that says nothing: other firmware may start the image.
    assert failing(out) or place == "EFI:/config.txt"


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("BOOT:/A/initramfs.xz", "loads /A/initramfs.xz, which is not there"),
        ("BOOT:/A/vmlinuz", "starts /A/vmlinuz, which is not there"),
        ("BOOT:/grub/grub.cfg", "nothing here boots"),
        (
            "EFI:/u-boot.bin",
            "EFI:/config.txt: line .: kernel=u-boot.bin names /u-boot.bin, which is not there",
        ),
        ("EFI:/EFI/BOOT/BOOTAA64.EFI", "no partition holds /EFI/BOOT/BOOTAA64.EFI"),
        ("EFI:/config.txt", "starts on Raspberry Pi 5, and would not for certain"),
    ],
)
def test_what_is_taken_away_is_missed(image: Path, tmp_path: Path, place: str, expected: str) -> None:
    with pytest.raises(Refused, match=expected):
        api.swap_image(image, tmp_path / "new.raw", remove=place)
    assert not list(tmp_path.iterdir())
    assert api.swap_image(image, tmp_path / "new.raw", remove=place, any_result=True).changed == (place,)


def test_a_firmwares_own_programs_are_missed(image: Path, tmp_path: Path) -> None:
    """A Raspberry Pi 5 has them in its EEPROM; earlier ones load them from the boot partition."""
    (tmp_path / "elf").write_bytes(b"\x7fELF" + bytes(100))
    (tmp_path / "empty").write_bytes(b"")
    names = ("start4.elf", "start4x.elf", "bootcode.bin")
    files = {f"EFI:/{name}": tmp_path / "elf" for name in names}
    pi = api.swap_image(image, tmp_path / "pi.raw", files=files).image
    out = tmp_path / "new.raw"
    with pytest.raises(
        Refused, match=r"^Raspberry Pi 4 Model B starts by start4\.elf, start4x\.elf, which would"
    ):
        api.swap_image(pi, out, remove=["EFI:/start4.elf", "EFI:/start4x.elf"])
    with pytest.raises(Refused, match=r"^boot loader EFI:/start4\.elf: it is no program of the firmware's"):
        api.swap_image(pi, out, files={"EFI:/start4.elf": tmp_path / "empty"})
    with pytest.raises(Refused, match=r"^Raspberry Pi 3 .* starts by bootcode\.bin"):
        api.swap_image(pi, out, remove="EFI:/bootcode.bin")
    assert not out.exists()
    assert api.swap_image(pi, out, remove="EFI:/start4x.elf").changed == ("EFI:/start4x.elf",)


def test_what_failed_before_is_no_reason_to_refuse(image: Path, tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(YAML)
    config = b"dtoverlay=none\nkernel=u-boot.bin\n"
    (tmp_path / "config.txt").write_bytes(config)
    files = {"BOOT:/A/initramfs.xz": tmp_path / "text", "EFI:/config.txt": tmp_path / "config.txt"}
    broken = api.swap_image(image, tmp_path / "broken.raw", files=files, any_result=True).image
    assert len(failing(broken)) == 2
    (tmp_path / "more.txt").write_bytes(b"arm_boost=1\n" + config)
    made = api.swap_image(broken, tmp_path / "new.raw", files={"EFI:/config.txt": tmp_path / "more.txt"})
    assert made.changed == ("EFI:/config.txt",)
    # Another thing that is no initramfs in its place is one.
    (tmp_path / "other").write_bytes(b"another text")
    with pytest.raises(Refused, match=r"^initramfs BOOT:/A/initramfs"):
        api.swap_image(broken, tmp_path / "no.raw", files={"BOOT:/A/initramfs.xz": tmp_path / "other"})


@pytest.mark.parametrize("data", [YAML, b"", bytes(range(256)) * 40, b"\x28\xb5\x2f\xfd\x04\x58"])
def test_a_file_that_is_no_initramfs_is_said_to_be_that(image: Path, tmp_path: Path, data: bytes) -> None:
    (tmp_path / "given").write_bytes(data)
    with pytest.raises(Refused, match="given is no initramfs: expected ") as caught:
        api.swap_image(image, tmp_path / "new.raw", initramfs=tmp_path / "given")
    assert caught.value.hint == "copy or build it again; or write it all the same: --any-result"
    api.swap_image(image, tmp_path / "new.raw", initramfs=tmp_path / "given", any_result=True)


def test_a_kernel_that_is_cut_short_is_said_to_be_that_before_its_modules(
    image: Path, tmp_path: Path
) -> None:
    (tmp_path / "Image").write_bytes(kernel(4096))
    with pytest.raises(Refused, match="Image: the kernel is cut short: it has 1044480 bytes of 1048576"):
        api.swap_image(image, tmp_path / "new.raw", kernel=tmp_path / "Image", modules=tmp_path)
    api.swap_image(image, tmp_path / "new.raw", kernel=tmp_path / "Image", any_result=True)
    assert any("cut short" in text for text in failing(tmp_path / "new.raw"))
    assert any("cut short" in str(problem) for problem in api.inspect(tmp_path / "Image").problems)
    (tmp_path / "Image").write_bytes(kernel())
    api.swap_image(image, tmp_path / "whole.raw", kernel=tmp_path / "Image")
    assert not failing(tmp_path / "whole.raw")


def test_a_kernel_says_how_long_it_is() -> None:
    for change, cut in ((lambda data: data, False), (lambda data: data[:-1], True)):
        made = read_kernel_image(Bytes(_changed(change), "Image"))
        assert bool(made.cut_short) is cut
        if cut:
            with pytest.raises(Malformed, match="expected a kernel of 1048576 bytes, found its end"):
                made.require_whole()
    # Without a section table, or without a stub, nothing says so.
    assert not read_kernel_image(Bytes(image_kit.kernel_image()[:-5], "Image")).cut_short


def _changed(change: Callable[[bytes], bytes]) -> bytes:
    return change(kernel())


def test_any_archive_may_hold_what_is_started(image: Path, tmp_path: Path) -> None:
    """Archives are unpacked into one root; `rdinit=` names another program, `root=` a root to be mounted."""
    menu = "menuentry 'a' {{\n linux /A/vmlinuz console=tty0 {}\n initrd {}\n}}\n"
    (tmp_path / "empty").write_bytes(cpio.write([cpio.Member("note", b"x", stat.S_IFREG | 0o644)]))
    for arguments, archives, verdict in (
        ("", "/A/initramfs.xz /A/extra", "works"),
        ("", "/A/extra /A/initramfs.xz", "works"),
        ("", "/A/extra", "fails"),
        ("root=/dev/sda1", "/A/extra", "works"),
        ("rdinit=/note", "/A/extra", "works"),
        ("rdinit=/other", "/A/initramfs.xz", "fails"),
    ):
        (tmp_path / "grub.cfg").write_text(menu.format(arguments, archives))
        files = {"BOOT:/A/extra": tmp_path / "empty", "BOOT:/grub/grub.cfg": tmp_path / "grub.cfg"}
        out = tmp_path / "new.raw"
        api.swap_image(image, out, files=files, any_result=True, force=True)
        assert ("fails" if failing(out) else "works") == verdict, (arguments, archives, failing(out))
