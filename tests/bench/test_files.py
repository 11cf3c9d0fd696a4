"""Files of the bench: any bytes are one of them or an error, and what is written is read again."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import cattrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootwright.bench.powered import LeftOn, parse_left_on
from bootwright.bench.record import (
    BenchRecord,
    LineEvent,
    Milestone,
    Step,
    parse_record,
    read_record,
    write_record,
)
from bootwright.foundation.errors import Malformed, Missing
from bootwright.foundation.verdict import Verdict

sys.path.insert(0, str(Path(__file__).parents[2] / "fuzz"))

RECORD = BenchRecord(
    board="pi5",
    image="card.raw",
    image_sha256="0" * 64,
    started_at="2026-01-01T00:00:00+00:00",
    verdict=Verdict.FAILS,
    reason="it fell silent",
    ended="silent",
    seconds=12.5,
    switched_on=0.5,
    criteria={"link": 3.25, "login": None},
    outcomes={"ethernet": Verdict.WORKS},
    milestones=[Milestone("kernel", 1.0)],
    steps=[Step("switch it on", 0.1)],
    line=[LineEvent("open", 0, 0.1, "")],
    console_bytes=3,
    console_sha256="1" * 64,
    facts={"engine": "labgrid"},
)
LEFT_ON = LeftOn("pi5", "/bench.yaml", "main", "2026-01-01T00:00:00+00:00")


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_record(tmp_path, RECORD)
    assert read_record(tmp_path) == RECORD
    with pytest.raises(Missing):
        read_record(tmp_path / "other")


@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    from fuzz_bench_files import one_input

    one_input(data)


@given(st.integers(0, 2000), st.binary(min_size=1, max_size=3))
def test_damaged_files(offset: int, garbage: bytes) -> None:
    from fuzz_bench_files import one_input

    for document in (RECORD, LEFT_ON):
        text = json.dumps(cattrs.unstructure(document)).encode()
        place = offset % len(text)
        one_input(text[:place] + garbage + text[place + len(garbage) :])


@given(st.binary(max_size=400))
def test_any_stream_of_telnet(data: bytes) -> None:
    from fuzz_telnet import one_input

    one_input(data)


def test_another_schema_is_refused() -> None:
    for read, document in ((parse_record, RECORD), (parse_left_on, LEFT_ON)):
        text = json.dumps(cattrs.unstructure(document) | {"schema": "bootwright/other/9"}).encode()
        with pytest.raises(Malformed, match="schema"):
            read(text, "file")
