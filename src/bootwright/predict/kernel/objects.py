"""Which configuration options build which object of a kernel: `data/objects/`, read from its Makefiles.

`tools/kernel-objects` writes that file. It holds the objects below `drivers/` and `sound/` that arm64
kernels are built with; what its Makefile says in a form that the tool does not read is not in it, and then
the answer is that nothing is known.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import cast

from attrs import field, frozen

from bootwright.formats.kernel.config import KernelConfig
from bootwright.foundation.knowledge import Kind
from bootwright.foundation.structure import key, written
from bootwright.foundation.versions import Version

_ORDER = "n?my"


@frozen
class Way:
    """One way to build an object."""

    needs: tuple[str, ...]
    """Options that must all be set, with `CONFIG_`; the least of their values is the object's."""
    parts: tuple[str, ...]
    """Options that decide which parts are in it."""

    def state(self, config: KernelConfig) -> str:
        """`y`, `m` or `n` with that configuration, `?` where it ends before one of the options."""
        return min((_value(config, name) for name in self.needs), key=_ORDER.index, default="y")


@frozen
class Rule:
    """How an object is built."""

    path: str
    """Of the object in the source tree, without `.o`."""
    ways: tuple[Way, ...]

    def state(self, config: KernelConfig) -> str:
        """`y`, `m` or `n` with that configuration, `?` where it ends before an option that decides."""
        return max((way.state(config) for way in self.ways), key=_ORDER.index)

    def off(self, config: KernelConfig) -> tuple[str, ...]:
        """The options that keep it from being built, of the way that lacks fewest."""
        lacking = [tuple(name for name in way.needs if _value(config, name) == "n") for way in self.ways]
        return min(lacking, key=len)

    def unsaid(self, config: KernelConfig) -> tuple[str, ...]:
        """The options that decide whether it is built, and that the configuration ends before."""
        names = dict.fromkeys(name for way in self.ways for name in way.needs)
        return tuple(name for name in names if _value(config, name) == "?")

    def lost_parts(self, config: KernelConfig, other: KernelConfig) -> tuple[str, ...]:
        """Options of its parts that are on in the other configuration and off in this one."""
        names = dict.fromkeys(name for way in self.ways for name in way.parts)
        return tuple(name for name in names if _value(other, name) != "n" and _value(config, name) in "n?")


def _value(config: KernelConfig, name: str) -> str:
    value = config.says(name)
    return "?" if value is None else value if value in {"y", "m"} else "n"


def _in_order(series: Iterable[str]) -> tuple[str, ...]:
    parts = [(Version.parse(text), text) for text in series]
    if not parts or any(version is None for version, _ in parts):
        raise ValueError('at least one series such as "6.12" in `series`', ", ".join(series) or "none")
    return tuple(sorted(series, key=lambda text: [int(part) for part in text.split(".")]))


Rules = dict[str, object]
"""As written; thousands of texts are checked here in one pass, not one by one with a path for each."""


def _checked(rules: Rules) -> Mapping[str, str | Mapping[str, str]]:
    for path, rule in rules.items():
        for text in rule.values() if isinstance(rule, dict) else [rule]:
            if not isinstance(text, str):
                raise ValueError(f"text for {path}", text)
    return cast("Mapping[str, str | Mapping[str, str]]", rules)


@frozen
class Objects:
    """The table."""

    series: tuple[str, ...] = field(converter=_in_order)
    """Of the kernels whose Makefiles were read, in order."""
    rules: Mapping[str, str | Mapping[str, str]] = field(
        metadata={**key("objects"), **written(Rules, _checked)}
    )
    source: str = ""
    early: Mapping[str, tuple[str, ...]] = field(factory=dict)
    """Compatible → the paths of the objects that set such nodes up before there are devices."""
    by_name: Mapping[str, tuple[str, ...]] = field(init=False)
    """Module name, with `_` → the paths of objects called so."""

    @by_name.default
    def _names(self) -> Mapping[str, tuple[str, ...]]:
        names: dict[str, list[str]] = {}
        for path in self.rules:
            names.setdefault(path.rpartition("/")[2].replace("-", "_"), []).append(path)
        return {name: tuple(paths) for name, paths in names.items()}

    def rule(self, name: str, version: Version, path: str | None = None) -> Rule | None:
        """How a module, or a built-in one, is built; None where that is not known for the version.

        `path` is where the module lies below `kernel/`, where known; without it the name must say which one.
        A rule that is the same in all series that were read holds between the oldest and the newest.
        """
        paths = (path.removeprefix("kernel/").partition(".ko")[0],) if path else self.by_name.get(name, ())
        texts = {text: path for path in paths if (text := self._text(path, version)) is not None}
        if len(texts) != 1:
            return None
        text, where = texts.popitem()
        return Rule(where, tuple(_ways(text)))

    def sets_up(self, compatible: str, version: Version, config: KernelConfig) -> bool | None:
        """Whether such nodes are set up at boot with that configuration; None where that is not known."""
        known = self.early_rules(compatible, version)
        states = {rule.state(config) for rule in known}
        if "y" in states:
            return True
        return False if known and "?" not in states and len(known) == len(self.early[compatible]) else None

    def early_rules(self, compatible: str, version: Version) -> tuple[Rule, ...]:
        """How the objects are built that set such nodes up at boot, of those where that is known."""
        rules = (self.rule("", version, path) for path in self.early.get(compatible, ()))
        return tuple(rule for rule in rules if rule is not None)

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
    return OBJECTS.get("arm64")


OBJECTS = Kind("objects", "a table of objects", Objects)
