"""Raspberry Pi `config.txt`: settings, the conditional filters they stand under, includes.

Raspberry Pi documentation, "config.txt": a filter replaces one of its own type and combines with those of
other types; `[all]` resets them. `include` is for the firmware that reads the file from the card (not for
the EEPROM's own configuration). Lines are read to the end: the firmware's limit of 98 characters
(older ones: 78) is reported, not applied.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Mapping

from attrs import field, frozen

from bootwright.foundation.errors import Malformed

LINE_LIMIT = 98
_MAX_SIZE = 1 << 20
_MAX_INCLUDES = 16
_MODEL = re.compile(r"(?:pi|cm)[0-9][0-9a-z+]*\Z")


@frozen
class Filter:
    """A conditional filter such as `[pi5]` or `[board-type=0x17]`."""

    text: str
    """What stands between the brackets."""
    type: str
    """Filters of one type replace each other: `model`, `serial`, `gpio4`, `edid`, `hdmi`, `none`, …"""


@frozen
class Setting:
    """A line that sets something."""

    key: str
    value: str
    filters: tuple[Filter, ...]
    """All must hold; empty: for every board."""
    file: str
    line: int
    """From 1."""

    @property
    def condition(self) -> str:
        """The filters as they would be written, `[all]` where there are none."""
        return "".join(f"[{each.text}]" for each in self.filters) or "[all]"


@frozen
class ConfigTxt:
    """A config.txt with what it includes."""

    settings: tuple[Setting, ...]
    problems: tuple[str, ...]

    def values(self, key: str, facts: BoardFacts | None = None) -> tuple[Setting, ...]:
        """The settings of `key` that may apply to a board (to any board, without `facts`), in order."""
        return tuple(
            each
            for each in self.settings
            if each.key == key and (facts is None or facts.applies(each.filters) is not False)
        )


@frozen
class BoardFacts:
    """What the firmware knows of the board it runs on, as far as we do."""

    models: frozenset[str]
    """The model filters that hold: a CM5 sees `pi5` and `cm5`."""
    board_type: int | None = None
    """Bits 4-11 of the revision code."""
    serial: int | None = None
    other: Mapping[str, bool] = field(factory=dict)
    """Filters by their text, such as `tryboot`."""

    def applies(self, filters: tuple[Filter, ...]) -> bool | None:
        """Whether all filters hold; None where that depends on something not known (a GPIO, a monitor)."""
        verdicts = [self._holds(each) for each in filters]
        if False in verdicts:
            return False
        return None if None in verdicts else True

    def _holds(self, filter_: Filter) -> bool | None:
        text = filter_.text
        if filter_.type == "none":
            return False
        if filter_.type == "model" and not text.startswith("board-type="):
            return text in self.models
        if filter_.type == "model":
            wanted = _integer(text.partition("=")[2])
            return None if self.board_type is None or wanted is None else wanted == self.board_type
        if filter_.type == "serial":
            return None if self.serial is None else _integer(text) == self.serial
        return self.other.get(text)


def read_config_txt(
    data: bytes, name: str, *, load: Callable[[str], bytes | None] | None = None
) -> ConfigTxt:
    """The settings in order, includes in their place.

    `load` gives the bytes of an included file by its path from the partition's root, or None.
    Lines that set nothing, missing and circular includes are `problems`. Raises `Malformed` for a file
    that is no text or larger than 1 MiB.
    """
    settings: list[Setting] = []
    problems: list[str] = []
    _read(data, name, _State(settings, problems, load or (lambda path: None)), (name,))  # noqa: ARG005
    return ConfigTxt(tuple(settings), tuple(problems))


@frozen
class _State:
    settings: list[Setting]
    problems: list[str]
    load: Callable[[str], bytes | None]
    filters: dict[str, Filter] = field(factory=dict)
    read: list[str] = field(factory=list)


def _read(data: bytes, name: str, state: _State, above: tuple[str, ...]) -> None:
    if len(data) > _MAX_SIZE:
        raise Malformed(name, _MAX_SIZE, f"at most {_MAX_SIZE} bytes of text", f"{len(data)} bytes")
    if b"\0" in data:
        raise Malformed(name, data.index(b"\0"), "text", "a NUL byte")
    state.read.append(name)
    for number, raw in enumerate(data.decode("utf-8", "replace").splitlines(), start=1):
        line = raw.strip().lstrip("﻿")
        where = f"{name}, line {number}"
        if not line or line.startswith("#"):
            continue
        if len(line) > LINE_LIMIT and not line.startswith("include "):
            state.problems.append(f"{where}: longer than {LINE_LIMIT} characters; older firmware cuts it")
        if line.startswith("["):
            text, closed, _ = line[1:].partition("]")
            if not closed:
                state.problems.append(f"{where}: a filter without its closing bracket")
                continue
            _apply(text.strip(), state.filters)
            continue
        words = line.split(None, 1)
        if words[0] == "include" and len(words) == 2:
            _include(words[1].strip(), where, state, above)
            continue
        # `initramfs FILE followkernel` is the one setting without an equals sign.
        if words[0] == "initramfs" and len(words) == 2:
            key, value = words[0], words[1].strip()
        else:
            key, equals, value = line.partition("=")
            if not equals:
                state.problems.append(f"{where}: neither a setting nor a filter: {line[:60]!r}")
                continue
        state.settings.append(
            Setting(key.strip(), value.strip(), tuple(state.filters.values()), name, number)
        )


def _include(path: str, where: str, state: _State, above: tuple[str, ...]) -> None:
    clean = posixpath.normpath("/" + path).lstrip("/")
    if clean in above or len(state.read) >= _MAX_INCLUDES:
        state.problems.append(f"{where}: {clean} includes itself, or more than {_MAX_INCLUDES} includes")
        return
    data = state.load(clean)
    if data is None:
        state.problems.append(f"{where}: includes {clean}, which is not there")
        return
    _read(data, clean, state, (*above, clean))


def _apply(text: str, filters: dict[str, Filter]) -> None:
    if text.lower() == "all":
        filters.clear()
        return
    kind = _type_of(text)
    # Order of first appearance is kept, so that equal conditions compare equal.
    filters[kind] = Filter(text.lower() if kind == "model" else text, kind)


def _type_of(text: str) -> str:
    lower = text.lower()
    name, equals, _ = lower.partition("=")
    if _MODEL.match(lower) or name.strip() == "board-type":
        return "model"
    if lower == "none":
        # It replaces a model filter, as the two are alternatives of "which board".
        return "none"
    if lower.startswith("0x"):
        return "serial"
    if lower.startswith("hdmi:"):
        return "hdmi"
    return name.strip() if equals else lower


def _integer(text: str) -> int | None:
    try:
        return int(text.strip(), 0)
    except ValueError:
        return None
