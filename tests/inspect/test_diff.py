from __future__ import annotations

import json
import subprocess
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner
from disk_kit import ROOT, plant, run, tool
from talos_kit import ARGUMENTS, CONFIG_TXT, Talos, devicetree, talos_image

from bootwright.cli.diff import command
from bootwright.foundation.errors import Refused
from bootwright.inspect.difference.compare import compare
from bootwright.inspect.difference.model import Area, Difference
from bootwright.inspect.explore import Explorer

SCHEMA = json.loads((ROOT / "docs" / "schemas" / "diff.schema.json").read_text())


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOOTWRIGHT_CACHE", str(tmp_path_factory.mktemp("cache")))


OTHER = Talos(
    release="6.12.25-talos",
    page_flag=2,
    version="v1.11.0",
    config_txt=CONFIG_TXT.replace("enable_uart=0", "enable_uart=2") + "dtoverlay=disable-bt\n",
    arguments=ARGUMENTS.replace("pti=on", "pti=off") + " debug",
    modules=("macb", "clk-rp1"),
    firmware=("brcm/other.bin",),
    config="CONFIG_MACB=y\nCONFIG_NEW=y\n",
    phy=3,
)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("two")
    return talos_image(folder / "a"), talos_image(folder / "b", OTHER)


def told(differences: tuple[Difference, ...], area: Area) -> dict[str, tuple[object, object]]:
    return {
        difference.what: (difference.before, difference.after)
        for difference in differences
        if difference.area is area
    }


def test_two_images_differ_in_meaning(images: tuple[Path, Path]) -> None:
    first, second = (Explorer().artifact(str(image)) for image in images)
    differences = compare(first, second)
    kernel = told(differences, Area.KERNEL)
    assert kernel["release"] == ("6.18.5-talos", "6.12.25-talos")
    assert kernel["page size"] == (4096, 16384)
    assert told(differences, Area.OS)["version id"] == ("v1.12.1", "v1.11.0")
    assert told(differences, Area.CONFIG_TXT) == {
        "[pi5] enable_uart": ("0", "2"),
        "[all] dtoverlay": (None, "disable-bt"),
    }
    assert told(differences, Area.COMMAND_LINE) == {
        "pti": ("pti=on", "pti=off"),
        "debug": (None, "debug"),
        "boot menu: default": ("A - Talos v1.12.1", "A - Talos v1.11.0"),
    }
    assert told(differences, Area.KERNEL_CONFIG) == {
        "CONFIG_BCM2712_MIP": ("m", None),
        "CONFIG_MACB": ("m", "y"),
        "CONFIG_NEW": (None, "y"),
        "CONFIG_PAGE_SHIFT": ("12", "14"),
    }
    assert told(differences, Area.MODULES) == {
        "clk_rp1": ("built in", "in the root file system"),
        "irq_bcm2712_mip": ("in the root file system", None),
        "rp1_pci": ("in the root file system", None),
    }
    assert told(differences, Area.FIRMWARE) == {
        "brcm/brcmfmac.bin": ("512 bytes", None),
        "brcm/other.bin": (None, "512 bytes"),
    }
    assert told(differences, Area.DEVICETREE) == {
        "bcm2712-rpi-5-b.dtb: /ethernet@100000/mdio/ethernet-phy@1": ("node", None),
        "bcm2712-rpi-5-b.dtb: /ethernet@100000/mdio/ethernet-phy@3": (None, "node"),
        "bcm2712-rpi-5-b.dtb: /ethernet@100000: phy-handle": (
            "<&/ethernet@100000/mdio/ethernet-phy@1>",
            "<&/ethernet@100000/mdio/ethernet-phy@3>",
        ),
    }
    assert not told(differences, Area.FILES)
    assert [difference.area for difference in differences] == sorted(
        (difference.area for difference in differences), key=list(Area).index
    )


def test_an_image_does_not_differ_from_itself_compressed(images: tuple[Path, Path], tmp_path: Path) -> None:
    packed = tmp_path / "renamed.raw.zst"
    with packed.open("wb") as file:
        subprocess.run([tool("zstd"), "-1", "-c", images[0]], stdout=file, check=True)
    first, second = Explorer().artifact(str(images[0])), Explorer().artifact(str(packed))
    assert compare(first, second) == ()
    done = CliRunner().invoke(command, ["-q", str(images[0]), str(packed)], standalone_mode=False)
    assert done.return_value == 0
    assert "nothing differs" in done.output


