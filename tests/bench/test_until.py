"""A console that is followed: what its boots show, whichever of them comes last."""

from __future__ import annotations

import itertools

from bootwright.bench.until import Criterion, Watch
from bootwright.diagnose.model import Boot, Severity
from bootwright.foundation.verdict import Verdict

BOOT = b"""\
[    0.000000] Booting Linux on physical CPU 0x0000000000 [0x414fd0b1]
[    0.000000] Linux version 6.18.15 (build@host) (gcc 14) #1 SMP PREEMPT
[    0.000000] Machine model: Raspberry Pi 5 Model B Rev 1.1
"""
LINK = b"[    4.100000] macb 1f00100000.ethernet eth0: Link is Up - 1Gbps/Full - flow control off\n"
PANIC = b"""\
[    1.200000] Kernel panic - not syncing: Asynchronous SError Interrupt
[    1.210000] ---[ end Kernel panic - not syncing: Asynchronous SError Interrupt ]---
[    1.220000] Rebooting in 10 seconds..
"""
FIRMWARE = b"""\
RPi: BOOTLOADER release VERSION:14d2f4a1 DATE: 2025/05/08 TIME: 15:13:17
Boot mode: SD (01) order f4
"""


def judge(boot: Boot) -> dict[str, Verdict]:
    """A goal that a fatal failure decides, and a link."""
    if any(finding.severity is Severity.FATAL for finding in boot.findings):
        return {"ethernet": Verdict.FAILS}
    link = any(finding.signature == "link" for finding in boot.findings)
    return {"ethernet": Verdict.WORKS} if link else {}


def seen(*pieces: bytes, criteria: str = "") -> Watch:
    """A console of which every piece was looked at as it came."""
    clock = itertools.count(0.0, 100.0)
    watch = Watch(tuple(map(Criterion.parse, criteria.split())), judge, ("ethernet",))
    for seconds, piece in enumerate(pieces):
        watch.feed(piece, float(seconds))
        watch.look(float(seconds), lambda: next(clock), now=True)
    return watch


def test_firmware_that_starts_again_does_not_hide_the_panic_before_it() -> None:
    watch = seen(BOOT + PANIC, FIRMWARE)
    assert watch.outcomes == {"ethernet": Verdict.FAILS}
    assert watch.has_restarted, "it may come up yet"
    assert not watch.is_fatal


def test_a_board_that_fails_again_after_its_restart_is_given_up() -> None:
    watch = seen(BOOT + PANIC, FIRMWARE, BOOT + PANIC, FIRMWARE)
    assert watch.is_fatal
    assert not watch.has_restarted
    assert watch.outcomes == {"ethernet": Verdict.FAILS}


def test_a_board_that_comes_up_after_its_restart_works() -> None:
    watch = seen(BOOT + PANIC, FIRMWARE + BOOT + LINK + b"talos-abc login: \n")
    assert watch.outcomes == {"ethernet": Verdict.WORKS}
    assert not watch.is_fatal


def test_a_criterion_counts_in_whichever_boot_it_came() -> None:
    at_once = seen(BOOT + LINK + PANIC + FIRMWARE + BOOT, criteria="link")
    in_pieces = seen(BOOT + LINK, PANIC, FIRMWARE, BOOT, criteria="link")
    assert at_once.is_reached
    assert in_pieces.is_reached


def test_a_loader_that_is_silent_for_a_moment_has_not_failed_until_the_boot_is_over() -> None:
    watch = seen(b"U-Boot 2031.01 (Jan 06 2031)\n\nDRAM:  1 GiB\nLoading quux from MMC...\n")
    assert not watch.is_fatal
    assert watch.outcomes == {}
    watch.look(200.0, lambda: 1000.0, now=True, over=True)
    assert watch.is_fatal
    assert watch.outcomes == {"ethernet": Verdict.FAILS}
