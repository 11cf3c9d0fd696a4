"""Properties that refer to other nodes, taken apart: each phandle as the path it points to.

Devicetree specification 0.4 section 2.3 and the common bindings of Linux 6.12 (Documentation/devicetree/
bindings): a list of phandle and specifier pairs, where the target's `#…-cells` says how long a specifier is.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

from bootwright.formats.devicetree.fdt import Node, Tree

_CELLS: Mapping[str, str] = {
    "assigned-clock-parents": "#clock-cells",
    "assigned-clocks": "#clock-cells",
    "clocks": "#clock-cells",
    "dmas": "#dma-cells",
    "hwlocks": "#hwlock-cells",
    "interconnects": "#interconnect-cells",
    "interrupts-extended": "#interrupt-cells",
    "io-channels": "#io-channel-cells",
    "iommus": "#iommu-cells",
    "mboxes": "#mbox-cells",
    "msi-parent": "#msi-cells",
    "phys": "#phy-cells",
    "power-domains": "#power-domain-cells",
    "pwms": "#pwm-cells",
    "resets": "#reset-cells",
    "sound-dai": "#sound-dai-cells",
    "thermal-sensors": "#thermal-sensor-cells",
}

_PLAIN = frozenset(
    {
        *("cpu", "cpus", "interrupt-parent", "memory-region", "next-level-cache", "nvmem-cells"),
        *("operating-points-v2", "phy", "phy-handle", "remote-endpoint", "syscon"),
    }
)
"""Lists of phandles without specifiers."""


def references(node: Node, name: str, tree: Tree) -> tuple[str | int, ...] | None:
    """The cells of a property with each phandle replaced by its target's path.

    None where the property is not known to refer to nodes, or does not fit its targets' cell counts.
    """
    raw = node.properties.get(name, b"")
    if not raw or len(raw) % 4:
        return None
    cells = struct.unpack(f">{len(raw) // 4}I", raw)
    counting = _counting(name)
    if counting is None:
        return None
    references: list[str | int] = []
    index = 0
    while index < len(cells):
        phandle = cells[index]
        index += 1
        target = tree.by_phandle.get(phandle)
        if target is None:
            references.append(phandle)  # 0 is an empty place in a list; anything else points nowhere
            if phandle:
                return None
            continue
        references.append(target.path)
        length = target.cell(counting) or 0 if counting else 0
        if index + length > len(cells):
            return None
        references.extend(cells[index : index + length])
        index += length
    return tuple(references)


def _counting(name: str) -> str | None:
    """The property of the target that tells a specifier's length; empty for none, None for no reference."""
    if name in _PLAIN or name.endswith("-supply") or _is_pinctrl(name):
        return ""
    if name.endswith(("-gpios", "-gpio")) or name in {"gpios", "gpio"}:
        return "#gpio-cells"
    return _CELLS.get(name)


def _is_pinctrl(name: str) -> bool:
    return name.startswith("pinctrl-") and name[8:].isdigit()
