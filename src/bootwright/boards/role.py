"""Roles: what a devicetree's node is for, told by the subsystem of its driver, its name and its properties.

One TOML file each in `data/roles/`. A board without a file of its own gets its goals by them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from attrs import field, frozen

from bootwright.boards.model import Goal
from bootwright.foundation.knowledge import Kind
from bootwright.foundation.structure import STEM


@frozen
class Role:
    """What makes a node one that stands for a goal."""

    id: str = field(metadata=STEM)
    """The goal's name."""
    title: str
    """What such a node is, for the goal's note."""
    order: int
    """Goals are listed by it, the lowest first."""
    source: tuple[str, ...]
    by: Literal["driver", "stdout", "pci-host", "output"] = "driver"
    """How nodes are found: by `drivers` and `names`; as the node that stdout-path names; as PCI hosts on
    which no node describes a function; as what a display's graph ends at."""
    drivers: tuple[str, ...] = ()
    """Folders of the kernel's source with the drivers of such nodes, from its top and with a `/` at the
    end."""
    names: frozenset[str] = frozenset()
    """Generic names of such nodes (devicetree specification 0.4, 2.2.2, and the bindings named in `source`);
    where the driver is not known they decide."""
    compatibles: frozenset[str] = frozenset()
    """Generic compatibles of such nodes, which decide whatever their name."""
    otherwise: frozenset[str] = frozenset()
    """Names of nodes that stand for the goal where there is none of the above."""
    properties: frozenset[str] = frozenset()
    """A node with a driver of `drivers` and another name is meant where it has one of these."""
    without: frozenset[str] = frozenset()
    """A node with one of these is not meant."""
    without_all: tuple[str, ...] = ()
    """A node with all of these is not meant."""
    not_values: Mapping[str, tuple[str, ...]] = field(factory=dict)
    """Property → values with which a node is not meant."""
    not_above: tuple[str, ...] = ()
    """Roles: a node above one of these is only the way to it."""
    innermost: bool = False
    """Whether the lowest of several such nodes, one below the other, stands for all."""
    ports: bool = False
    """Whether child nodes that describe ports stand for the node."""
    aliases: str = ""
    """Name of the aliases that number such nodes (`ethernet` of ethernet0)."""
    boots_from: bool = False
    """Whether a root file system may be on it."""
    graph: bool = False
    """Whether everything that its graph leads to is needed."""
    not_checked: tuple[str, ...] = ()
    """What no file can tell of it."""


ROLES = Kind("roles", "a role", Role)
"""`data/roles/`, and the user's own."""


def role_of(goal: Goal) -> Role | None:
    """The role of a goal; None of one that a board's file made up."""
    return ROLES.get(goal.kind) if goal.kind in ROLES.files() else None


def is_of_role(name: str) -> bool:
    """Whether a goal that is made of a devicetree may be called so: `wifi`, `ethernet-2`."""
    stem, _, number = name.rpartition("-")
    return (stem if number.isdecimal() else name) in ROLES.files()


def roles() -> tuple[Role, ...]:
    """Every role, in the order of goals."""
    return tuple(sorted(ROLES.all().values(), key=lambda role: role.order))
