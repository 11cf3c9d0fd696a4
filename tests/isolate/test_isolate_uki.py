"""Mixing unified kernel images section by section, and parts that the two images call by different names."""

from __future__ import annotations

import json
import shlex
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from isolate_kit import Files, blob, make_image, read_image

from bootwright.formats.archives import cpio
from bootwright.formats.devicetree.fdt import parse_fdt
from bootwright.formats.programs.pe import open_section, read_pe
from bootwright.formats.sources.bytesource import Bytes
from bootwright.foundation.run_folder import Store
from bootwright.foundation.verdict import Verdict
from bootwright.images.write.uki import NewSection, add_sections
from bootwright.isolate.images import ImageHybrids
from bootwright.isolate.lab import StoredLab, Tried
from bootwright.isolate.model import Isolated, NoPrediction, Source
from bootwright.isolate.search import isolate
from bootwright.isolate.suspects import Suspects

TREE = '/dts-v1/; / { model = "MODEL"; uart { status = "STATUS"; }; };'


def stub(text: bytes) -> bytes:
    """A PE32+ application for arm64 with room for more sections; it is never run."""
    optional = struct.pack("<HBBIIIIIQ", 0x20B, 0, 0, 512, 0, 0, 0x1000, 0x1000, 0x400000)
    optional += struct.pack("<IIHHHHHHIIIIHH", 0x1000, 512, 0, 0, 0, 0, 0, 0, 0, 0x2000, 1024, 0, 10, 0)
    optional += struct.pack("<QQQQII", 0x100000, 0x1000, 0x100000, 0x1000, 0, 16) + bytes(128)
    coff = struct.pack("<HHIIIHH", 0xAA64, 1, 0, 0, 0, len(optional), 0x0022)
    section = struct.pack("<8sIIIIIIHHI", b".text", len(text), 0x1000, 512, 1024, 0, 0, 0, 0, 0x60000020)
    head = b"MZ" + bytes(58) + struct.pack("<I", 64) + b"PE\0\0" + coff + optional + section
    return head.ljust(1024, b"\0") + text.ljust(512, b"\0")


def initrd(**files: bytes) -> bytes:
    return cpio.write([cpio.Member(name, data) for name, data in files.items()])


def uki(**sections: bytes) -> bytes:
    base = stub(sections.pop("stub", b"stub"))
    return add_sections(base, [NewSection(f".{name}", data) for name, data in sections.items()], "uki")


GOOD = {
    "linux": b"kernel 1" * 200,
    "uname": b"6.18.5",
    "cmdline": b"console=ttyAMA0 quiet",
    "initrd": initrd(init=b"1", config=b"1"),
    "dtb": blob(TREE, MODEL="one", STATUS="okay"),
    "osrel": b"ID=one\n",
}
NOISE = {
    "linux": b"kernel 2" * 200,
    "uname": b"6.18.6",
    "cmdline": b"console=ttyAMA0 loglevel=4",
    "initrd": initrd(init=b"2", config=b"1", extra=b"x"),
    "dtb": blob(TREE, MODEL="two", STATUS="okay"),
    "osrel": b"ID=two\n",
    "stub": b"another stub",
}


def sections(image: bytes) -> dict[str, bytes]:
    source = Bytes(image, "uki")
    sections = {
        section.name[1:]: open_section(source, section).read(0, section.size)
        for section in read_pe(source).sections
    }
    return {
        name: data if name in {"dtb", "initrd"} else data.rstrip(b"\0") for name, data in sections.items()
    }


def only_uki(files: Files) -> dict[str, bytes]:
    (data,) = (data for name, data in files.items() if name.startswith("/EFI/Linux/"))
    return sections(data)


def disk(path: Path, name: str, parts: dict[str, bytes]) -> Path:
    return make_image(path, {f"/EFI/Linux/{name}": uki(**parts)}, path.parent)


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return disk(tmp_path / "good.img", "talos-1.efi", dict(GOOD))


