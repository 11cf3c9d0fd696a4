"""What must hold between a log and a changed copy of it; benchmarks/score_relations.py measures all of it.

The same examples on every run: a log for which a relation does not hold is found by the benchmark, with other
seeds, and not by chance in somebody else's change.
"""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from own_logs_kit import cases, noise

from bootwright.diagnose.engine import diagnose_bytes
from relations import RELATIONS, Case, Relation, first_finding, rests_on_its_clock
from score_relations import KNOWLEDGE, filled

BY_NAME = {relation.name: relation for relation in RELATIONS}
ANY_SEED = st.integers(0, 2**32)
ALL = st.deferred(lambda: st.sampled_from(cases()))
FAILING = st.deferred(lambda: st.sampled_from([case for case in cases() if not case.healthy]))
HEALTHY = st.deferred(lambda: st.sampled_from([case for case in cases() if case.healthy]))


def holds(relation: Relation, case: Case, seed: int) -> None:
    for copy in relation.copies(case, noise(), random.Random(seed)):
        after = diagnose_bytes(copy.data, "log", KNOWLEDGE)
        before = case.before.outcome
        assert relation.allows(before, after.outcome), (
            f"{case.name}: {before} ({first_finding(case.before)}) became {after.outcome} "
            f"({first_finding(after)}), {relation.title}, {copy.change}, seed {seed}"
        )


def test_there_are_logs_of_both_kinds_and_noise() -> None:
    assert sum(case.healthy for case in cases()) > 30
    assert sum(not case.healthy for case in cases()) > 100
    assert len(noise()) > 35_000


@pytest.mark.parametrize(
    "name", ["no-stamps", "syslog", "wrapper", "talos", "crlf", "second-console", "twice"]
)
@settings(max_examples=120, derandomize=True)
@given(case=ALL, seed=ANY_SEED)
def test_the_outcome_stays(name: str, case: Case, seed: int) -> None:
    if (name, case.name) not in KNOWN:
        holds(BY_NAME[name], case, seed)


@settings(max_examples=120, derandomize=True)
@given(case=ALL, seed=ANY_SEED)
def test_harmless_kernel_lines_change_nothing(case: Case, seed: int) -> None:
    if ("kernel-noise", case.name) not in KNOWN:
        holds(BY_NAME["kernel-noise"], case, seed)


@settings(max_examples=120, derandomize=True)
@given(case=FAILING, seed=ANY_SEED)
def test_what_is_proved_stays_proved(case: Case, seed: int) -> None:
    if ("cut", case.name) not in KNOWN:
        holds(BY_NAME["cut"], case, seed)


@settings(max_examples=40, derandomize=True)
@given(case=HEALTHY, seed=ANY_SEED)
def test_a_healthy_boot_says_nowhere_that_it_failed(case: Case, seed: int) -> None:
    if ("healthy-cut", case.name) not in KNOWN:
        holds(BY_NAME["healthy-cut"], case, seed)


@pytest.mark.parametrize(
    ("name", "rests"),
    [
        ("talos-task-open/cut-off", True),
        ("talos-task-open/state-never-ready", True),
        ("no-root/gallery-no-root", False),
    ],
)
def test_what_the_clock_alone_tells(name: str, rests: bool) -> None:
    case = next(case for case in cases() if case.name.startswith(name))
    assert rests_on_its_clock(case) is rests


def copies(name: str, text: str) -> list[bytes]:
    """What a relation makes of a healthy log."""
    data = text.encode()
    case = Case("made", data, True, b"", diagnose_bytes(data, "log", KNOWLEDGE))
    return [copy.data for copy in BY_NAME[name].copies(case, [b"qzx: ready"], random.Random(1))]


