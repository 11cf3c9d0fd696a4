"""Which nodes a node needs, by its properties: of_supplier_bindings of drivers/of/property.c.

Compared entry by entry with Linux 6.12 to 6.18. fw_devlink makes a link for each reference below; a consumer
is not probed before all its suppliers are bound. Properties that fw_devlink treats as optional (`iommus`,
`iommu-map`, `dmas`) make no link unless `fw_devlink.strict` is set, which is not the default. Endpoints of a
graph refer to each other: their links are a cycle, which holds nobody up, unless one side does not answer.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from functools import lru_cache
from weakref import WeakKeyDictionary

from attrs import frozen

from bootwright.formats.devicetree.fdt import Node, Tree

# Property → the supplier's property that counts the arguments (None: a plain phandle).
_LISTS: dict[str, str | None] = {
    "clocks": "#clock-cells",
    "interconnects": "#interconnect-cells",
    "mboxes": "#mbox-cells",
    "io-channels": "#io-channel-cells",
    "io-backends": "#io-backend-cells",
    "power-domains": "#power-domain-cells",
    "hwlocks": "#hwlock-cells",
    "extcon": None,
    "nvmem-cells": "#nvmem-cell-cells",
    "phys": "#phy-cells",
    "interrupt-parent": None,
    "wakeup-parent": None,
    "pwms": "#pwm-cells",
    "resets": "#reset-cells",
    "leds": None,
    "backlight": None,
    "panel": None,
    "msi-parent": "#msi-cells",
    "access-controllers": "#access-controller-cells",
    "pses": "#pse-cells",
    "power-supplies": None,
    **{f"pinctrl-{number}": None for number in range(9)},
}
# Not followed by fw_devlink, but asked for by the subsystem while the consumer probes, which defers until
# they are there: sound/soc/soc-core.c snd_soc_register_card, drivers/mmc/core/pwrseq.c, drivers/i2c/muxes,
# drivers/net/phy/sfp.c, drivers/firmware/raspberrypi.c rpi_firmware_get.
_LISTS |= {
    "sound-dai": "#sound-dai-cells",
    "audio-codec": None,
    "audio-cpu": None,
    "mmc-pwrseq": None,
    "i2c-parent": None,
    "ddc-i2c-bus": None,
    "i2c-bus": None,
    "dais": None,
    "firmware": None,
}
_OPTIONAL: dict[str, str | None] = {"dmas": "#dma-cells", "iommus": "#iommu-cells"}
_SUFFIXES: tuple[tuple[str, str | None], ...] = (
    ("-supply", None),
    ("-gpios", "#gpio-cells"),
    ("-gpio", "#gpio-cells"),
)
_MAX_REFERENCES = 512


@frozen
class Need:
    """A reference from a consumer's property to a supplier."""

    reference: str
    """The property's name."""
    index: int
    supplier: Node
    vital: bool = False
    """Known to be needed, even where fw_devlink and the subsystem would do without."""

    @property
    def kind(self) -> str:
        """The property's family: `clocks`, `regulators`, `gpios`, `pinctrl`, `interrupts`, …"""
        name = self.reference
        if name.startswith("pinctrl-"):
            return "pinctrl"
        if name.endswith("-supply"):
            return "regulators"
        if name in {"gpio", "gpios"} or name.endswith(("-gpios", "-gpio")):
            return "gpios"
        if name in {"interrupts", "interrupts-extended", "interrupt-map"}:
            return "interrupts"
        return name

    def __str__(self) -> str:
        return f"{self.reference}[{self.index}] → {self.supplier.path}"


_KNOWN: WeakKeyDictionary[Tree, dict[tuple[int, bool], tuple[Need, ...]]] = WeakKeyDictionary()
"""A tree is asked about again for each kernel, and does not change."""


def suppliers(tree: Tree, node: Node, *, optional: bool = False) -> tuple[Need, ...]:
    """What the node's own properties reference, in the property's order; each supplier once per property.

    With `optional` also what fw_devlink makes no link for unless it is strict.
    """
    known = _KNOWN.setdefault(tree, {})
    needs = known.get((id(node), optional))
    if needs is None:
        needs = known[id(node), optional] = tuple(_suppliers(tree, node, optional=optional))
    return needs


