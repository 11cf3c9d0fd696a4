"""Literals are found alike by an index of some of their bytes, by an automaton, and one after the other."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootwright.diagnose.reading import patterns
from bootwright.diagnose.reading.literals import Literal
from bootwright.diagnose.reading.patterns import HAVE_RE2, literals_in
from bootwright.diagnose.reading.places import LiteralSearch

ALPHABET = b"abAB1 \n"
WORDS = st.lists(st.sampled_from(list(ALPHABET)), min_size=0, max_size=60).map(bytes)
LITERALS = st.lists(
    st.builds(
        lambda text, any_case: Literal(text.lower() if any_case else text, any_case),
        st.lists(st.sampled_from(list(ALPHABET[:-1])), min_size=3, max_size=9).map(bytes),
        st.booleans(),
    ),
    min_size=5,
    max_size=30,
    unique=True,
)


def one_after_the_other(literals: list[Literal], text: bytes) -> list[int]:
    return [
        number
        for number, (literal, any_case) in enumerate(literals)
        if literal in (text.lower() if any_case else text)
    ]


@given(LITERALS, st.lists(WORDS, min_size=1, max_size=4))
def test_the_literals_that_a_text_holds(literals: list[Literal], texts: list[bytes]) -> None:
    held = literals_in(literals, use_re2=False)
    assert [held(text) for text in texts] == [one_after_the_other(literals, text) for text in texts]


@pytest.mark.skipif(not HAVE_RE2, reason="without re2 there is one way alone")
@given(LITERALS, st.lists(WORDS, min_size=4, max_size=8))
def test_they_are_the_same_once_there_is_a_set_of_all(literals: list[Literal], texts: list[bytes]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(patterns, "_BEFORE_A_SET", 2)
        held = literals_in(literals, use_re2=True)
        assert [held(text) for text in texts] == [one_after_the_other(literals, text) for text in texts]


@given(LITERALS, st.lists(WORDS, min_size=1, max_size=6))
def test_lines_are_the_same_with_an_automaton(literals: list[Literal], texts: list[bytes]) -> None:
    expected = [
        [number for number, line in enumerate(text.split(b"\n")) if one_after_the_other(literals, line)]
        for text in texts
    ]
    index, automaton = LiteralSearch(literals, use_re2=True), LiteralSearch(literals, use_re2=True)
    automaton._left = 0
    assert [index.lines(text) for text in texts] == expected
    assert [automaton.lines(text) for text in texts] == expected
