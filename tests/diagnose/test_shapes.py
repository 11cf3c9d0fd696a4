"""Shapes of lines: what a line's shape cannot say, no line of that shape says."""

from __future__ import annotations

import json
import re
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bootwright.diagnose.reading import prefix
from bootwright.diagnose.reading.literals import Literal
from bootwright.diagnose.reading.patterns import Examiner, Pattern
from bootwright.diagnose.reading.shapes.shape import is_verbatim, literal_shape, pattern_shape, shapes_of
from bootwright.diagnose.reading.shapes.telling import TellingShapes
from bootwright.diagnose.reading.voice import Speakers, voice_of
from bootwright.diagnose.signatures.knowledge import load
from bootwright.foundation.places import DATA

KNOWLEDGE = load()
DIGITS = st.sampled_from("0123456789abcdefABCDEF")


@cache
def lines() -> list[bytes]:
    paths = sorted(DATA.glob("signatures/*/golden/*/console.log"))
    return list(dict.fromkeys(line for path in paths for line in path.read_bytes().splitlines()))


@pytest.mark.parametrize("use_re2", [True, False])
def test_the_shape_of_every_line_that_tells_something_can_tell(use_re2: bool) -> None:
    shapes = TellingShapes(KNOWLEDGE.patterns, use_re2=use_re2)
    literals = sorted({literal for pattern in KNOWLEDGE.patterns for literal in pattern.literals})
    examiner = Examiner(KNOWLEDGE.patterns, literals, use_re2=use_re2)
    telling = [
        line
        for line in lines()[:: 1 if use_re2 else 20]
        if len(line) < 2000 and examiner.examine(prefix.split(line).text, kernel=False).matches
    ]
    assert len(telling) > 40
    spelled = set(shapes.spelled_out.lines(b"\n".join(telling)))
    by_shape = set(shapes.holding.lines(b"\n".join(shapes_of(b"\n".join(telling)))))
    assert by_shape | spelled == set(range(len(telling)))
    assert all(shapes.can_match(shapes_of(telling[number])[0]) for number in by_shape - spelled)


def test_most_lines_that_only_hold_a_literal_have_a_shape_that_tells_nothing() -> None:
    shapes = TellingShapes(KNOWLEDGE.patterns, use_re2=True)
    line = b"[    1.234567] brcm-pcie 1000110000.pcie: link up, 5.0 GT/s PCIe x4 (!SSC)"
    assert shapes.can_match(shapes_of(line)[0])
    assert not shapes.can_match(shapes_of(b"[    1.234567] no link up in here")[0])


def test_messages_that_stand_otherwise_in_their_lines_are_known_by_their_shape() -> None:
    made = [
        json.dumps({"msg": line.decode(errors="replace"), "facility": "kern"}).encode() for line in lines()
    ]
    others = [
        b"[talos] 2026/11/29 10:00:00 service[etcd](Failed): \\x1b[31mno",
        b"[talos] 2026/11/29 10:00:00 service[etcd](Failed): no",
        b"[    1.5] [talos] service[etcd](Failed): \\x5bno",
    ]
    for line in (*lines(), *made, *others):
        if not line.rstrip().endswith(prefix.split(line).text):
            assert not is_verbatim(shapes_of(line)[0]), line


@pytest.mark.parametrize(
    ("pattern", "text", "other"),
    [
        (r"^error (-\d+)$", b"error -110", b"error -xyz"),
        (r"(?i)dead[^ab]+beef", b"DEADxxBEEF", b"beexxdead"),
        (r"\bcpu\d{1,2}\b.{0,4}(?:lost|gone)", b"cpu12 is gone", b"cpu1x is here"),
        (r"[\w.-]+: (?!ok)bad (?P<what>\S+)", b"a-1: bad block", b"a-1: worse"),
        (r"(?i:Link) is (?:up|Down)", b"link is Down", b"link was Down"),
    ],
)
def test_the_shape_of_a_pattern(pattern: str, text: bytes, other: bytes) -> None:
    shape = pattern_shape(pattern)
    assert re.search(shape, shapes_of(text)[0])
    assert not re.search(shape, shapes_of(other)[0])


def test_what_is_little_more_than_digits_is_looked_for_as_it_stands() -> None:
    assert literal_shape(Literal(b"dead: ")) is None
    assert literal_shape(Literal(b"failed")) == Literal(b"00il00")
    assert literal_shape(Literal(b"[ !! ]")) == Literal(b"[ !! ]")


def test_a_pattern_without_a_shape_can_match_any() -> None:
    pattern = Pattern("x", r"(failed) (?(1)a|b)", frozenset({Literal(b"failed")}))
    assert TellingShapes([pattern], use_re2=False).can_match(shapes_of(b"failed 1")[0])


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_speaker_is_the_same_for_other_digits(data: st.DataObject) -> None:
    line = data.draw(st.sampled_from(lines()))
    digits = data.draw(st.lists(st.sampled_from(b"0123456789"), min_size=1, max_size=20))
    other = bytes(
        digits[place % len(digits)] if 0x30 <= code <= 0x39 else code for place, code in enumerate(line)
    )
    speakers = Speakers()
    for raw in (line, other, line):
        message = prefix.split(raw)
        assert speakers.said(raw) == (message.text, message.kernel, voice_of(message))