def test_the_command_prints_by_area_and_documented_json(images: tuple[Path, Path]) -> None:
    names = [str(image) for image in images]
    done = CliRunner().invoke(command, ["-q", *names], standalone_mode=False)
    assert done.return_value == 1
    lines = done.output.splitlines()
    assert lines[0].startswith("kernel")
    assert "  ~ page size: 4096 → 16384" in lines
    assert "  + [all] dtoverlay: disable-bt" in lines
    assert "  - rp1_pci: in the root file system" in lines
    done = CliRunner().invoke(command, ["-q", "--json", *names], standalone_mode=False)
    document = json.loads(done.output)
    jsonschema.validate(document, SCHEMA)
    release = document["differences"][0]
    assert (release["area"], release["what"], release["change"]) == ("kernel", "release", "changed")
    assert release["where_before"]["path"].endswith("partition 3 (BOOT):/A/vmlinuz")
    done = CliRunner().invoke(command, ["-q", "--area", "modules", *names], standalone_mode=False)
    assert done.output.splitlines()[0].startswith("modules")
    assert "page size" not in done.output
    done = CliRunner().invoke(command, ["-q", "--area", "taste", *names], standalone_mode=False)
    assert isinstance(done.exception, Refused)


def blob(text: str) -> bytes:
    start = '/dts-v1/;\n/ { compatible = "test,board"; #address-cells = <1>; #size-cells = <1>;'
    source = f"{start} {text} }};\n"
    command_ = [tool("dtc"), "-q", "-@", "-O", "dtb"]
    return subprocess.run(command_, input=source.encode(), capture_output=True, check=True).stdout


def trees(folder: Path, before: bytes, after: bytes) -> dict[str, tuple[object, object]]:
    for name, data in (("a", before), ("b", after)):
        (folder / name).mkdir()
        (folder / name / "board.dtb").write_bytes(data)
    differences = compare(*(Explorer().artifact(str(folder / name)) for name in ("a", "b")))
    return told(differences, Area.DEVICETREE)


def test_phandles_that_are_only_renumbered_do_not_differ(tmp_path: Path) -> None:
    clock = '{} {{ compatible = "fixed-clock"; #clock-cells = <0>; }};'
    user = "eth@1 { reg = <1 2>; clocks = <&one>, <&two>; };"
    before = blob(clock.format("one: one") + clock.format("two: two") + user)
    after = blob(clock.format("two: two") + clock.format("one: one") + user)
    assert before != after
    assert trees(tmp_path, before, after) == {}


def test_values_are_shown_as_what_they_are(tmp_path: Path) -> None:
    """dtc numbers what is referred to first: the bytes of `clocks` are the same on both sides."""
    clocks = "a: a { #clock-cells = <1>; }; b: b { #clock-cells = <1>; };"
    before = blob(clocks + 'eth@1 { reg = <1 2>; status = "okay"; clocks = <&a 3>; mac = [01 02 03]; };')
    changed = 'eth@1 { reg = <1 4>; status = "disabled"; clocks = <&b 3>; mac = [01 02 04]; gone; };'
    after = blob(clocks + changed)
    assert trees(tmp_path, before, after) == {
        "board.dtb: /eth@1: reg": ("<0x1 0x2>", "<0x1 0x4>"),
        "board.dtb: /eth@1: status": ('"okay"', '"disabled"'),
        "board.dtb: /eth@1: clocks": ("<&/a 0x3>", "<&/b 0x3>"),
        "board.dtb: /eth@1: mac": ("[01 02 03]", "[01 02 04]"),
        "board.dtb: /eth@1: gone": (None, "(present)"),
    }


def test_a_moved_node_is_one_line_with_what_is_below(tmp_path: Path) -> None:
    inside = 'eth@1 { compatible = "raspberrypi,rp1-gem"; mdio { phy@1 { reg = <1>; }; }; };'
    before, after = blob(f"pci {{ rp1_nexus {{ {inside} }}; }};"), blob(f"pci {{ dev@0 {{ {inside} }}; }};")
    assert trees(tmp_path, before, after) == {
        "board.dtb: /pci/rp1_nexus": ("node (and 3 below)", None),
        "board.dtb: /pci/dev@0": (None, "node (and 3 below)"),
    }


def test_only_the_devicetrees_asked_for(tmp_path: Path) -> None:
    for name, model in (("a", "One"), ("b", "Two")):
        (tmp_path / name).mkdir()
        for file in ("bcm2712-rpi-5-b.dtb", "other.dtb"):
            (tmp_path / name / file).write_bytes(devicetree(Talos(model=model)))
    first, second = (Explorer().artifact(str(tmp_path / name)) for name in ("a", "b"))
    assert len(compare(first, second)) == 2
    assert set(told(compare(first, second, dtbs=("bcm2712*",)), Area.DEVICETREE)) == {
        "bcm2712-rpi-5-b.dtb: /: model"
    }


