"""What differs between two artifacts, by meaning: what a boot depends on first, bytes only where nothing
else is known.

Each kind of thing has its own comparison (difference_boot, difference_devicetree, difference_files); this
module finds what in one artifact corresponds to what in the other.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum

from attrs import evolve, frozen

from bootwright.inspect.facts import Item, Origin, Value


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

    def of_kind(self, *kinds: str) -> list[Placed]:
        """The items of these kinds, in the tree's order."""
        return [each for each in self.placed if each.item.kind in kinds]


Comparison = Callable[[Side, Side], Iterator[Difference]]


def compare(
    first: Item, second: Item, *, dtbs: tuple[str, ...] = (), modules: frozenset[str] | None = None
) -> tuple[Difference, ...]:
    """Every difference between two artifacts, by area, in the order of `Area`.

    `dtbs`: shell patterns of the DTB file names to compare, where not all; `modules`: names of the modules to
    look into, where not all. Which modules are gained and lost is told in any case.
    """
    from bootwright.inspect.difference import boot as difference_boot
    from bootwright.inspect.difference import devicetree as difference_devicetree
    from bootwright.inspect.difference import files as difference_files
    from bootwright.inspect.difference import modules as difference_modules

    before = evolve(_side(first, dtbs), modules=modules)
    after = evolve(_side(second, dtbs), modules=modules)
    found: list[Difference] = []
    for comparison in (
        *difference_boot.COMPARISONS,
        *difference_devicetree.COMPARISONS,
        *difference_modules.COMPARISONS,
        *difference_files.COMPARISONS,
    ):
        found.extend(comparison(before, after))
    order = {area: rank for rank, area in enumerate(Area)}
    return tuple(sorted(found, key=lambda each: order[each.area]))


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
        for each in right:
            known.setdefault(key(each), []).append(each)
        remaining: list[Placed] = []
        for each in left:
            candidates = known.get(key(each))
            if candidates:
                matched.append((each, candidates.pop(0)))
            else:
                remaining.append(each)
        left = remaining
        right = [each for candidates in known.values() for each in candidates]
    if len(before) == len(after) == len(left) == 1:
        return [(before[0], after[0])], [], []
    return matched, left, right


def _place(each: Placed) -> str:
    return each.place


def _file_name(each: Placed) -> str:
    return posixpath.basename(each.place)


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


def _side(root: Item, dtbs: tuple[str, ...]) -> Side:
    releases = {str(item.fact("release")) for item in root.walk() if item.kind in {"kernel", "modules"}} - {
        "None"
    }
    ordered = tuple(sorted(releases, key=len, reverse=True))
    placed: list[Placed] = []

    def place(item: Item, above: str) -> None:
        label = _label(item, ordered)
        here = f"{above}/{label}" if label else above
        placed.append(Placed(item, here or "/"))
        for child in item.children:
            place(child, here)

    placed.append(Placed(root, "/"))
    for child in root.children:
        place(child, "")
    return Side(tuple(placed), ordered, dtbs)


def _label(item: Item, releases: tuple[str, ...]) -> str:
    if item.kind in {"disk", "compressed", "devicetrees", "overlays"}:
        return ""
    if item.kind == "partition":
        return str(item.fact("label") or f"partition {item.fact('number')}")
    if item.kind == "filesystem" and item.name.startswith("partition "):
        return ""
    return normal(item.name.strip("/"), releases)


def normal(path: str, releases: tuple[str, ...]) -> str:
    """A path with the kernel's release left out: `/lib/modules/…/kernel` is the same in any version."""
    for release in releases:
        path = path.replace(release, "RELEASE")
    return re.sub(r"(?<=[-_])\d+\.\d+[\w.+~-]*", "RELEASE", path)