def _suppliers(tree: Tree, node: Node, *, optional: bool) -> Iterator[Need]:
    ignored = set(node.cells("post-init-providers"))
    for name in node.properties:
        seen: set[int] = set()
        listed = (
            _listed(tree, node, name, _OPTIONAL[name])
            if optional and name in _OPTIONAL
            else _references(tree, node, name)
        )
        for index, supplier in enumerate(listed):
            if supplier is None or id(supplier) in seen or supplier is node:
                continue
            seen.add(id(supplier))
            if ignored and any(tree.by_phandle.get(handle) is supplier for handle in ignored):
                continue
            yield Need(name, index, supplier)
    for index, supplier in enumerate(_one_sided(tree, node)):
        if not any(tree.by_phandle.get(handle) is supplier for handle in ignored):
            yield Need("remote-endpoint", index, supplier)


def _one_sided(tree: Tree, node: Node) -> Iterator[Node]:
    """Devices that endpoints of this one refer to, and that do not refer back (parse_remote_endpoint)."""
    for child in node.children:
        base = child.name.partition("@")[0]
        ports = child.children if base == "ports" else [child] if base == "port" else []
        for endpoint in (child for port in ports for child in port.children):
            remote = tree.by_phandle.get(endpoint.cell("remote-endpoint") or 0)
            if remote is None or tree.by_phandle.get(remote.cell("remote-endpoint") or 0) is endpoint:
                continue
            owner = _port_parent(remote)
            if owner is not None and owner is not node:
                yield owner


def _port_parent(endpoint: Node) -> Node | None:
    """The device of an endpoint (of_graph_get_port_parent)."""
    port = endpoint.parent
    above = port.parent if port is not None else None
    if above is not None and above.name.partition("@")[0] == "ports":
        above = above.parent
    return above


def _references(tree: Tree, node: Node, name: str) -> Iterator[Node | None]:
    if name in _LISTS:
        return _listed(tree, node, name, _LISTS[name])
    if name in {"gpio", "gpios"}:
        return iter(()) if "gpio-hog" in node else _listed(tree, node, name, "#gpio-cells")
    if name == "interrupts":
        return _interrupts(tree, node)
    if name == "interrupts-extended":
        return _listed(tree, node, name, "#interrupt-cells")
    if name == "interrupt-map":
        return _interrupt_map(tree, node)
    suffix = _suffix_of(name)
    return iter(()) if suffix is None else _listed(tree, node, name, suffix[1])


@lru_cache(maxsize=4096)
def _suffix_of(name: str) -> tuple[str, str | None] | None:
    if "-" in name and not name.endswith(",nr-gpios"):
        for suffix, cells in _SUFFIXES:
            if name.endswith(suffix) and len(name) > len(suffix):
                return suffix, cells
    return None


def _listed(tree: Tree, node: Node, name: str, cells_name: str | None) -> Iterator[Node | None]:
    """A list of phandles, each followed by as many cells as the supplier's `cells_name` says."""
    cells = node.cells(name)
    at = 0
    for _ in range(_MAX_REFERENCES):
        if at >= len(cells):
            return
        supplier = tree.by_phandle.get(cells[at])
        at += 1
        if supplier is not None and cells_name is not None:
            at += supplier.cell(cells_name) or 0
        elif supplier is None and cells[at - 1] != 0:
            return  # a broken reference: what follows cannot be told apart
        yield supplier


def _interrupts(tree: Tree, node: Node) -> Iterator[Node | None]:
    """`interrupts` count only without `interrupts-extended`; all go to one parent (of_irq_parse_one)."""
    if "interrupts-extended" not in node:
        yield interrupt_parent(tree, node)


def interrupt_parent(tree: Tree, node: Node) -> Node | None:
    """The node an interrupt of `node` goes to (of_irq_find_parent), through nexus nodes with a map."""
    current: Node | None = node
    for _ in range(64):
        if current is None:
            return None
        handle = current.cell("interrupt-parent")
        current = tree.by_phandle.get(handle) if handle is not None else current.parent
        if current is None:
            return None
        if "#interrupt-cells" in current:
            if "interrupt-controller" in current or "interrupt-map" not in current:
                return current
            return next((parent for parent in _interrupt_map(tree, current) if parent is not None), None)
    return None


def _interrupt_map(tree: Tree, node: Node) -> Iterator[Node | None]:
    """The parents of an interrupt-map: child address and specifier, phandle, parent address and specifier."""
    value = node.properties.get("interrupt-map", b"")
    cells = struct.unpack(f">{len(value) // 4}I", value[: len(value) // 4 * 4])
    own = (node.cell("#address-cells") or 0) + (node.cell("#interrupt-cells") or 0)
    at = 0
    for _ in range(_MAX_REFERENCES):
        at += own
        if at >= len(cells):
            return
        parent = tree.by_phandle.get(cells[at])
        if parent is None:
            return
        yield parent
        at += 1 + (parent.cell("#address-cells") or 0) + (parent.cell("#interrupt-cells") or 0)
