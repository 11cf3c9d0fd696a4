"""Other Unixes than Linux: what they end with counts, and of the rest nothing is said."""

from __future__ import annotations

import pytest
from diagnosed_kit import diagnosed

from bootwright.diagnose.model import Outcome

FREEBSD = (
    "---<<BOOT>>---\nFreeBSD 31.4-RELEASE releng/31.4 GENERIC arm64\n"
    "Trying to mount root from ufs:/dev/ada9p2 [rw]...\n"
)
OPENBSD = "OpenBSD 31.4 (GENERIC.MP) #60: Sun Oct 12 12:30:11 MDT 2031\nreal mem = 8439808000 (8048MB)\n"
NETBSD = "[   1.0000000] NetBSD 31.4 (GENERIC64) #0: Mon Dec 16 13:08:11 UTC 2031\n"


@pytest.mark.parametrize(
    "log",
    [
        "---<<BOOT>>---\nFreeBSD 31.4-RELEASE releng/31.4 GENERIC arm64\nquux0: <Frob> on bus0\n",
        f"{OPENBSD}mainbus0 at root\n",
        f"{FREEBSD}FreeBSD/arm64 (frob) (ttyu0)\n\nlogin: (quux9:frob0:0:0): Error 5, Retries exhausted\n",
    ],
    ids=["freebsd", "openbsd", "error"],
)
def test_a_unix_that_is_not_read_is_unknown_before_it_is_up_and_after_an_error(log: str) -> None:
    diagnosis = diagnosed(log)
    assert diagnosis.outcome is Outcome.UNKNOWN
    assert "another Unix than Linux" in repr(diagnosis.boots[-1].gaps)


@pytest.mark.parametrize(
    "log",
    [
        f"{FREEBSD}Starting quux.\n\nFreeBSD/arm64 (frob) (ttyu0)\n\nlogin: \n",
        f"{OPENBSD}starting local daemons: quux.\n\nOpenBSD/arm64 (frob.example) (console)\n\nlogin: \n",
        f"{NETBSD}[   1.0000000] quux0 at simplebus0\nroot@frob:~# \n",
    ],
    ids=["freebsd", "openbsd", "netbsd"],
)
def test_a_unix_that_asks_for_a_login_is_up(log: str) -> None:
    assert diagnosed(log).outcome is Outcome.BOOT_OK


@pytest.mark.parametrize(
    ("log", "reason"),
    [
        (
            f"{FREEBSD}/dev/ada9p2: UNEXPECTED QUUX; RUN fsck MANUALLY.\n"
            "ERROR: ABORTING BOOT (sending SIGTERM to parent)!\n"
            "Enter full pathname of shell or RETURN for /bin/sh: \n",
            "ABORTING BOOT",
        ),
        (
            f"{FREEBSD}Mounting from ufs:/dev/ada9p2 failed with error 6.\n\nmountroot> \n",
            "ufs:/dev/ada9p2",
        ),
        (
            f"{OPENBSD}panic: quux is not frob\nStopped at      db_enter+0x14\nddb{{1}}> \n",
            "quux is not frob",
        ),
        (f"{OPENBSD}vscsi0 at root\nroot device: \n", "root device"),
        (f"{NETBSD}[   2.1000000] root device: \n", "root device"),
    ],
    ids=["fsck", "mountroot", "debugger", "root-openbsd", "root-netbsd"],
)
def test_where_a_unix_asks_what_to_do_it_has_failed(log: str, reason: str) -> None:
    diagnosis = diagnosed(log)
    assert diagnosis.outcome is Outcome.FAILED
    finding = diagnosis.boots[-1].findings[0]
    assert reason in finding.cause
    assert "journalctl" not in finding.remedy


def test_a_linux_that_names_another_unix_is_a_linux() -> None:
    log = (
        "[    0.000000] Linux version 6.31.0\n"
        "[    4.120110] systemd[1]: Reached target multi-user.target - Multi-User System.\n"
        "FreeBSD 31.4-RELEASE is a guest here\nquux login: \n"
    )
    assert diagnosed(log).outcome is Outcome.BOOT_OK
