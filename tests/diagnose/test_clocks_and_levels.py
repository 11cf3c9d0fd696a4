"""What a line's clock and level tell, where it has no kernel's clock and no kernel's level.

The lines have the forms of the programs named; devices and times are made up.
"""

from __future__ import annotations

import pytest
from diagnosed_kit import diagnosed

from bootwright.diagnose.engine import diagnose_bytes
from bootwright.diagnose.model import Outcome
from bootwright.diagnose.reading.levels import level_of
from bootwright.diagnose.signatures.knowledge import load

START = (
    "[    0.000000] Linux version 6.12.5-test (a@b) #1\n"
    "[    0.000010] Kernel command line: root=/dev/sda5 ro\n"
    "[    1.500000] VFS: Mounted root (ext4 filesystem) readonly on device 8:5.\n"
    "[    1.617031] Run /init as init process\n"
)


def flapping(minutes: int) -> str:
    lines = []
    for turn in range(4):
        minute = turn * minutes
        at = f"Mar 05 {2 + minute // 60:02}:{minute % 60:02}"
        lines += [
            f"{at}:05 host kernel: tg3 0000:03:00.0 eth0: Link is down",
            f"{at}:09 host kernel: tg3 0000:03:00.0 eth0: Link is up at 100 Mbps, full duplex",
        ]
    up = "Mar 05 01:59:01 host kernel: tg3 0000:03:00.0 eth0: Link is up at 100 Mbps, full duplex"
    return "\n".join([up, *lines]) + "\n"


@pytest.mark.parametrize(("minutes", "flaps"), [(1, True), (28, False)])
def test_a_link_is_lost_again_and_again_within_minutes_of_any_clock(minutes: int, flaps: bool) -> None:
    boots = diagnosed(flapping(minutes)).boots
    assert any(entry.signature == "link-flapping" for boot in boots for entry in boot.findings) is flaps


@pytest.mark.parametrize(("letter", "level"), [("F", 2), ("E", 3), ("W", 4), ("I", 6), ("D", 7)])
def test_a_wireless_driver_of_qualcomms_gives_levels_of_its_own(letter: str, level: int) -> None:
    assert level_of(f"[   77.964876] wlan: [4342:{letter}:ANY] quux_set: value: 10".encode()) == level


def test_a_first_program_whose_every_word_is_the_same_warning_gets_no_further() -> None:
    fails = "".join(
        f"[{2 + 8 * turn:5}.633768] /dev/mmcblk0p5: Can't lookup blockdev\n" for turn in range(30)
    )
    assert diagnosed(START + fails).outcome is not Outcome.BOOT_OK
    works = "".join(f"[   3.00000{turn}] quux{'abcdefghi'[turn]}: registered\n" for turn in range(9))
    assert diagnosed(START + works + fails).outcome is Outcome.BOOT_OK


@pytest.mark.parametrize("escape", ["\x1b", "^[", "\N{LEFTWARDS ARROW}", "\N{SYMBOL FOR ESCAPE}"])
def test_colours_are_no_words_however_their_escape_is_shown(escape: str) -> None:
    line = f"[{escape}[1;33mDEPEND{escape}[0m] Dependency failed for Local File Systems.\n"
    findings = diagnose_bytes((START + line).encode(), "log", load()).boots[0].findings
    assert "dependency-failed" in {entry.signature for entry in findings}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("xhci_hcd: probe of 0000:01:00.0 failed with error -110", Outcome.DEGRADED),
        ("pcie-quux: probe of 1f000.pcie failed with error -110", Outcome.BOOT_OK),
    ],
)
def test_behind_a_usb_controller_there_is_no_link_that_may_be_down(line: str, expected: Outcome) -> None:
    works = "[    3.000000] systemd[1]: Started Frobnicator.\n"
    assert diagnosed(f"{START}[    2.000000] {line}\n{works}").outcome is expected


def test_uboot_is_known_by_its_own_words() -> None:
    log = "MMC Device 0: 29.1 GiB\nmmc_init: -95, time 11\nFailed to mount ext2 filesystem...\n"
    assert diagnosed(log + "** Unrecognized filesystem type **\n** Invalid partition 2 **\n").outcome is (
        Outcome.FAILED
    )
