"""The words of a walk through a probe function: questions, answers and how it ends."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from attrs import frozen

OF_CHILD = "child:"
"""Begins questions about one of the node's children."""
BOUND = "bound|"
"""Begins questions whether another device has bound."""

BOOT_CODE = "boot code"
"""In place of a bus: what an early table (`OF_DECLARE`) calls for a node, before there are devices."""


class There(StrEnum):
    """What a node has of what is asked for."""

    YES = "yes"
    MISSING = "missing"
    BROKEN = "broken"
    """A reference that leads nowhere or has too few cells, an address that cannot be translated."""
    DISABLED = "disabled"
    """A reference to a node that is disabled: nothing ever registers what it provides."""
    UNKNOWN = "unknown"


LACKING = frozenset({There.MISSING, There.BROKEN, There.DISABLED})
"""Answers with which a driver does not get what it asks for."""


Ask = Callable[[str], There]
"""Answers questions: `clocks|name:tx`, `interrupts|0`, `property||reg-shift`, …"""


class Ending(StrEnum):
    """How a probe can end."""

    MAY_SUCCEED = "may succeed"
    FAILS = "fails"
    UNDECIDED = "undecided"
    """Some way could not be followed to its end, and none that could succeeds."""


@frozen
class Walked:
    """What a walk found."""

    ending: Ending
    errors: tuple[int, ...] = ()
    """Error numbers that it may return, positive."""
    asked: tuple[tuple[str, There], ...] = ()


@frozen
class Entry:
    """A probe function and what it is called for."""

    address: int
    device_at: int
    """Offset of `struct device` in the structure that the bus gives the probe function."""
    bus_type: int = 0
    """Address of the bus's `struct bus_type`; 0 where that is not known."""
    table: int = 0
    """Address of the driver's match table; 0 where it has none."""
    compatible: str = ""
    """What matched."""
    of_node: bool = False
    """Whether it is given the devicetree node, and no device."""
    registers: frozenset[str] = frozenset()
    """Functions that a setup function must get to, where it returns nothing that tells of an error."""


@frozen
class Outcome:
    """What becomes of a probe."""

    ending: Ending
    errors: tuple[int, ...] = ()
    blamed: str = ""
    """The question whose answer makes it fail; empty where it does not."""
    waits: tuple[str, ...] = ()
    """Questions whether other devices have bound: until then it is tried again."""
    disabled: tuple[str, ...] = ()
    """Questions about references to disabled nodes that the driver did ask."""
    about_children: bool = False
    """Whether something was asked about a child node, so that it is asked of each."""
