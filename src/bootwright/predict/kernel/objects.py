"""Which configuration options build which object of a kernel: `data/objects/`, read from its Makefiles.

`tools/kernel-objects` writes that file. It holds the objects below `drivers/` and `sound/` that arm64
kernels are built with; what its Makefile says in a form that the tool does not read is not in it, and then
the answer is that nothing is known.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from attrs import frozen

from bootwright.formats.kernel.config import KernelConfig
from bootwright.foundation.errors import Malformed
from bootwright.foundation.places import data_files
from bootwright.foundation.versions import Version

_KEYS = {"series", "source", "objects"}
_ORDER = "nmy"


@frozen
class Way:
    """One way to build an object."""

    needs: tuple[str, ...]
    """Options that must all be set, with `CONFIG_`; the least of their values is the object's."""
    parts: tuple[str, ...]
    """Options that decide which parts are in it."""

    def state(self, config: KernelConfig) -> str:
        """`y`, `m` or `n` with that configuration."""
        return min((_value(config, name) for name in self.needs), key=_ORDER.index, default="y")


@frozen
class Rule:
    """How an object is built."""

    path: str
    """Of the object in the source tree, without `.o`."""
    ways: tuple[Way, ...]

    def state(self, config: KernelConfig) -> str:
        """`y`, `m` or `n` with that configuration."""
        return max((way.state(config) for way in self.ways), key=_ORDER.index)

    def off(self, config: KernelConfig) -> tuple[str, ...]:
        """The options that keep it from being built, of the way that lacks fewest."""
        lacking = [tuple(name for name in way.needs if _value(config, name) == "n") for way in self.ways]
        return min(lacking, key=len)

    def lost_parts(self, config: KernelConfig, other: KernelConfig) -> tuple[str, ...]:
        """Options of its parts that are on in the other configuration and off in this one."""
        names = dict.fromkeys(name for way in self.ways for name in way.parts)
        return tuple(name for name in names if _value(other, name) != "n" and _value(config, name) == "n")


def _value(config: KernelConfig, name: str) -> str:
    value = config.value(name)
    return value if value in {"y", "m"} else "n"


@frozen
class Objects:
    """The table."""

    series: tuple[str, ...]
    """Of the kernels whose Makefiles were read, in order."""
    rules: Mapping[str, str | Mapping[str, str]]
    by_name: Mapping[str, tuple[str, ...]]
    """Module name, with `_` → the paths of objects called so."""

    def rule(self, name: str, version: Version, path: str | None = None) -> Rule | None:
        """How a module, or a built-in one, is built; None where that is not known for the version.

        `path` is where the module lies below `kernel/`, where known; without it the name must say which one.
        A rule that is the same in all series that were read holds between the oldest and the newest.
        """
        paths = (path.removeprefix("kernel/").partition(".ko")[0],) if path else self.by_name.get(name, ())
        found = {text: one for one in paths if (text := self._text(one, version)) is not None}
        if len(found) != 1:
            return None
        text, where = found.popitem()
        return Rule(where, tuple(_ways(text)))

    def _text(self, path: str, version: Version) -> str | None:
        value = self.rules.get(path)
        series = version.series()
        if isinstance(value, str):
            first, last = (Version.parse(self.series[end]) for end in (0, -1))
            this = Version.parse(series)
            inside = first is not None and last is not None and this is not None and first <= this <= last
            return value if inside else None
        return value.get(series) if value is not None else None


def _ways(text: str) -> Iterator[Way]:
    for way in text.split("|"):
        needs, _, parts = way.partition(":")
        yield Way(*(tuple(f"CONFIG_{name}" for name in words.split()) for words in (needs, parts)))


@cache
def objects() -> Objects:
    """The table that comes with bootwright; raises `Malformed`."""
    return load_objects(next(iter(data_files("objects"))))


def load_objects(path: Path) -> Objects:
    """Read a table; raises `Malformed` for another form."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Malformed(str(path), None, "TOML", str(error)) from error
    rules, series = table.get("objects"), table.get("series")
    if set(table) != _KEYS or not isinstance(rules, dict) or not isinstance(series, list) or not series:
        raise Malformed(str(path), None, "series, source and objects", ", ".join(table)[:200])
    names: dict[str, list[str]] = {}
    for where, rule in rules.items():
        texts = rule.values() if isinstance(rule, dict) else [rule]
        if not all(isinstance(text, str) for text in texts):
            raise Malformed(str(path), None, f"text for {where}", repr(rule)[:80])
        names.setdefault(where.rpartition("/")[2].replace("-", "_"), []).append(where)
    ordered = sorted(map(str, series), key=lambda one: [int(part) for part in one.split(".")])
    return Objects(tuple(ordered), rules, {name: tuple(paths) for name, paths in names.items()})
