"""Knowledge files: the class is the schema, and whatever is wrong is named by file and key."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

import pytest
from attrs import field, frozen
from hypothesis import given
from hypothesis import strategies as st

from bootwright.foundation.errors import BootwrightError, Malformed, Missing, Refused
from bootwright.foundation.knowledge import Kind, parse_table
from bootwright.foundation.structure import LONE, STEM, Hexadecimal, key, structure
from bootwright.foundation.versions import Version


class Effect(StrEnum):
    FAILS = "fails"
    WORKS = "works"


@frozen
class Part:
    label: str
    size: int = 0


@frozen
class Thing:
    name: str = field(metadata=STEM)
    title: str
    origin: str = field(metadata=key("from"))
    effect: Effect = Effect.FAILS
    words: tuple[str, ...] = field(default=(), metadata=LONE)
    pair: tuple[int, str] | None = None
    parts: tuple[Part, ...] = field(default=(), metadata=key("part"))
    table: Mapping[str, Part] = field(factory=dict)
    mode: Literal["", "fast", "slow"] = ""
    pattern: re.Pattern[str] | None = None
    since: Version | None = None
    code: Hexadecimal | None = None
    ratio: float = 0.0
    flag: bool = False
    text_or_list: str | list[str] = ""
    anything: Any = None

    def __attrs_post_init__(self) -> None:
        if self.title == "bad":
            raise ValueError("a good title", "bad")


THINGS = Kind("things", "a thing", Thing)
BASE = 'title = "T"\nfrom = "here"\n'


def read(text: str) -> Thing:
    return structure(parse_table((BASE + text).encode(), "x.toml"), Thing, "x.toml", stem="x")


def test_every_form_is_read() -> None:
    thing = read(
        'effect = "works"\nwords = "one"\npair = [1, "a"]\nmode = "fast"\npattern = "a+"\nsince = "6.18.5"\n'
        'code = "a02082"\nratio = 1\nflag = true\ntext_or_list = ["a"]\nanything = [1]\n'
        '[[part]]\nlabel = "p"\n[table.t]\nlabel = "q"\nsize = 3\n'
    )
    assert (thing.name, thing.origin, thing.effect, thing.words) == ("x", "here", Effect.WORKS, ("one",))
    assert (thing.pair, thing.mode, thing.ratio, thing.flag) == ((1, "a"), "fast", 1.0, True)
    assert thing.pattern is not None
    assert thing.pattern.fullmatch("aaa")
    assert thing.since == Version.parse("6.18.5")
    assert thing.code == Hexadecimal(0xA02082)
    assert thing.parts == (Part("p"),)
    assert dict(thing.table) == {"t": Part("q", 3)}
    assert thing.text_or_list == ["a"]


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ('titel = "x"\n', "the key `titel`", "did you mean title?"),
        ("zzz = 1\n", "the key `zzz`", None),
        ('effect = "fial"\n', "x.toml: effect: expected one of fails, works, found 'fial'", "fails"),
        ("words = 3\n", "x.toml: words[0]: expected text, found 3", None),
        ("flag = 1\n", "x.toml: flag: expected true or false, found 1", None),
        ('ratio = "1"\n', "expected a number", None),
        ('[[part]]\nlabel = "a"\n[[part]]\nsize = 1\n', "x.toml: part[1]: expected the key `label`", None),
        (
            '[[part]]\nlabel = "a"\nsize = true\n',
            "part[0].size: expected a whole number",
            None,
        ),
        ('[table.t]\nlable = "q"\n', "x.toml: table.t: expected one of the keys label, size", "label"),
        ('pattern = "("\n', "x.toml: pattern: expected a regular expression", None),
        ('since = "new"\n', "x.toml: since: expected a version such as", None),
        ('code = "xyz"\n', "expected a hexadecimal number as text", None),
        ('mode = "fats"\n', "expected one of , fast, slow, found 'fats'", "did you mean fast?"),
        ("pair = [1]\n", "expected a list of 2, found a list of 1", None),
    ],
)
def test_what_is_wrong_is_named(text: str, message: str, hint: str | None) -> None:
    with pytest.raises(Malformed) as caught:
        read(text)
    assert message in caught.value.message
    if hint is not None:
        assert hint in (caught.value.hint or "")


def test_a_missing_key_and_a_validators_words() -> None:
    with pytest.raises(Malformed, match=r"x\.toml: expected the key `title`, found none"):
        structure({"from": "a"}, Thing, "x.toml")
    with pytest.raises(Malformed, match=r"x\.toml: expected a good title, found 'bad'"):
        structure({"from": "a", "title": "bad"}, Thing, "x.toml")


def test_users_files_are_found_and_replace_the_products(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, config, here = tmp_path / "data", tmp_path / "config", tmp_path / "here"
    monkeypatch.setattr("bootwright.foundation.places.DATA", data)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(config))
    for root, names in ((data, "ab"), (config / "bootwright", "bc"), (here / ".bootwright", "cd")):
        (root / "things").mkdir(parents=True)
        for name in names:
            (root / "things" / f"{name}.toml").write_text(BASE.replace("here", root.name))
    monkeypatch.chdir(here)
    assert THINGS.names() == ["a", "b", "c", "d"]
    assert [THINGS.get(name).origin for name in "abcd"] == [
        "data",
        "bootwright",
        ".bootwright",
        ".bootwright",
    ]
    programs = Kind("things", "a thing", Thing, runs_programs=True)
    assert programs.get("c").origin == "bootwright"  # the current folder may be somebody else's
    with pytest.raises(Refused, match="there is no thing 'e'"):
        THINGS.get("e")
    (here / ".bootwright/things/d.toml").write_text("tilte = 1\n")
    with pytest.raises(Malformed, match=r"\.bootwright/things/d\.toml") as caught:
        Kind("things", "another thing", Thing).get("d")
    assert caught.value.hint == "did you mean title?"


def test_files_that_are_no_toml(tmp_path: Path) -> None:
    with pytest.raises(Missing, match="No such file"):
        THINGS.load(tmp_path / "x.toml")
    for data in (b"\xff", b"= 1", b"a = 1\na = 2", b"a" * (1 << 20 | 1), b"a = " + b"[" * 100000):
        (tmp_path / "x.toml").write_bytes(data)
        with pytest.raises(Malformed, match=r"x\.toml"):
            THINGS.load(tmp_path / "x.toml")


KEYS = ["title", "from", "label", "size", "part", "table", "x"]
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*KEYS, "pair", "pattern", "since", "code", "words"]), _VALUES))
def test_any_table_is_read_or_refused(table: dict[str, object]) -> None:
    try:
        structure({"title": "T", "from": "f", **table}, Thing, "x.toml")
    except BootwrightError as error:
        assert error.message.startswith("x.toml")  # noqa: PT017 - it may also be read