def found(good: Path, bad: Path, fails, path: Path) -> tuple[Isolated, ImageHybrids]:  # type: ignore[no-untyped-def]  # noqa: ANN001
    def attempt(image: Path, _: float | None) -> Tried:
        verdict = Verdict.FAILS if fails(read_image(image)) else Verdict.WORKS
        return Tried(verdict, "", b"", {})

    hybrids = ImageHybrids(good, bad, path)
    with Store(path / "run") as store:
        lab = StoredLab(
            store, hybrids, good, bad, frozenset(element.name for element in hybrids.elements()),
            hybrids.complete, {"goal": "test"}, attempt, Source.EMULATED,
        )  # fmt: skip
        return isolate(hybrids, lab, Suspects.of(hybrids, NoPrediction())), hybrids


def test_sections_are_parts_and_taken_apart(good: Path, tmp_path: Path) -> None:
    """The UKI has another name in the bad image; mixtures keep the good one's."""
    bad = disk(tmp_path / "bad.img", "talos-2.efi", dict(NOISE))
    hybrids = ImageHybrids(good, bad, tmp_path)
    assert {element.name for element in hybrids.elements()} == {
        "command line", "kernel", "initramfs", "dtb", "boot loader",
    }  # fmt: skip
    inside = {
        element.name: [inner.name for inner in hybrids.inside(element)] for element in hybrids.elements()
    }
    assert inside["initramfs"] == ["initramfs: /init", "initramfs: /extra"]
    assert inside["dtb"] == ["dtb: /: model"]
    assert inside["command line"] == ["command line: quiet → loglevel=4"] or len(inside["command line"]) == 2
    hybrids.build(frozenset({"kernel", "initramfs: /extra"}), tmp_path / "mix.img")
    files = read_image(tmp_path / "mix.img")
    assert list(files) == ["/EFI/Linux/talos-1.efi"]
    mixed = only_uki(files)
    assert mixed["linux"] == NOISE["linux"]
    assert mixed["uname"] == NOISE["uname"]
    assert mixed["cmdline"] == GOOD["cmdline"]
    assert mixed["text"].startswith(b"stub")
    archive = {entry.name for entry in cpio.read(Bytes(mixed["initrd"], "initrd"))}
    assert archive == {"init", "config", "extra"}


@pytest.mark.parametrize(
    ("change", "fails", "culprit"),
    [
        (
            {"initrd": initrd(init=b"broken", config=b"1", extra=b"x")},
            lambda parts: b"broken" in parts["initrd"],
            {"initramfs: /init"},
        ),
        (
            {"dtb": blob(TREE, MODEL="two", STATUS="disabled")},
            lambda parts: parse_fdt(parts["dtb"], "x").node("/uart").string("status") != "okay",
            {"dtb: /uart: status"},
        ),
        (
            {"cmdline": b"console=ttyS0 loglevel=4"},
            lambda parts: b"ttyAMA0" not in parts["cmdline"],
            {"command line: console=ttyAMA0 → console=ttyS0"},
        ),
        ({"linux": b"\0" * 1600}, lambda parts: not parts["linux"].startswith(b"kernel"), {"kernel"}),
        ({"stub": b"bad stub"}, lambda parts: parts["text"].startswith(b"bad"), {"boot loader"}),
    ],
)
def test_a_fault_in_a_section_is_found_and_its_command_mends(  # type: ignore[no-untyped-def]
    change: dict[str, bytes], fails, culprit: set[str], good: Path, tmp_path: Path  # noqa: ANN001
) -> None:  # fmt: skip
    bad = disk(tmp_path / "bad.img", "talos-2.efi", NOISE | change)
    result, hybrids = found(good, bad, lambda files: fails(only_uki(files)), tmp_path)
    assert result.culprit == culprit
    assert result.mended is Verdict.WORKS
    mended = mend(hybrids.mend(result.culprit), tmp_path)
    assert list(mended) == ["/EFI/Linux/talos-2.efi"]
    assert not fails(only_uki(mended))
    kept = "linux" if culprit != {"kernel"} else "cmdline"
    assert only_uki(mended)[kept] == (NOISE | change)[kept]