LOADER = "U-Boot 2031.01 (Jan 06 2031 - 12:00:00 +0000)\n\nStarting kernel ...\n\n"
KERNEL = "[    0.000000] Linux version 6.12.5-test (a@b) #1\n"
DONE = "[    1.800000] Freeing unused kernel memory: 1024K\n"
AT_WORK = "[    4.900000] eth0: entered promiscuous mode\n"
OF_SYSLOG = "Jun 29 18:28:41 quux kernel: Linux version 6.12.5-test (a@b) #1\n"


@pytest.mark.parametrize(("seconds", "decides"), [("333333333444444444", True), ("3" * 18, False)])
def test_a_system_logs_dates_are_a_clock(seconds: str, decides: bool) -> None:
    """An error that comes often within two seconds: at another pace it goes on."""
    errors = "".join(
        f"Jun 29 18:28:4{second} quux kernel: frob f0.frob: cannot reach quux\n" for second in seconds
    )
    assert bool(copies("no-clock", OF_SYSLOG + errors)) is decides


@pytest.mark.parametrize(
    ("text", "stamps"), [("quux: frobs are ready", True), ("Run /init as init process", False)]
)
def test_what_the_stamps_alone_show_to_be_a_kernels(text: str, stamps: bool) -> None:
    window = f"[    0.198584] {text}\n[    0.199693] quux: frobs are ready\n"
    assert (len(copies("no-stamps", window)), len(copies("no-clock", window))) == (not stamps, stamps)


@pytest.mark.parametrize(("end", "made"), [(DONE, 0), (DONE + AT_WORK, 1)])
def test_two_boots_that_end_as_they_start_their_first_program_may_be_a_loop(end: str, made: int) -> None:
    assert len(copies("twice", LOADER + KERNEL + end)) == made


FLAW = "[    9.100000] BUG: kernel NULL pointer dereference, address: 0000000000000010\n"
UP = "[    8.000000] systemd[1]: Reached target multi-user.target - Multi-User System.\n"


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        # The second start has got further than the first one with its eleventh line.
        ((LOADER + KERNEL) * 2 + DONE + AT_WORK, {1, 2, 3, 4, 5, 11, 12}),
        (KERNEL + DONE + UP + FLAW + "[   30.000000] quux: frobs are ready\n" * 9, {1, 2, 3}),
    ],
)
def test_a_cut_leaves_what_a_failure_was_got_over_with(text: str, cut: set[int]) -> None:
    assert {copy.count(b"\n") for copy in copies("healthy-cut", text)} == cut


def test_no_driver_speaks_before_the_kernels_version() -> None:
    booting = "[    0.000000] Booting Linux on physical CPU 0x0\n"
    (noisy,) = copies("kernel-noise", booting + KERNEL + DONE)
    assert noisy.startswith((booting + KERNEL).encode())


def test_a_format_is_filled() -> None:
    text = filled(b"%s: id 0x%08x at %pM, %*ph, %-5lld%%\nsecond line", random.Random(1))
    assert re.fullmatch(rb"qzx\d: id 0x[0-9a-f]+ at [0-9a-f]{16}, [0-9a-f]{16}, \d+%", text)


KNOWN = {
    ("no-stamps", "thermal-throttled/cpu"),
    ("second-console", "uboot-boot-failed/gallery-uboot-nothing-to-boot"),
    ("second-console", "loader-loop/same-block"),
    # A line after the last one may be the first program's.
    ("second-console", "first-program-silent/example"),
    ("second-console", "first-program-silent/watched"),
    ("second-console", "first-program-silent/with-its-environment"),
    ("kernel-noise", "kernel-report/words-of-a-newer-kernel"),
    # The lines put in may say that a port has its link (`Port:88 - FCOE LINK UP`).
    ("kernel-noise", "no-network-device/gallery-no-network-driver"),
    ("healthy-cut", "eeprom-nvme/falls-through"),
    ("healthy-cut", "uboot-fell-back/second-source"),
    ("healthy-cut", "uboot-noise/no-ethernet"),
}
"""Where one does not hold yet: relation and log."""
