"""Tables of the product's own knowledge files are parsed once; what is kept never outlives its file."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from attrs import field, frozen
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bootwright.foundation import knowledge, places
from bootwright.foundation.cache import KNOWLEDGE
from bootwright.foundation.errors import Malformed
from bootwright.foundation.kept import parsed
from bootwright.foundation.knowledge import Kind
from bootwright.foundation.structure import STEM


@frozen
class Thing:
    name: str = field(metadata=STEM)
    title: str


THINGS = Kind("things", "a thing", Thing)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The product's own files of a kind: two that have been there for a while."""
    monkeypatch.setenv("BOOTWRIGHT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setattr(places, "DATA", tmp_path / "data")
    monkeypatch.setattr(parsed, "_SETTLED", 0)
    things = tmp_path / "data/things"
    things.mkdir(parents=True)
    (things / "a.toml").write_text('title = "A"\n')
    (things / "b.toml").write_text('title = "B"\n')
    restart()
    return things


def restart() -> None:
    """As in a new process."""
    for function in (parsed._shelf, parsed._keep, knowledge._loaded, knowledge._shipped):
        function.cache_clear()


@pytest.fixture
def parses(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of files whose TOML was parsed."""
    names: list[str] = []

    def noting(
        data: bytes, where: str, parse: Callable[[bytes, str], object] = knowledge.parse_table
    ) -> object:
        names.append(Path(where).name)
        return parse(data, where)

    monkeypatch.setattr(knowledge, "parse_table", noting)
    return names


def test_a_second_start_parses_nothing(folder: Path, parses: list[str]) -> None:
    assert THINGS.get("a").title == "A"
    assert sorted(parses) == ["a.toml", "b.toml"]  # with the first, all of its kind
    assert [path.suffix for path in KNOWLEDGE.folder().iterdir()] == [".shelf"]
    restart()
    parses.clear()
    assert [thing.title for thing in THINGS.all().values()] == ["A", "B"]
    assert parses == []


def test_a_changed_file_counts_at_once_even_with_the_old_size_and_time(
    folder: Path, parses: list[str]
) -> None:
    path = folder / "a.toml"
    THINGS.all()
    before = path.stat()
    path.write_text('title = "Z"\n')
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    restart()
    assert [thing.title for thing in THINGS.all().values()] == ["Z", "B"]
    path.unlink()
    (folder / "c.toml").write_text('title = "C"\n')
    restart()
    assert list(THINGS.all()) == ["b", "c"]


def test_what_is_wrong_is_said_at_every_start(folder: Path) -> None:
    THINGS.all()
    (folder / "a.toml").write_text('titel = "A"\n')
    for _ in range(2):
        restart()
        with pytest.raises(Malformed) as caught:
            THINGS.all()
        assert caught.value.message.startswith(f"{folder / 'a.toml'}: ")
        assert caught.value.hint == "did you mean title?"
    (folder / "a.toml").write_text("title = \n")
    for _ in range(2):
        restart()
        with pytest.raises(Malformed, match=r"a\.toml"):
            THINGS.all()
        assert THINGS.get("b").title == "B"


def test_what_has_just_been_written_is_not_kept(
    folder: Path, parses: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parsed, "_SETTLED", 3600 * 10**9)
    for _ in range(2):
        restart()
        parses.clear()
        assert THINGS.get("a").title == "A"
        assert parses == ["a.toml"]
    assert not KNOWLEDGE.folder().exists()


def test_a_users_files_are_always_parsed(folder: Path, parses: list[str], tmp_path: Path) -> None:
    own = tmp_path / "config/bootwright/things/a.toml"
    own.parent.mkdir(parents=True)
    own.write_text('title = "mine"\n')
    for _ in range(2):
        restart()
        parses.clear()
        assert THINGS.get("a").title == "mine"
        assert parses == ["a.toml"]


def test_dates_are_no_json_and_are_parsed(folder: Path, parses: list[str]) -> None:
    (folder / "d.toml").write_text('title = "D"\nwhen = 2026-01-01\n')
    for _ in range(2):
        restart()
        with pytest.raises(Malformed, match="when"):
            THINGS.get("d")
        assert THINGS.get("a").title == "A"


def test_a_cache_that_cannot_be_written_is_done_without(
    folder: Path, parses: list[str], tmp_path: Path
) -> None:
    (tmp_path / "cache").write_text("no folder")
    restart()
    assert THINGS.get("a").title == "A"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(data=st.data())
def test_a_damaged_cache_is_made_again(folder: Path, data: st.DataObject) -> None:
    restart()
    THINGS.all()
    (shelf,) = KNOWLEDGE.folder().iterdir()
    whole = shelf.read_bytes()
    if data.draw(st.booleans()):
        at = data.draw(st.integers(0, len(whole) - 1))
        damaged = whole[:at] + bytes([data.draw(st.integers(0, 255))]) + whole[at + 1 :]
    else:
        damaged = data.draw(st.binary(max_size=40)) + whole[data.draw(st.integers(0, len(whole))) :]
    shelf.write_bytes(damaged)
    restart()
    assert [thing.title for thing in THINGS.all().values()] == ["A", "B"]
