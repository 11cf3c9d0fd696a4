"""The literals of patterns are found once; what is kept is of these patterns, and of nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bootwright.diagnose.reading import kept_literals, literals
from bootwright.diagnose.reading.literals import required
from bootwright.foundation.cache import KNOWLEDGE
from bootwright.foundation.kept.shelf import pack

PATTERNS = (
    r"Kernel panic - (?:not )?syncing: (?P<why>.+)",
    r"(?i)link is [Uu]p",
    r"[A-Z]\d+",
    r"größer als \d+",
)


@pytest.fixture
def searches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The patterns whose literals were looked for."""
    monkeypatch.setenv("BOOTWRIGHT_CACHE", str(tmp_path))
    asked: list[str] = []

    def noting(pattern: str) -> frozenset[literals.Literal]:
        asked.append(pattern)
        return required(pattern)

    monkeypatch.setattr(literals, "required", noting)
    restart()
    return asked


def restart() -> None:
    for kept in (kept_literals._kept, kept_literals._known, kept_literals._known_expressions):
        kept.cache_clear()
    kept_literals._asked.clear()
    kept_literals._checked.clear()


def ask(patterns: tuple[str, ...] = PATTERNS) -> None:
    for pattern in patterns:
        assert kept_literals.literals_of(pattern) == required(pattern)
    kept_literals.check_expression("no literals of this are asked for")
    kept_literals.keep()
    restart()


def test_a_second_start_searches_nothing(searches: list[str]) -> None:
    ask()
    assert searches == list(PATTERNS)
    ask()
    assert searches == list(PATTERNS)


def test_a_changed_pattern_is_searched_and_the_old_one_forgotten(searches: list[str]) -> None:
    ask()
    ask((*PATTERNS[1:], "something else"))
    assert searches == [*PATTERNS, "something else"]
    (place,) = KNOWLEDGE.folder().iterdir()
    assert b"panic" not in place.read_bytes()


def test_what_is_no_expression_is_said_at_every_start(searches: list[str]) -> None:
    for _ in range(2):
        with pytest.raises(re.error):
            kept_literals.literals_of("(")
        ask()


def test_an_expression_is_compiled_once_and_what_is_none_at_every_start(
    searches: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled: list[str] = []
    compile_ = re.compile
    monkeypatch.setattr(re, "compile", lambda text: (compiled.append(text), compile_(text))[1])
    for _ in range(2):
        kept_literals.check_expression("a+")
        with pytest.raises(re.error):
            kept_literals.check_expression("(")
        kept_literals.keep()
        restart()
    assert [text for text in compiled if text in {"a+", "("}] == ["a+", "(", "("]
    assert searches == []


@pytest.mark.parametrize(
    "rows",
    [
        {},
        [],
        {"literals": {"": 3}},
        {"literals": {"": {PATTERNS[0]: [[1, 2, 3]]}}},
        {"literals": {"": {}}, "expressions": {"": 3}},
        None,
    ],
)
def test_another_file_in_its_place_is_made_again(searches: list[str], rows: object) -> None:
    ask()
    (place,) = KNOWLEDGE.folder().iterdir()
    place.write_bytes(pack(rows, form=2) if isinstance(rows, dict) else b"damaged")
    ask()
    ask()


def test_a_cache_that_cannot_be_written_is_none(
    searches: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("BOOTWRIGHT_CACHE", str(tmp_path / "file"))
    ask()
