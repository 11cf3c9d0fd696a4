"""References of a devicetree that point to no node: a device that has one may fail for that reason alone."""

from __future__ import annotations

from collections.abc import Iterator

from bootwright.formats.devicetree.fdt import Node, Tree
from bootwright.lab.mutation.candidates import reference_kind, reference_places

_MOST_ABOVE = 64
_MAPS = {"msi-map": 1, "iommu-map": 1}
"""Lists of four cells, of which that one is a phandle (Documentation/devicetree/bindings/pci, Linux 6.12)."""


def dangling(tree: Tree, node: Node) -> tuple[str, ...]:
    """The properties of a node, of the nodes inside it that are no devices, and the interrupt parent it
    inherits, that refer to a phandle which no node has; in the form `/path: property`.
    """
    return tuple(_own(tree, node))


def _own(tree: Tree, node: Node) -> Iterator[str]:
    stack = [node]
    while stack:
        current = stack.pop()
        for name in current.properties if "gpio-hog" not in current else ():  # a hog's are its parent's lines
            if _points_nowhere(tree, current, name):
                yield f"{current.path}: {name}"
        stack.extend(child for child in current.children if not child.compatible and child.enabled)
    if "interrupts" in node and "interrupt-parent" not in node:
        above = node.parent
        for _ in range(_MOST_ABOVE):
            if above is None or "#interrupt-cells" in above:
                return
            if "interrupt-parent" in above:
                if _is_unknown(tree, above.cell("interrupt-parent")):
                    yield f"{above.path}: interrupt-parent"
                return
            above = above.parent


def _points_nowhere(tree: Tree, node: Node, name: str) -> bool:
    cells = node.cells(name)
    if name == "interrupt-parent":
        return _is_unknown(tree, cells[0] if cells else None)
    if name in _MAPS:
        return any(_is_unknown(tree, cell) for cell in cells[_MAPS[name] :: 4])
    known = reference_kind(name)
    if known is None or not cells:
        return False
    counting = known[1]
    reached = 0
    for at, target in reference_places(tree, node, name, counting):
        reached = at + 1 + ((target.cell(counting) or 0) if counting else 0)
    rest = cells[reached:]
    return any(_is_unknown(tree, cell) for cell in rest[:1] if cell != 0) or (
        0 in rest and _is_unknown(tree, next((cell for cell in rest if cell), None))
    )


def _is_unknown(tree: Tree, phandle: int | None) -> bool:
    return phandle is not None and phandle not in tree.by_phandle
