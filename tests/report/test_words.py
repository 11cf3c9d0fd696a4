from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootwright.report.words import bound, clean, count, listed, seconds, sentence, share, size


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.04, "0.0 s"), (3.14, "3.1 s"), (48.4, "48 s"), (1800, "30 min"), (7200, "2 h"), (12600, "3.5 h")],
)
def test_seconds(value: float, text: str) -> None:
    assert seconds(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (11_900_000, "12 MB"), (4_200, "4.2 kB"), (2_360_000_000, "2.4 GB")],
)
def test_size(value: int, text: str) -> None:
    assert size(value) == text


def test_lists_counts_and_sentences() -> None:
    assert [listed(parts) for parts in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == [
        "",
        "a",
        "a and b",
        "a, b and c",
    ]
    assert (count(1, "cause"), count(1409, "cause"), count(0, "fit", "fits")) == (
        "1 cause",
        "1,409 causes",
        "0 fits",
    )
    assert sentence("flash it") == "Flash it."
    assert sentence("rp1_pci may be probed") == "rp1_pci may be probed."
    assert (bound("<6.15"), bound(">=6.15"), bound("16K")) == ("before 6.15", "6.15 or later", "16K")
    assert "half" in share(1.0)
    assert "25%" in share(2.0)


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07shown", "shown"),
        ("\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x9b2Jgone", "gone"),
        ("one\r\ntwo\x85three", "one two three"),
        ("right\u202eto left", "right\ufffdto left"),
        ("bell\x07", "bell\ufffd"),
    ],
)
def test_clean_takes_control_sequences_out(raw: str, text: str) -> None:
    assert clean(raw) == text


@given(st.text(max_size=400), st.integers(min_value=1, max_value=100))
def test_clean_text_is_one_short_line_that_prints(raw: str, most: int) -> None:
    text = clean(raw, most)
    assert text.isprintable()
    assert len(text) <= most
    assert clean(text, most) == text
