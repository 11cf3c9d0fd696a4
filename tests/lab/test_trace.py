"""Errors of real kernels followed to the instruction that made them, and what instructions read and write."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootwright.api import Refused, trace_error
from bootwright.formats.code.a64_flow import Kind, flow, holds
from bootwright.lab.trace.assembly import assembly

SCHEMA = Path(__file__).parents[2] / "docs/schemas/kernel-trace.schema.json"


@pytest.mark.boot
@pytest.mark.download
def test_error_of_the_first_case() -> None:
    # fs/namespace.c (Linux 6.12), __do_loopback: a mount of no namespace, unless it is of nsfs, is EINVAL.
    traced = trace_error("debian-6.12.117-4k", step="talos-1.12-etc-hosts")
    document = traced.as_json()
    jsonschema.validate(document, json.loads(SCHEMA.read_text()))
    assert (document["call"], document["errno"]) == ("open_tree", "EINVAL")
    assert document["origin"]["function"] == document["guard"]["function"] == "__do_loopback"
    assert document["origin"]["assembly"] == "mov x0, #-22"
    assert document["guard"]["offset"] == 0x64
    assert [place["function"] for place in document["chain"]] == ["__arm64_sys_open_tree"]


@pytest.mark.boot
@pytest.mark.download
def test_a_step_that_works_or_is_not_there() -> None:
    with pytest.raises(Refused, match="without an error"):
        trace_error("debian-6.12.117-4k", step="clone-attached")
    with pytest.raises(Refused) as refused:
        trace_error("debian-6.12.117-4k", step="clone-atached")
    assert "clone-attached" in (refused.value.hint or "")


@given(st.integers(0, (1 << 32) - 1))
def test_every_word_has_a_flow(word: int) -> None:
    step = flow(word)
    assert all(0 <= register <= 31 for register in (*step.writes, *step.reads))
    assert assembly(word, 0x1000)


@pytest.mark.parametrize(
    ("word", "kind", "writes", "reads"),
    [
        (0x928002A0, Kind.PLAIN, (0,), ()),  # mov x0, #-22
        (0x2A0103E0, Kind.PLAIN, (0,), (1,)),  # mov w0, w1
        (0x910003FD, Kind.PLAIN, (29,), (31,)),  # mov x29, sp
        (0x54000100, Kind.CONDITIONAL, (), ()),  # b.eq
        (0x376801E1, Kind.CONDITIONAL, (), (1,)),  # tbnz w1, #13
        (0xD65F03C0, Kind.RETURN, (), (30,)),  # ret
        (0xA94153F3, Kind.PLAIN, (19, 20), ()),  # ldp x19, x20, [sp, #16]
        (0xF9001BF7, Kind.PLAIN, (), ()),  # str x23, [sp, #48]
        (0xEB01009F, Kind.PLAIN, (), (4, 1)),  # cmp x4, x1
    ],
)
def test_instructions_of_a_real_function(
    word: int, kind: Kind, writes: tuple[int, ...], reads: tuple[int, ...]
) -> None:
    step = flow(word)
    assert (step.kind, step.writes, step.reads) == (kind, writes, reads)


def test_conditions() -> None:
    assert holds(0, 0b0100)
    assert holds(1, 0)
    assert holds(14, 0)
    assert not holds(8, 0b0110)
    assert holds(11, 0b1000)
