"""What the bytes cannot tell, kept as data: `data/drivers/` and `data/hazards/`, one TOML file each.

A driver file says what a driver looks for in the devicetree beyond its match table, in which kernels, and
where its arrival is documented. A hazard file says what may go wrong though every device binds. Both name
their sources, and a test walks the folders.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from attrs import field, frozen

from bootwright.foundation.errors import Malformed
from bootwright.foundation.places import data_files
from bootwright.foundation.verdict import Verdict
from bootwright.foundation.versions import Version
from bootwright.predict.rules.predicates import KEYS

NO_REMEDY = "use a kernel that has one"
"""What is said where nothing better is known."""


@frozen
class Expectation:
    """Something a driver's probe needs; without it the probe fails."""

    when: Mapping[str, Any]
    requires: Mapping[str, Any]
    own_node: bool
    """Whether the device must have a devicetree node of its own."""
    own_properties: tuple[str, ...]
    """Properties its node must have."""
    reason: str
    remedy: str
    source: str


@frozen
class Populates:
    """A node whose children a driver makes devices of, where it is not its own."""

    when: Mapping[str, Any]
    node: Mapping[str, Any]


@frozen
class Makes:
    """Devices that a driver makes of child nodes, or of the children of one, and the driver they get."""

    container: str
    """The child node's name; empty for the node itself."""
    driver: str
    child: str
    """The name of the nodes meant; empty for all."""
    module: str
    """The module with that driver, by its name in the kernel; empty where it is the maker's own."""
    option: str = ""
    """The configuration option of that driver."""


@frozen
class Provides:
    """A supplier that binds and yet provides nothing, unless a condition holds."""

    property: str
    when: Mapping[str, Any]
    requires: Mapping[str, Any]
    reason: str
    remedy: str
    source: str


@frozen
class Spares:
    """A supplier that a driver asks for only where its own node says something."""

    property: str
    """The supplier's kind."""
    unless: Mapping[str, tuple[str, ...]]
    """Properties of the node → the values with which it does ask."""
    source: str


@frozen
class Driver:
    """What is known of one driver, or of one kind of device."""

    name: str
    drivers: tuple[str, ...]
    compatibles: tuple[str, ...]
    option: str | None
    """Its configuration option."""
    since: str | None
    """The first mainline kernel that has it."""
    source: str
    expects: tuple[Expectation, ...]
    populates: tuple[Populates, ...]
    provides: tuple[Provides, ...]
    uncertain: str
    """Why it cannot be told from files whether the driver binds; empty where it can."""
    makes: tuple[Makes, ...]
    spares: tuple[Spares, ...]
    inherits: tuple[str, ...]
    """Properties of the nearest node above that has them whose suppliers this driver cannot do without."""

    def is_new_to(self, version: Version | None) -> bool:
        """Whether a kernel of that version is too old for it, or may be; False where it is new enough."""
        first = Version.parse(self.since) if self.since is not None else None
        return first is not None and (version is None or version < first)

    def words(self, version: Version | None) -> str:
        """What to do for it with a kernel of that version, as a remedy."""
        if self.is_new_to(version):
            return f"use Linux {self.since} or newer" + (f" with {self.option}" if self.option else "")
        if self.option is not None:
            return f"build this kernel with {self.option}=m or y"
        return NO_REMEDY


@frozen
class HazardRule:
    """When a hazard is there, and what it does."""

    name: str
    title: str
    goals: tuple[str, ...]
    """Names of goals, or `*`."""
    effect: Verdict
    when: Mapping[str, Any]
    at: Mapping[str, Any]
    """The node to name."""
    on_chain: bool
    """Whether it counts only where the node `at` is on the goal's chain."""
    reason: str
    remedy: str
    sources: tuple[str, ...] = field(factory=tuple)