def test_files_without_a_meaning_are_compared_by_their_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        plant(tmp_path / name, many=5)
    (tmp_path / "b" / "tiny").write_bytes(b"y")
    (tmp_path / "b" / "deep" / "er" / "still" / "file").unlink()
    (tmp_path / "b" / "more").write_bytes(b"123")
    (tmp_path / "b" / "short").unlink()
    (tmp_path / "b" / "short").symlink_to("elsewhere")
    (tmp_path / "a" / "config-6.12.1").write_text("CONFIG_64BIT=y\n")
    (tmp_path / "b" / "config-6.18.5").write_text("CONFIG_64BIT=y\n")
    for name in ("a", "b"):
        run("mksquashfs", tmp_path / name, tmp_path / f"{name}.sqsh", "-quiet", "-no-progress")
    # A directory against a squashfs image: the files are what counts.
    for second in (tmp_path / "b", tmp_path / "b.sqsh"):
        differences = compare(Explorer().artifact(str(tmp_path / "a")), Explorer().artifact(str(second)))
        assert told(differences, Area.FILES) == {
            "/deep/er/still/file": ("4 bytes", None),
            "/more": (None, "3 bytes"),
            "/short": ("→ A/vmlinuz", "→ elsewhere"),
            "/tiny": ("x", "y"),
        }
        assert not told(differences, Area.KERNEL_CONFIG)


def module(path: Path, **fields: str) -> None:
    """A module with nothing in it but what it says of itself."""
    values = {"name": path.stem, "vermagic": "6.18.5 SMP mod_unload aarch64", "license": "GPL", **fields}
    lines = [
        f'static const char v{number}[] __attribute__((section(".modinfo"), used)) = "{key}={value}";'
        for number, (key, value) in enumerate(values.items())
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    source = path.with_suffix(".c")
    source.write_text("\n".join(lines))
    run("aarch64-linux-gnu-gcc", "-c", "-o", path, source)
    source.unlink()


def test_modules_of_the_same_name_are_compared_by_what_they_say(tmp_path: Path) -> None:
    for side, fields in (
        ("a", {"depends": "mii", "srcversion": "AAA", "parm": "debug:how much", "alias": "of:N*T*Cacme,eth"}),
        ("b", {"depends": "mii,phylink", "srcversion": "BBB", "parm": "debug:HOW MUCH"}),
    ):
        tree = tmp_path / side / "lib" / "modules" / "6.18.5" / "kernel"
        module(tree / "eth.ko", **fields)
        module(tree / "same.ko", srcversion="CCC")
        module(tree / "rebuilt.ko", srcversion=fields["srcversion"])
        module(tree / "flags.ko", vermagic=f"6.18.5 SMP {'preempt ' * (side == 'b')}aarch64")
        plain = (tree / "same.ko").read_bytes()
        tail = bytes(8) + b"\0\0\0\x04" + b"~Module signature appended~\n"
        (tree / "signed.ko").write_bytes(plain + (b"sign" + tail if side == "b" else b""))
    before, after = (Explorer().artifact(str(tmp_path / side)) for side in "ab")
    assert told(compare(before, after), Area.MODULES) == {
        "eth: depends on": ("nothing more", "phylink"),
        "eth: drives": ("acme,eth", "nothing more"),
        "flags: built for": ("SMP aarch64", "SMP preempt aarch64"),
        "rebuilt: source": ("srcversion AAA", "srcversion BBB"),
        "signed: signature": ("none", "signed"),
    }


def test_between_releases_only_what_modules_do_is_told(tmp_path: Path) -> None:
    for side, release in (("a", "6.18.5"), ("b", "6.18.6")):
        tree = tmp_path / side / "lib" / "modules" / release / "kernel"
        for name in ("one", "two"):
            module(tree / f"{name}.ko", srcversion=side if name == "one" else "x", vermagic=f"{release} SMP")
        firmware = tmp_path / side / "lib" / "firmware"
        firmware.mkdir(parents=True)
        (firmware / "f.bin").write_bytes(side.encode())
    differences = compare(*(Explorer().artifact(str(tmp_path / side)) for side in "ab"))
    assert told(differences, Area.MODULES) == {
        "built anew": (None, "2 of 2, 1 from other source (srcversion)")
    }
    (firmware_told,) = told(differences, Area.FIRMWARE).values()
    assert all(str(text).startswith("1 bytes, SHA-256 ") for text in firmware_told)


def test_programs_and_scripts_of_an_initramfs_are_compared_by_meaning(tmp_path: Path) -> None:
    for side in "ab":
        folder = tmp_path / side
        folder.mkdir()
        (folder / "init").write_text(f"#!/bin/sh\nmount -t proc none /proc\nmodprobe {side}\n")
        (folder / "main.c").write_text(f"int _start(void) {{ return {ord(side)}; }}")
        run(
            "aarch64-linux-gnu-gcc",
            "-nostdlib",
            "-static",
            "-Wl,--build-id",
            "-o",
            folder / "prog",
            folder / "main.c",
        )
        (folder / "main.c").unlink()
        names = b"init\nprog\n"
        packed = subprocess.run(
            [tool("cpio"), "-o", "-H", "newc", "--quiet"],
            cwd=folder,
            input=names,
            capture_output=True,
            check=True,
        )
        (tmp_path / f"initramfs-{side}.img").write_bytes(packed.stdout)
    differences = compare(*(Explorer().artifact(str(tmp_path / f"initramfs-{side}.img")) for side in "ab"))
    inside = told(differences, Area.INITRAMFS)
    assert inside["/init"] == ("modprobe a", "modprobe b")
    assert all(str(text).startswith("program, build id ") for text in inside["/prog"])
