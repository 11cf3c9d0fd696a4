"""What differs between two artifacts, by meaning: what a boot depends on first, bytes only where nothing
else is known.

Each kind of thing has its own comparison, a module beside this one.
"""

from __future__ import annotations

from attrs import evolve

from bootwright.inspect.difference import boot, devicetree, files
from bootwright.inspect.difference import modules as module_comparisons
from bootwright.inspect.difference.model import Area, Difference, Placed, Side, normal
from bootwright.inspect.facts import Item, ItemKind


def compare(
    first: Item, second: Item, *, dtbs: tuple[str, ...] = (), modules: frozenset[str] | None = None
) -> tuple[Difference, ...]:
    """Every difference between two artifacts, by area, in the order of `Area`.

    `dtbs`: shell patterns of the DTB file names to compare, where not all; `modules`: names of the modules to
    look into, where not all. Which modules are gained and lost is reported in any case.
    """
    before = evolve(_side(first, dtbs), modules=modules)
    after = evolve(_side(second, dtbs), modules=modules)
    differences: list[Difference] = []
    for comparison in (
        *boot.COMPARISONS,
        *devicetree.COMPARISONS,
        *module_comparisons.COMPARISONS,
        *files.COMPARISONS,
    ):
        differences.extend(comparison(before, after))
    order = {area: rank for rank, area in enumerate(Area)}
    return tuple(sorted(differences, key=lambda difference: order[difference.area]))


def _side(root: Item, dtbs: tuple[str, ...]) -> Side:
    releases = {
        str(item.fact("release")) for item in root.walk() if item.kind in {ItemKind.KERNEL, ItemKind.MODULES}
    } - {"None"}
    ordered = tuple(sorted(releases, key=len, reverse=True))
    placed: list[Placed] = []

    def place(item: Item, above: str) -> None:
        label = _label(item, ordered)
        item_place = f"{above}/{label}" if label else above
        placed.append(Placed(item, item_place or "/"))
        for child in item.children:
            place(child, item_place)

    placed.append(Placed(root, "/"))
    for child in root.children:
        place(child, "")
    return Side(tuple(placed), ordered, dtbs)


def _label(item: Item, releases: tuple[str, ...]) -> str:
    if item.kind in {ItemKind.DISK, ItemKind.COMPRESSED, ItemKind.DEVICETREES, ItemKind.OVERLAYS}:
        return ""
    if item.kind == ItemKind.PARTITION:
        return str(item.fact("label") or f"partition {item.fact('number')}")
    if item.kind == ItemKind.FILESYSTEM and item.name.startswith("partition "):
        return ""
    return normal(item.name.strip("/"), releases)