@frozen
class Knowledge:
    """All of it."""

    drivers: tuple[Driver, ...]
    hazards: tuple[HazardRule, ...]

    @property
    def systems(self) -> tuple[str, ...]:
        """The operating systems that some rule speaks of, by their ID of os-release."""
        conditions = [rule.when for rule in self.hazards]
        for one in self.drivers:
            conditions += [each.when for each in one.expects]
            conditions += [each.when for each in one.populates]
            conditions += [each.when for each in one.provides]
        return tuple(sorted({name for condition in conditions for name in _systems(condition)}))

    def of_driver(self, driver: str | None, compatibles: tuple[str, ...]) -> tuple[Driver, ...]:
        """What is known of a driver by name, or of a device by compatible."""
        return tuple(
            one
            for one in self.drivers
            if driver in one.drivers or any(compatible in one.compatibles for compatible in compatibles)
        )

    def arrival(self, compatibles: tuple[str, ...]) -> Driver | None:
        """The file that says in which kernel a driver for one of these came."""
        for one in self.drivers:
            if any(compatible in one.compatibles for compatible in compatibles):
                return one
        return None


def _systems(condition: Mapping[str, Any]) -> Iterator[str]:
    """The names under `os` in a condition and in those inside it."""
    for key, value in condition.items():
        if key == "os":
            yield from [value["name"]] if isinstance(value["name"], str) else value["name"]
        for inner in value if isinstance(value, list) else [value]:
            if isinstance(inner, Mapping) and key in {"absent", "any"}:
                yield from _systems(inner)


@cache
def knowledge() -> Knowledge:
    """Everything in the package's data folders. Raises `Malformed` for a file that is not in the form."""
    return Knowledge(
        drivers=tuple(load_driver(path) for path in data_files("drivers")),
        hazards=tuple(load_hazard(path) for path in data_files("hazards")),
    )


def load_driver(path: Path) -> Driver:
    """Read one driver's file."""
    table = _table(path)
    try:
        return Driver(
            name=path.stem,
            drivers=tuple(table.get("drivers", ())),
            compatibles=tuple(table.get("compatibles", ())),
            option=table.get("option"),
            since=table.get("since"),
            source=_text(table["source"]),
            expects=tuple(
                Expectation(
                    when=_condition(one.get("when", {})),
                    requires=_condition(one.get("requires", {})),
                    own_node=bool(one.get("own_node", False)),
                    own_properties=tuple(one.get("own_properties", ())),
                    reason=one["reason"],
                    remedy=one["remedy"],
                    source=one["source"],
                )
                for one in table.get("expects", ())
            ),
            populates=tuple(
                Populates(when=_condition(one.get("when", {})), node=_condition(one["node"]))
                for one in table.get("populates", ())
            ),
            provides=tuple(
                Provides(
                    property=one["property"],
                    when=_condition(one.get("when", {})),
                    requires=_condition(one["requires"]),
                    reason=one["reason"],
                    remedy=one["remedy"],
                    source=one["source"],
                )
                for one in table.get("provides", ())
            ),
            makes=tuple(
                Makes(
                    one.get("container", ""),
                    one["driver"],
                    one.get("child", ""),
                    one.get("module", ""),
                    one.get("option", ""),
                )
                for one in table.get("makes", ())
            ),
            uncertain=table.get("uncertain", ""),
            spares=tuple(
                Spares(
                    property=_text(one["property"]),
                    unless={name: tuple(values) for name, values in one["unless"].items()},
                    source=_text(one["source"]),
                )
                for one in table.get("spares", ())
            ),
            inherits=tuple(table.get("inherits", ())),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise Malformed(str(path), None, "a driver's knowledge file", repr(error)) from error


def load_hazard(path: Path) -> HazardRule:
    """Read one hazard's file."""
    table = _table(path)
    try:
        return HazardRule(
            name=path.stem,
            title=_text(table["title"]),
            goals=tuple(table["goals"]),
            effect=Verdict(table["effect"]),
            when=_condition(table["when"]),
            at=_condition(table.get("at", {})),
            on_chain=bool(table.get("on_chain", False)),
            reason=table["reason"],
            remedy=table["remedy"],
            sources=tuple(table["sources"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise Malformed(str(path), None, "a hazard's file", repr(error)) from error


def _table(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise Malformed(str(path), None, "TOML", str(error)) from error


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        message = f"{value!r} is no text"
        raise TypeError(message)
    return value


def _condition(table: dict[str, Any]) -> dict[str, Any]:
    unknown = set(table) - KEYS
    if unknown:
        message = f"unknown condition {', '.join(sorted(unknown))}"
        raise ValueError(message)
    return table
