"""What drivers take of their child nodes: `data/children`."""

from __future__ import annotations

from functools import cache

from attrs import frozen

from bootwright.foundation.knowledge import Kind


@frozen
class OfChildren:
    """What a driver takes of each child node, where its code keeps it in memory that a walk loses."""

    drivers: tuple[str, ...]
    any: tuple[str, ...]
    """Families of which every enabled child must have one."""
    source: str


CHILDREN = Kind("children", "what a driver takes of its child nodes", OfChildren)


def of_children(driver: str) -> tuple[OfChildren, ...]:
    """The rules about child nodes of a driver. Raises `Malformed` for a file that is not right."""
    return _by_driver().get(driver, ())


@cache
def _by_driver() -> dict[str, tuple[OfChildren, ...]]:
    rules: dict[str, tuple[OfChildren, ...]] = {}
    for rule in CHILDREN.all().values():
        for driver in rule.drivers:
            rules[driver] = (*rules.get(driver, ()), rule)
    return rules
