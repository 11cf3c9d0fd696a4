"""The graph of ports and endpoints between devices (devicetree/bindings/graph.txt, Linux 6.18)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from bootwright.boards.role import Role
from bootwright.formats.devicetree.fdt import Node, Tree
from bootwright.predict.roles.drivers import driver_folder
from bootwright.predict.solving.buses import base_name
from bootwright.predict.solving.prediction import Prediction

_CONTAINERS = frozenset({"ports", "in-ports", "out-ports"})


def reached(tree: Tree, start: Node, through: Callable[[Node], bool]) -> tuple[Node, ...]:
    """The devices that a graph leads to from one device, itself first.

    A node that `through` does not take is not among them, nor does the graph lead on from there.
    """
    order: dict[int, Node] = {id(start): start}
    waiting = [start]
    while waiting:
        for other in neighbours(tree, waiting.pop()):
            if id(other) not in order and through(other):
                order[id(other)] = other
                waiting.append(other)
    return tuple(order.values())


def neighbours(tree: Tree, device: Node) -> Iterator[Node]:
    """The enabled devices at the other ends of a device's endpoints."""
    for port in _ports(device):
        for endpoint in port.children:
            handle = endpoint.cell("remote-endpoint")
            other = tree.by_phandle.get(handle) if handle is not None and endpoint.enabled else None
            owner = _device_of(other) if other is not None else None
            if owner is not None and owner.available and owner is not device:
                yield owner
    # A device may name ports of others in place of having its own (display-subsystem.yaml: ports).
    for handle in device.cells("ports"):
        named = tree.by_phandle.get(handle)
        owner = _device_of(named) if named is not None else None
        if owner is not None and owner.available and owner is not device:
            yield owner


def display_parts(prediction: Prediction, role: Role, start: Node) -> tuple[Node, ...]:
    """The devices of a display: what its graph leads to, as far as drivers of displays have it, or none.

    A graph also joins sound and USB-C to it: what has a driver elsewhere is not needed for a picture.
    """

    def takes(node: Node) -> bool:
        site = prediction.plan.of(node)
        best = site.best if site is not None else None
        folder = driver_folder(prediction.kernel, best, node) if best is not None else None
        return folder is None or folder.startswith(role.drivers)

    return reached(prediction.tree, start, takes)


def _ports(device: Node) -> Iterator[Node]:
    for child in device.children:
        base = base_name(child)
        if base == "port" and child.enabled:
            yield child
        elif base in _CONTAINERS and child.enabled:
            yield from (port for port in child.children if base_name(port) == "port" and port.enabled)


def _device_of(node: Node) -> Node | None:
    """The device that an endpoint or a port is of: of_graph_get_port_parent, drivers/of/property.c."""
    current: Node | None = node
    while current is not None and base_name(current) in {"endpoint", "port", *_CONTAINERS}:
        current = current.parent
    return current
