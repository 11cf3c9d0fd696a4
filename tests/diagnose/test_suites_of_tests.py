"""What a suite of tests provokes on a machine that is up, and what counts beside it.

The lines have the forms of the kernel's and the suites' messages; devices and times are made up.
"""

from __future__ import annotations

import pytest
from diagnosed_kit import diagnosed

from bootwright.diagnose.model import Outcome

START = (
    "[    0.000000] Linux version 6.12.5-test (a@b) #1\n"
    "[    1.900000] Run /sbin/init as init process\n"
    "[    9.000000] systemd[1]: Reached target multi-user.target - Multi-User System.\n"
)
DAMAGED = (
    "[   62.1{0}] EXT4-fs error (device sdb4): ext4_lookup:1785: inode #12: comm cat: deleted inode: 13\n"
)
REFUSED = "[   62.2{0}] /dev/zero: Can't open blockdev\nmount: /mnt: /dev/zero: can't read superblock.\n"
LOCKUP = "[   99.1{0}] watchdog: BUG: soft lockup - CPU#1 stuck for 26s! [cat:77]\n"
SUITES = ("run fstests generic/388 at 2026-11-30 10:00:00", "LTP: starting quux01", "./runltp -f fs-03")


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("provoked", [DAMAGED, REFUSED])
def test_what_a_test_provokes_is_no_failure_of_the_machine(suite: str, provoked: str) -> None:
    assert diagnosed(f"{START}[   61.100000] {suite}\n{provoked.format('00000')}").outcome is Outcome.BOOT_OK


@pytest.mark.parametrize("suite", SUITES)
def test_what_no_test_wants_counts_all_the_same(suite: str) -> None:
    assert (
        diagnosed(f"{START}[   61.100000] {suite}\n{LOCKUP.format('00000')}").outcome is not Outcome.BOOT_OK
    )


READ_ERROR = "[   {0}.100000] I/O error, dev sdb, sector 8 op 0x0:(READ) flags 0x0 phys_seg 1 prio class 0\n"


@pytest.mark.parametrize(("when", "expected"), [(62, Outcome.BOOT_OK), (40, Outcome.DEGRADED)])
def test_a_suite_provokes_what_comes_after_it_began(when: int, expected: Outcome) -> None:
    lines = {61: f"[   61.100000] {SUITES[0]}\n", when: READ_ERROR.format(when)}
    assert diagnosed(START + "".join(lines[second] for second in sorted(lines))).outcome is expected


def test_without_a_suite_a_damaged_file_system_is_one() -> None:
    assert diagnosed(START + DAMAGED.format("00000")).outcome is Outcome.DEGRADED


@pytest.mark.parametrize(("times", "expected"), [(2, Outcome.BOOT_OK), (9, Outcome.DEGRADED)])
def test_a_program_that_crashes_again_and_again_is_missed(times: int, expected: Outcome) -> None:
    crashes = "".join(
        f"[{70 + 5 * turn:5}.086214] agetty[{3224 + turn}]: segfault at 0 ip 7f44c535e7 error 4 in libc.so\n"
        for turn in range(times)
    )
    assert diagnosed(START + crashes).outcome is expected


def test_an_error_that_was_detected_is_one() -> None:
    lines = "[   51.6{0}] iwlwifi 0000:03:00.0: Microcode SW error detected.  Restarting 0x82000000.\n"
    assert diagnosed(lines.format("27729") + lines.format("87729")).outcome is Outcome.DEGRADED


WINDOW = "".join(
    f"[   71.2{port:05}] mpt3sas 0000:0{port % 8}:00.0: enabling device (0000 -> 0002)\n"
    for port in range(60)
)


@pytest.mark.parametrize(("suite", "expected"), [(SUITES[0], Outcome.BOOT_OK), ("", Outcome.DEGRADED)])
def test_no_window_of_a_log_was_taken_for_what_a_suite_provokes(suite: str, expected: Outcome) -> None:
    begun = f"[   61.100000] {suite}\n" if suite else ""
    failed = "".join(READ_ERROR.format(62 + turn) for turn in range(3))
    assert diagnosed(begun + failed + WINDOW).outcome is expected
