"""A root that is missing is blamed on a suspicion only where no disk came that it may be missing on."""

from __future__ import annotations

import pytest

from bootwright.diagnose.engine import diagnose_bytes

_UUID = "UUID=0d9b1f52-7a30-4f0e-8c51-2f3b4a5c6d7e"
_START = "[    0.000000] Linux version 6.12.57+deb13-amd64 (b@h) #1 SMP Debian 6.12.57-1\n"
_DISK = "[    1.310000]  nvme0n1: p1 p2 p3\n"
_LINK = "[    1.400000] rockchip-dw-pcie a40c00000.pcie: Phy link never came up\n"
_USB = (
    "[    1.400000] usb 1-5: device descriptor read/64, error -71\n"
    "[    1.450000] usb 1-5: device not accepting address 3, error -71\n"
    "[    1.460000] usb usb1-port5: unable to enumerate USB device\n"
)
_CLOCK = "[    1.400000] fe2c0000.usb: failed to get clk: -517\n"


def _give_up(device: str) -> str:
    return (
        "[    1.500000] Run /init as init process\n"
        "Begin: Waiting for root file system ... Begin: Running /scripts/local-block ... done.\n"
        "Gave up waiting for root file system device.  Common problems:\n"
        f"ALERT!  {device} does not exist.  Dropping to a shell!\n"
        "(initramfs) \n"
    )


def _blamed(text: str) -> str:
    blamed = diagnose_bytes(text.encode(), "a.log").blamed
    assert blamed is not None
    return blamed.finding.signature


@pytest.mark.parametrize("noise", [_LINK, _USB, _CLOCK])
def test_an_empty_slot_is_not_why_a_named_file_system_is_missing_on_a_disk_that_is_there(noise: str) -> None:
    assert _blamed(_START + _DISK + noise + _give_up(_UUID)) == "initramfs-gave-up"


@pytest.mark.parametrize(("noise", "signature"), [(_LINK, "pcie-link-down"), (_USB, "usb-enumeration")])
def test_it_may_be_where_no_disk_came(noise: str, signature: str) -> None:
    assert _blamed(_START + noise + _give_up(_UUID)) == signature


def test_nor_does_another_disk_matter_where_the_root_is_on_a_named_one() -> None:
    card = "[    1.310000]  mmcblk0: p1 p2\n"
    assert _blamed(_START + card + _LINK + _give_up("/dev/nvme0n1p2")) == "pcie-link-down"


def test_a_disk_that_came_after_the_shell_was_not_there_before() -> None:
    late = _DISK.replace("1.31", "9.31")
    assert _blamed(_START + _LINK + _give_up(_UUID) + late) == "pcie-link-down"


@pytest.mark.parametrize(
    ("errors", "answer"),
    [
        ("usb 1-5: device descriptor read/64, error -71", "usb 1-5: New USB device found, idVendor=051d"),
        ("usb 1-4.2: device descriptor read/64, error -71", "usb 1-4.2: New USB device found, idVendor=051d"),
        ("usb 1-4-port2: unable to enumerate USB device", "usb 1-4.2: New USB device found, idVendor=051d"),
        ("usb usb1-port5: unable to enumerate USB device", "usb 1-5: New USB device found, idVendor=051d"),
        (
            "hub 1-0:1.0: unable to enumerate USB device on port 5",
            "usb 1-5: New USB device found, idVendor=1",
        ),
    ],
)
def test_a_usb_device_that_answers_at_last_is_none_that_does_not(errors: str, answer: str) -> None:
    other = answer.replace("1-", "3-")
    for last, expected in ((answer, False), (other, True)):
        text = f"{_START}[    1.400000] {errors}\n[    1.500000] {last}\n"
        boot = diagnose_bytes(text.encode(), "a.log").boots[-1]
        assert ("usb-enumeration" in {finding.signature for finding in boot.findings}) is expected


def test_the_disks_that_are_there_are_named() -> None:
    late = "[    9.310000]  sda: sda1 sda2\n"
    blamed = diagnose_bytes((_START + _DISK + _give_up(_UUID) + late).encode(), "a.log").blamed
    assert blamed is not None
    assert blamed.finding.cause.endswith("the kernel found other disks: nvme0n1.")
    blamed = diagnose_bytes((_START + _give_up(_UUID) + late).encode(), "a.log").blamed
    assert blamed is not None
    assert "disks" not in blamed.finding.cause


def test_a_disk_that_is_there_does_not_clear_another_one_of_its_kind() -> None:
    dead = "[    1.400000] nvme nvme1: Device not ready; aborting initialisation, CSTS=0x0\n"
    assert _blamed(_START + _DISK + dead + _give_up(_UUID)) == "nvme-dead"
