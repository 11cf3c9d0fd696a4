"""Raspberry Pi `config.txt`: settings, the conditional filters they stand under, includes.

Raspberry Pi documentation, "config.txt": a filter replaces one of its own type and combines with those of
other types; `[all]` resets them. `include` is for the firmware that reads the file from the card (not for
the EEPROM's own configuration). Lines are read to the end: the firmware's limit of 98 characters
(older ones: 78) is reported, not applied.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable

from attrs import field, frozen

from bootwright.firmware.filters import BoardFacts, Filter, apply_filter
from bootwright.foundation.errors import Malformed

__all__ = ["LINE_LIMIT", "BoardFacts", "ConfigTxt", "Filter", "Setting", "read_config_txt"]

LINE_LIMIT = 98
_MAX_SIZE = 1 << 20
_MAX_INCLUDES = 16


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
        return "".join(f"[{condition.text}]" for condition in self.filters) or "[all]"


@frozen
class ConfigTxt:
    """A config.txt with what it includes."""

    settings: tuple[Setting, ...]
    problems: tuple[str, ...]

    def values(self, key: str, facts: BoardFacts | None = None) -> tuple[Setting, ...]:
        """The settings of `key` that may apply to a board (to any board, without `facts`), in order."""
        return tuple(
            setting
            for setting in self.settings
            if setting.key == key and (facts is None or facts.applies(setting.filters) is not False)
        )

    def last(self, key: str, facts: BoardFacts) -> str | None:
        """The value of `key` that counts on a board: the last of those that certainly apply."""
        matching = [
            setting.value
            for setting in self.settings
            if setting.key == key and facts.applies(setting.filters)
        ]
        return matching[-1] if matching else None


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
            apply_filter(text.strip(), state.filters)
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
