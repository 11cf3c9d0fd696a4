"""U-Boot of Debian's package, and an EEPROM laid out by hand (public images were read the same way)."""

from __future__ import annotations

import importlib.util
import struct
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bootwright.formats.programs.eeprom import is_eeprom, read_eeprom, read_told
from bootwright.formats.programs.u_boot import is_u_boot, read_u_boot
from bootwright.formats.sources.bytesource import Bytes, FileBytes
from bootwright.foundation.errors import Malformed

QEMU = Path("/usr/lib/u-boot/qemu_arm64/u-boot.bin")


def test_u_boot_says_its_version_and_drivers() -> None:
    if not QEMU.is_file():
        pytest.skip("u-boot-qemu is not installed")
    source = FileBytes(QEMU)
    assert is_u_boot(source, source.read(0, 512))
    u_boot = read_u_boot(source)
    assert u_boot.version.startswith("20")
    assert u_boot.drives("arm,pl011")
    assert u_boot.drives("virtio,mmio")
    assert u_boot.drives("pci-host-ecam-generic")
    assert not u_boot.drives("brcm,bcm2712-pcie")
    assert "nvme" in u_boot.names
    by_name = {driver.name: driver.compatibles for driver in u_boot.drivers}
    assert by_name["psci"] == ("arm,psci", "arm,psci-0.2", "arm,psci-1.0")


def u_boot(compatibles: tuple[str, ...] = ("acme,host", "acme,host-v2")) -> bytes:
    """A version, one table and its driver, linked at 0x80000 as start.S has it."""
    base, size = 0x80000, 70000
    data = bytearray(size + -size % 8)
    struct.pack_into("<4Q", data, 0, 0x1400000A, base, len(data), len(data))
    at = 256
    places = []
    for text in (*compatibles, "acme_host"):
        data[at : at + len(text)] = text.encode()
        places.append(base + at)
        at += len(text) + 1
    table = 1024
    for number, place in enumerate(places[:-1]):
        struct.pack_into("<2Q", data, table + 16 * number, place, 0)
    struct.pack_into("<3Q", data, 2048, places[-1], 17, base + table)
    data[4096:4140] = b"U-Boot 2025.01-test (Jan 01 2025 - 00:00:00)"
    return bytes(data)


def test_a_driver_by_its_table() -> None:
    source = Bytes(u_boot(), "u-boot.bin")
    assert is_u_boot(source, source.read(0, 512))
    firmware = read_u_boot(source)
    assert firmware.version == "2025.01-test"
    assert [(driver.name, driver.compatibles) for driver in firmware.drivers] == [
        ("acme_host", ("acme,host", "acme,host-v2"))
    ]
    with pytest.raises(Malformed, match="U-Boot for arm64"):
        read_u_boot(Bytes(b"hello", "file"))


def section(mark: int, content: bytes, name: str = "") -> bytes:
    inside = (name.encode().ljust(12, b"\0") + bytes(4) if name else b"") + content
    made = struct.pack(">2L", mark, len(inside)) + inside
    return made + bytes(-len(made) % 8)


def eeprom(config: bytes = b"[all]\nBOOT_ORDER=0xf461\n[pi4]\nBOOT_UART=1\n") -> bytes:
    code = section(0x55AAF00F, bytes(40) + b"BUILD_TIMESTAMP=1762364238\0" + bytes(8))
    padding = section(0x55AAFEEF, b"\xff" * 24)
    whole = code + padding + section(0x55AAF11F, config, "bootconf.txt")
    return whole + b"\xff" * 64


def test_an_eeprom_says_when_it_was_made_and_what_it_tries() -> None:
    source = Bytes(eeprom(), "pieeprom.bin")
    assert is_eeprom(source, source.read(0, 64))
    firmware = read_eeprom(source)
    assert firmware.made == date(2025, 11, 5)
    assert firmware.boot_order == ("sd", "nvme", "usb", "restart")
    assert firmware.filtered == ("pi4",)
    with pytest.raises(Malformed, match="a section inside the image"):
        read_eeprom(Bytes(eeprom()[:60], "pieeprom.bin"))
    with pytest.raises(Malformed, match="the mark of a section"):
        read_eeprom(Bytes(section(0x55AAF00F, bytes(8)) + b"12345678", "pieeprom.bin"))


def test_what_a_board_says_of_it() -> None:
    firmware = read_told("2023/12/14 10:00:00\nversion 1 (release)\ntimestamp 1702548000\n")
    settings = read_told("[all]\nBOOT_ORDER=0xf41\n")
    assert firmware is not None
    assert settings is not None
    both = settings.joined(firmware)
    assert (both.made, both.boot_order) == (date(2023, 12, 14), ("sd", "usb", "restart"))
    assert read_told("kernel=u-boot.bin\n") is None
    assert read_told("2023/12/14 10:00:00\n") is None


SEEDS = (u_boot(), eeprom(), b"2023/13/44 10:00:00\nversion 1\n", b"[all]\nBOOT_ORDER=0x\n")


@given(st.sampled_from(SEEDS), st.integers(0, 5000), st.binary(max_size=12))
@settings(max_examples=120, deadline=None)
def test_the_fuzz_target_holds(seed: bytes, at: int, put: bytes) -> None:
    path = Path(__file__).parents[2] / "fuzz" / "fuzz_board_firmware.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    place = at % len(seed)
    module.one_input(seed[:place] + put + seed[place + len(put) :])
