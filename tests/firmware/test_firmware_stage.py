"""A Raspberry Pi firmware's stage: config.txt, devicetree, overlays and UART, as documented."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from firmware_kit import card, compiled, fuzz_target
from hypothesis import given, settings
from hypothesis import strategies as st

from bootwright.firmware.stage import Stage
from bootwright.firmware.stage import stage as firmware_stage
from bootwright.image_boot.handover import firmware_board
from bootwright.image_boot.machine import board_machine

PI3 = firmware_board(board_machine("raspi3b"))
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
    return compiled(text).blob


DTB, OVERLAY = blob(BASE), blob(HEADER)
FILES = {
    "vmlinuz": b"kernel",
    "cmdline.txt": b"console=serial0,115200 quiet\nanother line",
    "bcm2710-rpi-3-b.dtb": DTB,
    "overlays/header.dtbo": OVERLAY,
    "one.cpio": b"one",
    "two.cpio": b"two",
}


def stage(config: str | None, files: Mapping[str, bytes] = FILES) -> Stage:
    given_files = dict(files) | ({"config.txt": config.encode()} if config is not None else {})
    return firmware_stage(card(given_files), PI3, "card")


def test_config_txt_says_what_is_started() -> None:
    config = f"{CONFIG}initramfs one.cpio,two.cpio followkernel\n[pi4]\nkernel=other\n[all]\n"
    config += "dtparam=spi=on,speed=5\n"
    done = stage(config)
    assert done.stopped is None
    assert done.kernel == "/vmlinuz"
    assert done.initramfs == ("/one.cpio", "/two.cpio")
    tree = done.tree
    assert tree is not None
    spi = tree.node("/soc/spi")
    assert spi is not None
    assert spi.string("status") == "okay"
    assert spi.cells("speed") == (1, 5)
    # The mini UART is on the header, and the kernel's arguments are the first line of cmdline.txt.
    assert done.uart == 1
    assert done.arguments == "console=ttyS1,115200 quiet"
    assert done.warnings == ()


def test_an_overlay_with_its_parameters_moves_the_console() -> None:
    done = stage(f"{CONFIG}dtoverlay=header,speed=9\n")
    assert done.warnings == (), done.log
    tree = done.tree
    assert tree is not None
    spi, mini = tree.node("/soc/spi"), tree.node("/soc/serial@7e215040")
    assert spi is not None
    assert spi.cells("speed") == (9, 8)
    assert mini is not None
    assert not mini.available
    assert done.uart == 0
    assert done.arguments.startswith("console=ttyAMA0,")
    plain = stage(f"{CONFIG}dtoverlay=header\ndtparam=plain\n")
    assert plain.tree is not None
    spi = plain.tree.node("/soc/spi")
    assert spi is not None
    assert spi.cells("speed") == (1, 2), "the fragment is switched off"


@pytest.mark.parametrize(
    ("config", "without", "said"),
    [
        (CONFIG, "bcm2710-rpi-3-b.dtb", "devicetree: none"),
        (f"{CONFIG}device_tree=mine.dtb\n", "", "devicetree: none (/mine.dtb)"),
        (f"{CONFIG}dtoverlay=absent\n", "", "the overlay absent is not among the files"),
        (f"{CONFIG}initramfs absent followkernel\n", "", "initramfs: /absent is not there"),
        (f"{CONFIG}dtparam=i2c=on\n", "", "no parameter i2c in bcm2710-rpi-3-b.dtb"),
        (CONFIG, "cmdline.txt", "command line: /cmdline.txt is not there"),
        (CONFIG.replace("enable_uart=1", ""), "", "off without enable_uart=1"),
    ],
)
def test_what_is_amiss_is_told_and_the_firmware_goes_on(config: str, without: str, said: str) -> None:
    done = stage(config, {name: data for name, data in FILES.items() if name != without})
    assert done.stopped is None
    assert done.kernel == "/vmlinuz"
    assert any(said in warning for warning in done.warnings), done.warnings


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (CONFIG.replace("vmlinuz", "nothing.img"), "no kernel: /nothing.img"),
        (CONFIG.replace("arm_64bit=1\n", ""), "32-bit mode"),
        (None, "no kernel: /kernel8.img"),
    ],
)
def test_a_firmware_that_starts_nothing(config: str | None, said: str) -> None:
    done = stage(config)
    assert done.kernel is None
    assert done.stopped is not None
    assert said in done.stopped


def test_a_prefix_counts_where_kernel_and_devicetree_have_it() -> None:
    files = {
        **FILES,
        "kernel8.img": b"plain",
        "new/kernel8.img": b"new",
        "upstream/kernel8.img": b"upstream",
        "upstream/bcm2837-rpi-3-b.dtb": DTB,
    }
    ignored = stage("os_prefix=new/\nenable_uart=1\n", files)
    assert ignored.kernel == "/kernel8.img"
    used = stage("upstream_kernel=1\nenable_uart=1\n", files)
    assert used.kernel == "/upstream/kernel8.img"
    assert used.tree is not None
    # The devicetree is an upstream one: no overlay has to make it so.
    assert not any("upstream.dtbo" in line for line in used.warnings)


def test_overlays_have_the_prefix_only_beside_a_readme() -> None:
    other = blob(HEADER.replace("<7 8>", "<70 80>"))
    files = {
        **FILES,
        "new/vmlinuz": b"new",
        "new/bcm2710-rpi-3-b.dtb": DTB,
        "new/overlays/header.dtbo": other,
    }
    config = f"{CONFIG}os_prefix=new/\ndtoverlay=header\n"

    def speed(config: str, files: Mapping[str, bytes]) -> tuple[int, ...]:
        tree = stage(config, files).tree
        spi = tree.node("/soc/spi") if tree is not None else None
        assert spi is not None
        return spi.cells("speed")

    assert speed(config, files) == (7, 8)
    files["new/overlays/README"] = b""
    assert speed(config, files) == (70, 80)
    files["my-header.dtbo"] = blob(HEADER.replace("<7 8>", "<1 1>"))
    assert speed(f"{CONFIG}overlay_prefix=my-\ndtoverlay=header\n", files) == (1, 1)


def test_an_initramfs_of_the_kernels_name_is_taken_where_config_txt_wants_it() -> None:
    files = {**FILES, "kernel8.img": b"kernel", "initramfs8": b"initramfs"}
    assert stage("auto_initramfs=1\n", files).initramfs == ("/initramfs8",)
    assert stage("", files).initramfs == ()


def test_a_downstream_devicetree_gets_the_upstream_overlay() -> None:
    upstream = "/dts-v1/; /plugin/; / { fragment@0 { target = <&spi>; __overlay__ { upstream; }; }; };"
    files = {**FILES, "overlays/upstream.dtbo": blob(upstream)}
    done = stage(f"{CONFIG}upstream_kernel=1\n", files)
    spi = done.tree.node("/soc/spi") if done.tree is not None else None
    assert spi is not None
    assert "upstream" in spi


def test_a_devicetree_without_a_uart_on_the_header_shows_nothing() -> None:
    files = {**FILES, "bcm2710-rpi-3-b.dtb": blob(BASE.replace("&uart1_gpio14", "&uart0_gpio32"))}
    done = stage(CONFIG, files)
    assert done.uart is None
    # Pins as the firmware left them: an empty list.
    files["bcm2710-rpi-3-b.dtb"] = blob(BASE.replace("&uart0_gpio32", "&uart_pins"))
    assert stage(CONFIG.replace("enable_uart=1\n", ""), files).uart is None
    files["bcm2710-rpi-3-b.dtb"] = blob(
        BASE.replace("pinctrl-0 = <&uart1_gpio14>;", "").replace("&uart0_gpio32", "&uart_pins")
    )
    assert stage(CONFIG, files).uart == 0


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
    fuzz_target("image_firmware")(b"\0CUT\0".join(parts))


@given(data=st.binary(max_size=200))
def test_arbitrary_bytes_are_a_stage_or_an_error(data: bytes) -> None:
    fuzz_target("image_firmware")(data)
