"""Which UART of a Raspberry Pi is on its header, by the devicetree that the kernel gets.

The kernel sets the pins as the devicetree says (`brcm,pins` of a UART's `pinctrl-0`; an empty list leaves
them as the firmware set them up for it). The emulator does not model pins: only the UART on GPIO 14 and 15 is
recorded, as only that one is seen on a board.
"""

from __future__ import annotations

from collections.abc import Sequence

from bootwright.firmware.board import Uart
from bootwright.formats.devicetree.fdt import Node, Tree

_TRANSMIT = 14
"""GPIO of the header's pin 8."""


def header_uart(tree: Tree, uarts: Sequence[Uart]) -> int | None:
    """The number of the UART on the header; None where the devicetree puts none there."""
    ranks = [_rank(tree, _node(tree, uart)) for uart in uarts]
    best = max(ranks, default=0)
    return ranks.index(best) if best else None


def kernel_name(tree: Tree, uart: Uart) -> str:
    """`ttyAMA0`: the driver's name with the number that /aliases gives it, 0 without any."""
    node = _node(tree, uart)
    aliases = tree.root.child("aliases")
    number = 0
    for name in aliases.properties if aliases is not None else ():
        ours = node is not None and tree.alias(name) is node
        if ours and name.startswith("serial") and name[6:].isdecimal() and name.isascii():
            number = int(name[6:])
    return f"{uart.driver}{number}"


def _node(tree: Tree, uart: Uart) -> Node | None:
    return next((node for node in tree.root.walk() if node.name == uart.node and node.available), None)


def _rank(tree: Tree, node: Node | None) -> int:
    """2: its pins are the header's; 1: it takes the pins as the firmware left them; 0: neither."""
    best = 0
    for phandle in node.cells("pinctrl-0") if node is not None else ():
        pins = tree.by_phandle.get(phandle)
        if pins is None:
            continue
        listed = pins.cells("brcm,pins")
        if _TRANSMIT in listed:
            return 2
        if "brcm,pins" in pins and not listed:
            best = 1
    return best
