"""Versions are ordered as the Version Format Specification (UAPI.10) says, and as systemd does it."""

from __future__ import annotations

import functools
import itertools
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootwright.bootchain.efi.version_order import compare

NEWEST_FIRST = functools.cmp_to_key(lambda version, other: compare(other, version))

# The specification's own examples, each list from old to new.
ASCENDING = (
    ("122.1", "123~rc1-1", "123", "123-a", "123-a.1", "123-1", "123-1.1", "123^post1", "123.a-1", "123.1-1",
     "123a-1", "124-1"),
    ("9", "10", "11"),
    ("1~", "1"),
    ("kit-9.efi", "kit-10.efi"),
    ("B", "a"),
)  # fmt: skip
EQUAL = (("123", "123"), ("1.02", "1.2"), ("1_2", "1+2"), ("", ""), ("00", "0"))


@pytest.mark.parametrize("versions", ASCENDING)
def test_the_specification_s_examples(versions: tuple[str, ...]) -> None:
    for lower, other in itertools.combinations(versions, 2):
        assert compare(lower, other) < 0, (lower, other)
        assert compare(other, lower) > 0, (lower, other)
    assert sorted(versions, key=NEWEST_FIRST) == list(versions)[::-1]


@pytest.mark.parametrize(("version", "other"), EQUAL)
def test_what_is_equal(version: str, other: str) -> None:
    assert compare(version, other) == 0


TEXT = st.text(alphabet="0123459abBz.-~^_+", max_size=8)


@given(TEXT, TEXT, TEXT)
def test_it_is_an_order(version: str, other: str, third: str) -> None:
    assert compare(version, version) == 0
    assert compare(version, other) == -compare(other, version)
    ordered = sorted((version, other, third), key=NEWEST_FIRST)
    assert compare(ordered[0], ordered[1]) >= 0
    assert compare(ordered[1], ordered[2]) >= 0
    assert compare(ordered[0], ordered[2]) >= 0


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is the oracle")
def test_systemd_says_the_same() -> None:
    cases = [pair for versions in ASCENDING for pair in itertools.permutations(versions, 2)]
    cases += [
        ("1^x", "1.x"),
        ("1a", "1.a"),
        ("1-", "1"),
        ("x-1", "x.1"),
        ("1a", "11"),
        ("10a1", "10a01"),
        ("1~~", "1~"),
    ]
    program = shutil.which("systemd-analyze") or ""
    for version, other in cases:
        for operator, holds in (("lt", compare(version, other) < 0), ("gt", compare(version, other) > 0)):
            done = subprocess.run([program, "compare-versions", version, operator, other], check=False)
            assert (done.returncode == 0) == holds, (version, operator, other)
