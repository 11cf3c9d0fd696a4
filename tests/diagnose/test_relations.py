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
    ("kernel-noise", "kernel-report/words-of-a-newer-kernel"),
    # The lines put in may say that a port has its link (`Port:88 - FCOE LINK UP`).
    ("kernel-noise", "no-network-device/gallery-no-network-driver"),
    ("healthy-cut", "eeprom-nvme/falls-through"),
    ("healthy-cut", "uboot-fell-back/second-source"),
    ("healthy-cut", "uboot-noise/no-ethernet"),
}
"""Where one does not hold yet: relation and log."""
