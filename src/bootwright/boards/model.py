"""Boards: one TOML file each in `data/boards/`. They say where things are, never how they must come up."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from attrs import frozen

from bootwright.foundation.choices import no_such
from bootwright.foundation.errors import Malformed, Refused
from bootwright.foundation.places import data_files

_FIND_KEYS = frozenset({"alias", "compatible", "symbol", "unit_address", "node_name", "phandle_of", "stdout"})


@frozen
class Find:
    """How to find a node: all given keys must fit."""

    alias: str | None = None
    symbol: str | None = None
    compatible: str | None = None
    node_name: str | None = None
    unit_address: str | None = None
    stdout: bool = False
    """The node that `/chosen/stdout-path` names."""


@frozen
class Stepping:
    """A variant of the board's silicon that boots with a devicetree of its own."""

    name: str
    dtb: str
    """File name, as firmware and kernel packages have it."""
    note: str
    firmware_overlay: str = ""
    """The overlay that the board's firmware puts on another stepping's devicetree, by name."""


@frozen
class RevisionRule:
    """Which stepping a revision code's bit fields mean; every field given must fit."""

    stepping: str
    fields: Mapping[str, tuple[int, int]]
    """Field name → (lowest, highest)."""


@frozen
class BitField:
    """Bits `low` to `high` of a revision code."""

    name: str
    low: int
    high: int

    def of(self, code: int) -> int:
        """The field's value."""
        return code >> self.low & ((1 << (self.high - self.low + 1)) - 1)


@frozen
class Revision:
    """How a board's revision code is read."""

    source: str
    bits: tuple[BitField, ...]
    board: Mapping[str, tuple[int, int]]
    """Fields that say the code is of this board."""
    rules: tuple[RevisionRule, ...]


@frozen
class Function:
    """A PCI function soldered to the board, which enumeration finds whatever the devicetree says."""

    host: Find
    vendor: int
    device: int
    title: str


@frozen
class Goal:
    """What the user wants to work, and the nodes that stand for it."""

    name: str
    find: tuple[Find, ...]
    """Tried in turn."""
    phy: int | None
    """The id of the Ethernet PHY on the board (IEEE 802.3 registers 2 and 3)."""
    boots_from: bool
    """Whether it is needed before the root file system is mounted."""
    note: str


@frozen
class Board:
    """A board."""

    id: str
    name: str
    compatible: tuple[str, ...]
    source: str
    steppings: tuple[Stepping, ...]
    revision: Revision | None
    functions: tuple[Function, ...]
    goals: tuple[Goal, ...]
    not_checked: tuple[str, ...]
    firmware_models: frozenset[str]
    """Model filters of config.txt that hold on this board (`pi5` of `[pi5]`); empty without such firmware."""

    def goal(self, name: str) -> Goal:
        """The goal of that name; raises `Refused` with those there are."""
        for goal in self.goals:
            if goal.name == name:
                return goal
        known = [goal.name for goal in self.goals]
        raise no_such(f"{self.id} has no goal {name}", name, known, kind="its goals")

    def stepping(self, name: str | None) -> Stepping:
        """The stepping of that name, or the first; raises `Refused` with those there are."""
        if name is None:
            return self.steppings[0]
        for stepping in self.steppings:
            if stepping.name == name:
                return stepping
        known = [stepping.name for stepping in self.steppings]
        raise no_such(f"{self.id} has no stepping {name}", name, known, kind="its steppings")

    def stepping_of(self, code: str) -> Stepping:
        """The stepping a revision code means, by its bits.

        Raises `Refused` where it is no hexadecimal code, or one of another board.
        """
        revision = self.revision
        if revision is None:
            raise Refused(f"{self.id} has no revision codes", hint="give --stepping instead")
        try:
            number = int(code.strip().lower().removeprefix("0x"), 16)
        except ValueError as error:
            raise Refused(
                f"{code!r} is no revision code", hint="it looks like e04171; see /proc/cpuinfo"
            ) from error
        values = {field.name: field.of(number) for field in revision.bits}
        if number >> 32 or not _fits(values, revision.board):
            found = ", ".join(f"{name} {value:#x}" for name, value in values.items())
            raise Refused(f"revision {code} is not one of {self.name}", hint=f"its fields: {found}")
        for rule in revision.rules:
            if _fits(values, rule.fields):
                return self.stepping(rule.stepping)
        return self.steppings[0]


def _fits(values: Mapping[str, int], wanted: Mapping[str, tuple[int, int]]) -> bool:
    return all(low <= values[name] <= high for name, (low, high) in wanted.items())


@cache
def boards() -> tuple[Board, ...]:
    """Every board known, by name of its file."""
    return tuple(load_board(path) for path in data_files("boards"))


def board(name: str) -> Board:
    """The board of that name; raises `Refused` with those there are."""
    for one in boards():
        if one.id == name:
            return one
    raise no_such(f"there is no board {name}", name, [one.id for one in boards()], kind="boards")


def boards_of(compatible: tuple[str, ...]) -> tuple[Board, ...]:
    """Boards whose own (first) compatible is in a devicetree's root compatible."""
    return tuple(one for one in boards() if one.compatible[0] in compatible)


def load_board(path: Path) -> Board:
    """Read one board's file; raises `Malformed`."""
    try:
        return _board(path.stem, tomllib.loads(path.read_text()))
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise Malformed(str(path), None, "a board's description", repr(error)) from error


def _board(name: str, table: Mapping[str, Any]) -> Board:
    return Board(
        id=name,
        name=table["name"],
        compatible=tuple(table["compatible"]),
        source=table["source"],
        steppings=tuple(
            Stepping(one["name"], one["dtb"], one.get("note", ""), one.get("firmware_overlay", ""))
            for one in table["stepping"]
        ),
        revision=_revision(table["revision"]) if "revision" in table else None,
        functions=tuple(
            Function(
                host=_find(one["host"]),
                vendor=int(one["id"].partition(":")[0], 16),
                device=int(one["id"].partition(":")[2], 16),
                title=one["title"],
            )
            for one in table.get("pci", ())
        ),
        goals=tuple(_goal(key, one) for key, one in table["goal"].items()),
        not_checked=tuple(table.get("not_checked", ())),
        firmware_models=frozenset(table.get("firmware_models", ())),
    )


def _goal(name: str, table: Mapping[str, Any]) -> Goal:
    find = table["find"]
    phy = table.get("phy")
    return Goal(
        name=name,
        find=tuple(_find(one) for one in (find if isinstance(find, list) else [find])),
        phy=int(phy, 16) if phy is not None else None,
        boots_from=bool(table.get("boots_from", False)),
        note=table.get("note", ""),
    )


def _find(table: Mapping[str, Any]) -> Find:
    strange = set(table) - _FIND_KEYS
    if strange or not table:
        message = f"unknown keys {sorted(strange)}"
        raise ValueError(message)
    return Find(**table)


def _revision(table: Mapping[str, Any]) -> Revision:
    bits = tuple(BitField(name, low, high) for name, (low, high) in table["bits"].items())
    known = {field.name for field in bits}
    rules = tuple(RevisionRule(one.pop("stepping"), _ranges(one, known)) for one in table.get("rule", ()))
    return Revision(table["source"], bits, _ranges(table["board"], known), rules)


def _ranges(table: Mapping[str, Any], known: set[str]) -> dict[str, tuple[int, int]]:
    found: dict[str, tuple[int, int]] = {}
    for name, value in table.items():
        if name not in known:
            message = f"unknown bit field {name}"
            raise ValueError(message)
        found[name] = (value, value) if isinstance(value, int) else (value[0], value[1])
    return found
