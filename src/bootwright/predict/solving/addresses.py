"""Addresses of devices, translated as the kernel does: drivers/of/address.c, Linux 6.12 to 7.3."""

from __future__ import annotations

from bootwright.formats.devicetree.fdt import Node
from bootwright.predict.probing.terms import There


def address(node: Node, position: int) -> There:
    """Whether an entry of `reg` is there and can be translated to an address of the processor."""
    cells = node.cells("reg")
    if not cells:
        return There.MISSING
    bus = node.parent
    if bus is None:
        return There.UNKNOWN
    wide, sized = _counts(bus)
    cells_of_entry = wide + sized
    if not cells_of_entry or not wide:
        return There.UNKNOWN
    if (position + 1) * cells_of_entry > len(cells):
        return There.BROKEN if position * cells_of_entry < len(cells) else There.MISSING
    value = _number(cells[position * cells_of_entry : position * cells_of_entry + wide])
    return _translated(bus, value, wide)


def _translated(bus: Node, value: int, wide: int) -> There:
    """Up through the `ranges` of each bus; a bus without them cannot be seen through."""
    while bus.parent is not None:
        if bus.string("device_type") in {"pci", "pciex"} or bus.name.partition("@")[0] in {"pci", "pcie"}:
            return There.UNKNOWN  # addresses there have a space in front, and PCI gives them
        ranges = bus.properties.get("ranges")
        if ranges is None:
            return There.BROKEN
        above, _ = _counts(bus.parent)
        if ranges:
            own, sized = _counts(bus)
            cells_of_entry = own + above + sized
            cells = bus.cells("ranges")
            for at in range(0, len(cells) - cells_of_entry + 1, cells_of_entry):
                start = _number(cells[at : at + own])
                size = _number(cells[at + own + above : at + cells_of_entry])
                if start <= value < start + size:
                    value = _number(cells[at + own : at + own + above]) + value - start
                    break
            else:
                return There.BROKEN
        elif above != wide and above < wide:
            return There.UNKNOWN
        wide = above
        bus = bus.parent
    return There.YES


def _counts(bus: Node) -> tuple[int, int]:
    """Cells of addresses and sizes below a bus: its own, or those of a node above (of_bus_n_addr_cells)."""
    return _count(bus, "#address-cells"), _count(bus, "#size-cells")


def _count(bus: Node, name: str) -> int:
    current: Node | None = bus
    while current is not None:
        count = current.cell(name)
        if count is not None:
            return min(count, 8)
        current = current.parent
    return 1  # OF_ROOT_NODE_ADDR_CELLS_DEFAULT, OF_ROOT_NODE_SIZE_CELLS_DEFAULT


def _number(cells: tuple[int, ...]) -> int:
    number = 0
    for cell in cells:
        number = number << 32 | cell
    return number