def mend(command: str, path: Path) -> Files:
    """Run the command that an isolation ends with."""
    words = shlex.split(command)
    assert words[:3] == ["bootwright", "image", "swap"]
    made = path / "mended.img"
    ran = subprocess.run(
        [sys.executable, "-m", "bootwright", *words[1:-1], made, "--force"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return read_image(made)


MENU = "menuentry x {{\n  linux /vmlinuz-{0} console=ttyAMA0 {1}\n  initrd /initrd-{0}\n}}\n"


def test_kernels_of_different_names_and_the_boot_loader(tmp_path: Path) -> None:
    """`vmlinuz-1` is the bad image's `vmlinuz-2`; GRUB's own file is the cause."""
    sides = []
    for number, loader in (("1", b"MZ good"), ("2", b"MZ bad")):
        files = {
            "/EFI/BOOT/BOOTAA64.EFI": loader,
            "/grub/grub.cfg": MENU.format(number, "quiet" if number == "1" else "loglevel=7").encode(),
            f"/vmlinuz-{number}": b"Linux " + number.encode() * 3000,
            f"/initrd-{number}": initrd(init=number.encode(), same=b"same"),
            "/start4.elf": b"firmware " + number.encode(),
        }
        sides.append(make_image(tmp_path / f"{number}.img", files, tmp_path))
    result, hybrids = found(
        sides[0], sides[1], lambda files: files["/EFI/BOOT/BOOTAA64.EFI"] == b"MZ bad", tmp_path
    )
    assert result.culprit == {"boot loader"}
    assert {element.kind for element in hybrids.elements()} == {
        "kernel", "initramfs", "command line", "boot loader", "firmware",
    }  # fmt: skip
    hybrids.build(frozenset({"kernel", "initramfs"}), tmp_path / "mix.img")
    mixed = read_image(tmp_path / "mix.img")
    assert mixed["/vmlinuz-1"] == b"Linux " + b"2" * 3000
    assert "/vmlinuz-2" not in mixed
    assert b"vmlinuz-1" in mixed["/grub/grub.cfg"]
    mended = mend(hybrids.mend(result.culprit), tmp_path)
    assert mended["/EFI/BOOT/BOOTAA64.EFI"] == b"MZ good"
    assert mended["/vmlinuz-2"] == b"Linux " + b"2" * 3000
    assert b"vmlinuz-2" in mended["/grub/grub.cfg"]
    # A cause in what has another name there: it is mended under the bad image's name.
    result, hybrids = found(
        sides[0], sides[1], lambda files: b"Linux " + b"2" * 3000 in files.values(), tmp_path / "again"
    )
    assert result.culprit == {"kernel"}
    mended = mend(hybrids.mend(result.culprit), tmp_path)
    assert mended["/vmlinuz-2"] == b"Linux " + b"1" * 3000


def test_what_the_checks_name_is_looked_at_first(tmp_path: Path) -> None:
    """An initramfs cut short is suspected before anything is booted."""
    files = {
        "/grub/grub.cfg": MENU.format("1", "").encode(),
        "/vmlinuz-1": b"x",
        "/initrd-1": initrd(init=b"1" * 5000),
        "/start4.elf": b"1",
        "/other": b"1",
    }
    good = make_image(tmp_path / "good.img", files, tmp_path)
    other = files | {"/initrd-1": files["/initrd-1"][:3000], "/start4.elf": b"2", "/other": b"2"}
    bad = make_image(tmp_path / "bad.img", other, tmp_path)
    hybrids = ImageHybrids(good, bad, tmp_path)
    assert any("initrd-1 of the bad image" in remark for remark in hybrids.remarks)
    suspects = Suspects.of(hybrids, NoPrediction())
    by_name = {element.name: suspects.suspicion(element) for element in hybrids.elements()}
    assert by_name["initramfs"] > by_name["firmware"] == by_name["other files"]
    assert suspects.predict(frozenset({"initramfs"})) is None
    assert any("initrd-1" in note for note in suspects.notes()), json.dumps(suspects.notes())
