"""What a difference is, and what all comparisons share: which parts of two artifacts correspond."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum

from attrs import frozen

from bootwright.inspect.facts import Item, ItemKind, Origin, Value


class Area(StrEnum):
    """What a difference is about, the most relevant to booting first."""

    KERNEL = "kernel"
    OS = "operating system"
    DEVICETREE = "devicetree"
    COMMAND_LINE = "command line"
    CONFIG_TXT = "config.txt"
    KERNEL_CONFIG = "kernel configuration"
    DRIVERS = "built-in drivers"
    MODULES = "modules"
    INITRAMFS = "initramfs"
    BOARD_FIRMWARE = "board firmware"
    FIRMWARE = "device firmware"
    DISK = "disk and file systems"
    FILES = "files"


@frozen
class Difference:
    """One thing that differs."""

    area: Area
    what: str
    """`page size`, `/soc/ethernet: phy-handle`, `CONFIG_MACB`, …"""
    before: Value
    """None: it is not in the first artifact."""
    after: Value
    """None: it is not in the second artifact."""
    where_before: Origin | None = None
    where_after: Origin | None = None

    @property
    def change(self) -> str:
        """`gained`, `lost` or `changed`."""
        if self.before is None:
            return "gained"
        return "lost" if self.after is None else "changed"

    def as_json(self) -> dict[str, Value]:
        """The documented form (docs/schemas/diff.schema.json)."""
        return {
            "area": self.area.value,
            "what": self.what,
            "change": self.change,
            "before": self.before,
            "after": self.after,
            "where_before": self.where_before.as_json() if self.where_before else None,
            "where_after": self.where_after.as_json() if self.where_after else None,
        }


@frozen
class Placed:
    """An item and where it is, in words that are the same in another image of the same make."""

    item: Item
    place: str


@frozen
class Side:
    """One artifact, ready to be compared."""

    placed: tuple[Placed, ...]
    releases: tuple[str, ...]
    """Kernel releases in it, which file names are full of."""
    dtbs: tuple[str, ...] = ()
    """Shell patterns of the DTB file names that are compared; empty: all."""
    modules: frozenset[str] | None = None
    """Names of modules whose content is compared; None: all."""

    def of_kind(self, *kinds: ItemKind) -> list[Placed]:
        """The items of these kinds, in the tree's order."""
        return [placed for placed in self.placed if placed.item.kind in kinds]


Comparison = Callable[[Side, Side], Iterator[Difference]]


def pairs(
    before: Sequence[Placed], after: Sequence[Placed]
) -> tuple[list[tuple[Placed, Placed]], list[Placed], list[Placed]]:
    """What corresponds to what, and what is left over on either side.

    By place, then by file name; a thing that is the only one of its kind on both sides is paired anyway.
    """
    matched: list[tuple[Placed, Placed]] = []
    left, right = list(before), list(after)
    for key in (_place, _file_name):
        known: dict[str, list[Placed]] = {}
        for placed in right:
            known.setdefault(key(placed), []).append(placed)
        remaining: list[Placed] = []
        for placed in left:
            candidates = known.get(key(placed))
            if candidates:
                matched.append((placed, candidates.pop(0)))
            else:
                remaining.append(placed)
        left = remaining
        right = [candidate for candidates in known.values() for candidate in candidates]
    if len(before) == len(after) == len(left) == 1:
        return [(before[0], after[0])], [], []
    return matched, left, right


def _place(placed: Placed) -> str:
    return placed.place


def _file_name(placed: Placed) -> str:
    return posixpath.basename(placed.place)


def values(
    area: Area,
    before: Placed,
    after: Placed,
    names: Sequence[str],
    *,
    prefix: str = "",
) -> Iterator[Difference]:
    """The facts of these names that differ between two items."""
    for name in names:
        old, new = before.item.fact(name), after.item.fact(name)
        if old != new:
            yield Difference(
                area,
                prefix + name.replace("_", " "),
                old,
                new,
                before.item.origin,
                after.item.origin,
            )


def normal(path: str, releases: tuple[str, ...]) -> str:
    """A path with the kernel's release left out: `/lib/modules/…/kernel` is the same in any version."""
    for release in releases:
        path = path.replace(release, "RELEASE")
    return re.sub(r"(?<=[-_])\d+\.\d+[\w.+~-]*", "RELEASE", path)
