"""A Raspberry Pi firmware's stage: config.txt, devicetree, overlays and UART, as documented."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from image_targets import target

from bootwright.firmware.overrides import parameters, set_parameter
from bootwright.firmware.stage import stage_of
from bootwright.firmware.tree import Draft
from bootwright.formats.archives.archive_tree import ArchiveTree, Member
from bootwright.formats.devicetree.fdt import parse_fdt
from bootwright.formats.disks.partitions import Partition
from bootwright.formats.filesystems.filesystem import EntryKind
from bootwright.formats.sources.bytesource import Bytes
from bootwright.foundation.errors import Malformed, Refused
from bootwright.foundation.versions import Version
from bootwright.image_boot import machine as image_machine
from bootwright.image_boot.machine import board_machine, board_machines
from bootwright.image_boot.overlay import card_size, write_overlay
from bootwright.image_boot.stage import HandOver
from bootwright.image_boot.start import edits_for
from bootwright.images.opened import Volume

PI3 = board_machine("raspi3b")
BASE = """/dts-v1/; / {
    compatible = "raspberrypi,3-model-b"; #address-cells = <1>; #size-cells = <1>;
    aliases { serial0 = &uart0; serial1 = &uart1; };
    soc { #address-cells = <1>; #size-cells = <1>;
        gpio { uart0_gpio14: a { brcm,pins = <14 15>; }; uart1_gpio14: b { brcm,pins = <14 15>; };
               uart0_gpio32: c { brcm,pins = <32 33>; }; uart_pins: d { brcm,pins; }; };
        uart0: serial@7e201000 { reg = <0x7e201000 0x200>; pinctrl-0 = <&uart0_gpio32>; };
        uart1: serial@7e215040 { reg = <0x7e215040 0x40>; pinctrl-0 = <&uart1_gpio14>; };
        spi: spi { status = "disabled"; speed = <1 2>; };
    };
    __overrides__ { spi = <&spi>, "status"; speed = <&spi>, "speed:4"; fast = <&spi>, "fast?"; };
};
"""
HEADER = """/dts-v1/; /plugin/; / {
    fragment@0 { target = <&uart1>; __overlay__ { status = "disabled"; }; };
    fragment@1 { target = <&uart0>; __overlay__ { pinctrl-0 = <&uart0_gpio14>; }; };
    fragment@2 { target = <&spi>; part: __overlay__ { speed = <7 8>; }; };
    __overrides__ { speed = <&part>, "speed:0"; plain = <0>, "-2"; };
};
"""
CONFIG = "arm_64bit=1\nenable_uart=1\nkernel=vmlinuz\n"


def blob(text: str) -> bytes:
    made = subprocess.run(
        ["dtc", "-q", "-@", "-O", "dtb"], input=text.encode(), capture_output=True, check=True
    )
    return made.stdout


DTB, OVERLAY = blob(BASE), blob(HEADER)
FILES = {
    "vmlinuz": b"kernel",
    "cmdline.txt": b"console=serial0,115200 quiet\nanother line",
    "bcm2710-rpi-3-b.dtb": DTB,
    "overlays/header.dtbo": OVERLAY,
    "one.cpio": b"one",
    "two.cpio": b"two",
}


def stage(room: Path, config: str | None, files: Mapping[str, bytes] = FILES) -> HandOver:
    given_files = dict(files) | ({"config.txt": config.encode()} if config is not None else {})
    members = [
        Member(name, EntryKind.FILE, 0o644, len(data), Bytes(data, name))
        for name, data in given_files.items()
    ]
    tree = ArchiveTree("card", "vfat", members)
    partition = Partition(1, 0, 1 << 20, "0x0c", None, None, None)
    return stage_of(Volume(partition, tree, Bytes(b"", "card")), PI3, room)


def test_config_txt_says_what_is_started(tmp_path: Path) -> None:
    config = f"{CONFIG}initramfs one.cpio,two.cpio followkernel\n[pi4]\nkernel=other\n[all]\n"
    config += "dtparam=spi=on,speed=5\n"
    done = stage(tmp_path, config)
    assert done.stopped is None
    assert done.kernel is not None
    assert done.kernel.read_bytes() == b"kernel"
    assert done.initramfs is not None
    assert done.initramfs.read_bytes() == b"onetwo"
    assert done.devicetree is not None
    tree = parse_fdt(done.devicetree.read_bytes(), "made")
    spi = tree.node("/soc/spi")
    assert spi is not None
    assert spi.string("status") == "okay"
    assert spi.cells("speed") == (1, 5)
    # The mini UART is on the header, and the kernel's arguments are the first line of cmdline.txt.
    assert done.uart == 1
    assert done.arguments == "console=ttyS1,115200 quiet"
    assert done.warnings == ()


def test_an_overlay_with_its_parameters_moves_the_console(tmp_path: Path) -> None:
    done = stage(tmp_path, f"{CONFIG}dtoverlay=header,speed=9\n")
    assert done.warnings == (), done.log
    assert done.devicetree is not None
    tree = parse_fdt(done.devicetree.read_bytes(), "made")
    spi, mini = tree.node("/soc/spi"), tree.node("/soc/serial@7e215040")
    assert spi is not None
    assert spi.cells("speed") == (9, 8)
    assert mini is not None
    assert not mini.available
    assert done.uart == 0
    assert done.arguments.startswith("console=ttyAMA0,")
    plain = stage(tmp_path / "plain", f"{CONFIG}dtoverlay=header\ndtparam=plain\n")
    assert plain.devicetree is not None
    spi = parse_fdt(plain.devicetree.read_bytes(), "made").node("/soc/spi")
    assert spi is not None
    assert spi.cells("speed") == (1, 2), "the fragment is switched off"


@pytest.mark.parametrize(
    ("config", "without", "said"),
    [
        (CONFIG, "bcm2710-rpi-3-b.dtb", "devicetree: none"),
        (f"{CONFIG}device_tree=mine.dtb\n", "", "devicetree: none (/mine.dtb)"),
        (f"{CONFIG}dtoverlay=absent\n", "", "overlay: /overlays/absent.dtbo is not there"),
        (f"{CONFIG}initramfs absent followkernel\n", "", "initramfs: /absent is not there"),
        (f"{CONFIG}dtparam=i2c=on\n", "", "the devicetree has none of the name"),
        (CONFIG, "cmdline.txt", "command line: /cmdline.txt is not there"),
        (CONFIG.replace("enable_uart=1", ""), "", "off without enable_uart=1"),
    ],
)
def test_what_is_amiss_is_told_and_the_firmware_goes_on(
    config: str, without: str, said: str, tmp_path: Path
) -> None:
    done = stage(tmp_path, config, {name: data for name, data in FILES.items() if name != without})
    assert done.stopped is None
    assert done.kernel is not None
    assert any(said in each for each in done.warnings), done.warnings


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (CONFIG.replace("vmlinuz", "nothing.img"), "no kernel: /nothing.img"),
        (CONFIG.replace("arm_64bit=1\n", ""), "32-bit mode"),
        (None, "no kernel: /kernel8.img"),
    ],
)
def test_a_firmware_that_starts_nothing(config: str | None, said: str, tmp_path: Path) -> None:
    done = stage(tmp_path, config)
    assert done.kernel is None
    assert done.stopped is not None
    assert said in done.stopped


def test_a_prefix_counts_where_kernel_and_devicetree_have_it(tmp_path: Path) -> None:
    files = {
        **FILES,
        "kernel8.img": b"plain",
        "new/kernel8.img": b"new",
        "upstream/kernel8.img": b"upstream",
        "upstream/bcm2837-rpi-3-b.dtb": DTB,
    }
    ignored = stage(tmp_path / "a", "os_prefix=new/\nenable_uart=1\n", files)
    assert ignored.kernel is not None
    assert ignored.kernel.read_bytes() == b"plain"
    used = stage(tmp_path / "b", "upstream_kernel=1\nenable_uart=1\n", files)
    assert used.kernel is not None
    assert used.kernel.read_bytes() == b"upstream"
    assert used.devicetree is not None


def test_a_devicetree_without_a_uart_on_the_header_shows_nothing(tmp_path: Path) -> None:
    files = {**FILES, "bcm2710-rpi-3-b.dtb": blob(BASE.replace("&uart1_gpio14", "&uart0_gpio32"))}
    done = stage(tmp_path, CONFIG, files)
    assert done.uart is None
    # Pins as the firmware left them: an empty list.
    files["bcm2710-rpi-3-b.dtb"] = blob(BASE.replace("&uart0_gpio32", "&uart_pins"))
    assert stage(tmp_path, CONFIG.replace("enable_uart=1\n", ""), files).uart is None
    files["bcm2710-rpi-3-b.dtb"] = blob(
        BASE.replace("pinctrl-0 = <&uart1_gpio14>;", "").replace("&uart0_gpio32", "&uart_pins")
    )
    assert stage(tmp_path, CONFIG, files).uart == 0


def test_parameters_set_what_their_targets_say() -> None:
    text = """/dts-v1/; / { a: a { flag; n = <0>; }; __overrides__ {
        text = <&a>, "name"; one = <&a>, "n.3"; two = <&a>, "n;0"; eight = <&a>, "wide#0";
        off = <&a>, "flag!"; fixed = <&a>, "n:0=77"; table = <&a>, "x{a=1}"; both = <&a>, "n:0", <&a>, "name";
    }; };"""
    tree = Draft.of(parse_fdt(blob(text), "x").root)
    node = tree.child("a")
    assert node is not None
    assert "both" in parameters(tree)
    assert set_parameter(tree, "text", "hello") == []
    assert node.properties["name"] == b"hello\0"
    assert set_parameter(tree, "one", "0x12") == []
    assert set_parameter(tree, "two", "3") == []
    assert node.properties["n"] == b"\0\x03\0\x12"
    assert set_parameter(tree, "eight", "-1") == []
    assert node.properties["wide"] == b"\xff" * 8
    assert set_parameter(tree, "off", "on") == []
    assert "flag" not in node.properties
    assert set_parameter(tree, "fixed", "on") == []
    assert node.properties["n"] == struct.pack(">I", 77)
    assert set_parameter(tree, "table", "a") == ["x{a=1}"]
    assert set_parameter(tree, "both", "many") == ["n:0"]
    assert node.properties["name"] == b"many\0"


CONFIGS = [
    f"{CONFIG}dtoverlay=header,speed=1\ndtparam=spi=on\n".encode(),
    b"[pi3]\ninclude x\nkernel=vmlinuz\n",
]


@settings(max_examples=60)
@given(data=st.data())
def test_any_config_and_any_devicetree_are_a_stage_or_an_error(data: st.DataObject) -> None:
    parts = [bytearray(data.draw(st.sampled_from(CONFIGS))), bytearray(DTB), bytearray(OVERLAY)]
    for part in parts:
        for _ in range(data.draw(st.integers(0, 3))):
            at = data.draw(st.integers(0, len(part)))
            part[at : at + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=6))
    target("image_firmware")(b"\0CUT\0".join(parts))


@given(data=st.binary(max_size=200))
def test_arbitrary_bytes_are_a_stage_or_an_error(data: bytes) -> None:
    target("image_firmware")(data)


# The machines, the card, the console.


def test_every_machine_is_a_board_that_is_known(tmp_path: Path) -> None:
    from bootwright.boards.model import board

    for machine in board_machines():
        assert board(machine.board).firmware_models
        assert machine.minimum_qemu >= Version.parse("7.2")  # type: ignore[operator]
        assert {each.mini for each in machine.uarts} == {True, False}
        assert any("{disk}" in part for part in machine.disk)
    assert board_machine("raspi3b").board_type == 8
    with pytest.raises(Refused, match="no machine raspi9"):
        board_machine("raspi9")
    (tmp_path / "x.toml").write_text("title = 1\n")
    with pytest.raises(Malformed):
        image_machine.load(tmp_path / "x.toml")


def test_a_card_is_a_power_of_two_over_the_image(tmp_path: Path) -> None:
    assert [card_size(size) for size in (1, 512, 513, 3 << 30)] == [1, 512, 1024, 4 << 30]
    image, overlay = tmp_path / "image", tmp_path / "overlay"
    image.write_bytes(b"QFI\xfb" + bytes(1020))
    write_overlay(image, overlay, 4 << 30)
    data = overlay.read_bytes()
    magic, version, name_at, name_size = struct.unpack_from(">IIQI", data)
    (bits, size, _, entries) = struct.unpack_from(">IQII", data, 20)
    assert (magic, version, bits, size, entries) == (0x514649FB, 2, 16, 4 << 30, 8)
    assert data[name_at : name_at + name_size] == str(image).encode()
    assert struct.pack(">II", 0xE2792ACA, 3) + b"raw" in data[72:name_at]


@pytest.mark.parametrize(
    ("arguments", "edits"),
    [
        ("quiet", []),
        ("console=ttyAMA0,115200", []),
        ("console=tty0 console=ttyAMA0", []),
        ("console=ttyAMA0 console=tty0", ["+console=ttyAMA0,115200"]),
        ("console=tty0 console=ttyAMA10,115200", ["-console=ttyAMA10,115200", "+console=ttyAMA0,115200"]),
        ("console=ttyAMA10 console=ttyAMA0", ["-console=ttyAMA10", "+console=ttyAMA0,115200"]),
        ("console=ttyS0", ["+console=ttyAMA0,115200"]),
    ],
)
def test_the_machines_console_is_added_where_it_is_not_the_last(arguments: str, edits: list[str]) -> None:
    made = [f"{'+' if each.add else '-'}{each.text}" for each in edits_for(arguments.split())]
    assert made == edits
