"""One thing of a working machine made wrong, or changed without harm: what is changed, and how.

A mutation changes one property or one node of the devicetree, leaves one module out, or adds one argument for
the kernel. It is a value that can be written down, so that anyone can boot the same again; which ones are
tried is chosen in `mutation_candidates`.
"""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Any

from attrs import asdict, evolve, frozen

from bootwright.formats.devicetree.fdt import Node, Tree, parse_fdt
from bootwright.formats.devicetree.writer import Draft
from bootwright.foundation.errors import Malformed, Refused

STATUS = "status"
_DISABLED = b"disabled\0"
_HIGHEST_PHANDLE = 0xFFFFFFFE
"""0 and 0xffffffff are none (devicetree specification 0.4, 2.3.3; scripts/dtc/checks.c phandle_is_valid)."""


class Change(StrEnum):
    """How a mutation changes what it is about."""

    DROP = "drop"
    """The property is gone."""
    DANGLE = "dangle"
    """A reference of the property points to no node."""
    SHORTEN = "shorten"
    """The property lacks its last cell."""
    DISABLE = "disable"
    """The node has status = "disabled"."""
    ADD = "add"
    """A property that nobody knows."""
    RENAME = "rename"
    """A property of another name with the same value."""
    MODULE = "module"
    """A module is not there."""
    ARGUMENT = "argument"
    """The kernel has one more argument."""


@frozen
class Mutation:
    """One difference from the intact machine."""

    change: Change
    stratum: str
    """What is mutated, as the set is divided: `clocks`, `interrupts`, `module`, `harmless`, …"""
    node: str = ""
    """Path of the node that is changed; empty for modules and arguments."""
    prop: str = ""
    """The property that is changed; the new name's old one for `rename`."""
    cell: int = 0
    """Which of the property's cells holds the phandle that dangles."""
    value: str = ""
    """The module, the argument, or the new name of the property."""
    consumer: str = ""
    """For a disabled provider, the node whose reference to it was picked."""
    reference: str = ""
    """And the property of that node which refers to it."""

    @property
    def name(self) -> str:
        """All that tells it from others, in one line."""
        if self.change in {Change.MODULE, Change.ARGUMENT}:
            return f"{self.change} {self.value}"
        parts = (self.node, self.prop, str(self.cell) if self.cell else "", self.value)
        return " ".join(part for part in (self.change.value, *parts) if part)

    @property
    def changes_devicetree(self) -> bool:
        """Whether `apply` changes anything."""
        return self.change not in {Change.MODULE, Change.ARGUMENT}


def apply(blob: bytes, mutation: Mutation, name: str = "the devicetree") -> bytes:
    """The devicetree with the mutation made; the same bytes where it is about something else.

    Raises `Malformed` for a blob that is none, `Refused` where the mutation does not fit it.
    """
    if not mutation.changes_devicetree:
        return blob
    tree = parse_fdt(blob, name)
    node = tree.node(mutation.node)
    if node is None:
        raise Refused(
            f"{name} has no node {mutation.node}", hint="a mutation applies only to the tree it was made for"
        )
    properties = dict(node.properties)
    if mutation.change is Change.DISABLE:
        properties[STATUS] = _DISABLED
    elif mutation.change is Change.ADD:
        properties[mutation.prop] = b""
    elif mutation.prop not in properties:
        raise Refused(
            f"{mutation.node} in {name} has no property {mutation.prop}",
            hint="a mutation applies only to the tree it was made for",
        )
    elif mutation.change is Change.DROP:
        del properties[mutation.prop]
    elif mutation.change is Change.RENAME:
        properties = {
            mutation.value if key == mutation.prop else key: value for key, value in properties.items()
        }
    else:
        properties[mutation.prop] = _cells_changed(tree, node, mutation)
    if properties == node.properties:
        raise Refused(
            f"{mutation.name} changes nothing in {name}", hint="a mutation makes exactly one difference"
        )
    node.properties.clear()
    node.properties.update(properties)
    return Draft.of(tree.root).blob(tree)


def _cells_changed(tree: Tree, node: Node, mutation: Mutation) -> bytes:
    value = node.properties[mutation.prop]
    if mutation.change is Change.SHORTEN:
        if len(value) < 4:
            raise Refused(f"{mutation.prop} of {mutation.node} has no cell to remove", hint=None)
        return value[:-4]
    at = mutation.cell * 4
    if at + 4 > len(value):
        raise Refused(f"{mutation.prop} of {mutation.node} has no cell {mutation.cell}", hint=None)
    return value[:at] + unused_phandle(tree).to_bytes(4, "big") + value[at + 4 :]


def unused_phandle(tree: Tree) -> int:
    """A phandle that no node has: the highest that is valid, or the next below."""
    number = _HIGHEST_PHANDLE
    while number in tree.by_phandle:
        number -= 1
    return number


def to_table(mutation: Mutation) -> dict[str, Any]:
    """For JSON: what has its default is left out."""
    return {key: value for key, value in asdict(mutation).items() if value not in ("", 0)}


def from_table(table: object, where: str) -> Mutation:
    """Read what `to_table` made; raises `Malformed`."""
    try:
        if not isinstance(table, dict):
            message = f"{str(table)[:60]} is not a table"
            raise TypeError(message)
        entries: dict[str, Any] = dict(table)
        entries["change"] = Change(entries["change"])
        made = Mutation(**entries)
        if not isinstance(made.cell, int) or not 0 <= made.cell < 1 << 20:
            message = f"cell {made.cell!r} is not the number of a cell"
            raise ValueError(message)
        texts = evolve(made, cell=0, change=Change.DROP)
        if not all(isinstance(value, str | int) for value in asdict(texts).values()):
            message = f"{json.dumps(table)[:80]} has values that are not text"
            raise TypeError(message)
        return made
    except (KeyError, TypeError, ValueError) as error:
        raise Malformed(where, None, "a mutation", f"{type(error).__name__} {error}"[:200]) from error
