"""A failing excerpt is told for what it is behind the beginning of a healthy boot, too."""

from __future__ import annotations

import random
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from own_logs_kit import cases

from bootwright.diagnose.engine import diagnose_bytes
from composed import LONG, composed, excerpts, hosts
from relations import Case, lines_of
from score_relations import KNOWLEDGE, cause


@cache
def own_excerpts() -> list[Case]:
    return excerpts(cases())


@cache
def own_hosts() -> list[Case]:
    return hosts(cases())


EXCERPTS = st.deferred(lambda: st.sampled_from(own_excerpts()))


def test_there_are_both_parts() -> None:
    assert len(own_excerpts()) > 20
    assert len(own_hosts()) > 5


@settings(max_examples=60, derandomize=True, deadline=None)
@given(excerpt=EXCERPTS, seed=st.integers(0, 2**32))
def test_the_end_decides_in_a_long_log_as_it_does_alone(excerpt: Case, seed: int) -> None:
    for entry in composed(excerpt, own_hosts(), random.Random(seed)):
        after = diagnose_bytes(entry.data, "log", KNOWLEDGE)
        assert (after.outcome, cause(after)) == (excerpt.before.outcome, cause(excerpt.before)), (
            f"{excerpt.name} behind {entry.host}"
        )


@pytest.mark.parametrize("number", range(3))
def test_the_excerpt_is_whole_and_its_clock_goes_on(number: int) -> None:
    excerpt = own_excerpts()[number]
    (entry,) = composed(excerpt, own_hosts(), random.Random(1))
    lines, alone = lines_of(entry.data), lines_of(excerpt.data)
    assert entry.behind >= LONG
    messages = [line.partition(b"]")[2] for line in lines[entry.behind : entry.behind + len(alone)]]
    assert messages == [line.partition(b"]")[2] for line in alone]
