"""From a platform device's name in a log to its devicetree node.

`of_device_make_bus_id` (drivers/of/platform.c, Linux 6.12) names a device by the bus address of its first
register range as the CPU sees it, and the node's name: `1f00100000.ethernet`.
"""

from __future__ import annotations

import re

from bootwright.formats.devicetree.fdt import Node, Tree

_OF_PROGRAMS = "/dev/"
_NAME = re.compile(r"(?P<address>[0-9a-f]{1,16})\.(?P<name>[\w,+-]+)")


def is_device(text: str) -> bool:
    """Whether it may be the name of a device with a node, or a node's path.

    A name below /dev is a program's for a device, such as a disk, of which no devicetree knows.
    """
    if text.startswith(_OF_PROGRAMS):
        return False
    return text.startswith("/") or _NAME.fullmatch(_first(text)) is not None


def node_of(tree: Tree, text: str) -> Node | None:
    """The node of a device (`1f00100000.ethernet`, `10006000.syscon:power-controller`), or at a path."""
    if text.startswith("/"):
        return tree.node(text)
    match = _NAME.fullmatch(_first(text))
    if match is None:
        return None
    address = int(match["address"], 16)
    named = [node for node in tree.nodes if node.name.partition("@")[0] == match["name"]]
    addressed = next((node for node in named if cpu_address(node) == address), None)
    if addressed is None:
        addressed = next((node for node in named if node.name.partition("@")[2] == f"{address:x}"), None)
    _, colon, child = text.partition(":")
    return addressed.child(child) or addressed if addressed is not None and colon else addressed


def cpu_address(node: Node) -> int | None:
    """The first address of `reg` as the CPU sees it (devicetree specification 0.4, section 2.3.8)."""
    parent = node.parent
    if parent is None:
        return None
    reg = node.cells("reg")
    width = _width(parent, "#address-cells", 2)
    if len(reg) < width or not width:
        return None
    address = _number(reg[:width])
    while parent is not None and parent.parent is not None:
        ranges = parent.cells("ranges")
        if "ranges" not in parent:
            return None
        outer = _width(parent.parent, "#address-cells", 2)
        size = _width(parent, "#size-cells", 1)
        step = width + outer + size
        for at in range(0, len(ranges) - step + 1, step) if step else ():
            start, length = _number(ranges[at : at + width]), _number(ranges[at + width + outer : at + step])
            if start <= address < start + length:
                address = address - start + _number(ranges[at + width : at + width + outer])
                break
        else:
            if ranges:
                return None
        parent, width = parent.parent, outer
    return address


def _first(text: str) -> str:
    return text.partition(":")[0]


def _width(node: Node, name: str, default: int) -> int:
    value = node.cell(name)
    return default if value is None else min(value, 4)


def _number(cells: tuple[int, ...]) -> int:
    """Of three cells (PCI) the first says which space it is, not where."""
    value = 0
    for cell in cells[-2:]:
        value = value << 32 | cell
    return value
