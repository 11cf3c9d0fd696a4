"""Which nodes of a devicetree have which role, by their drivers' subsystem, names and properties."""

from __future__ import annotations

from collections.abc import Iterator

from bootwright.boards.role import Role, roles
from bootwright.formats.devicetree.fdt import Node
from bootwright.predict.roles.drivers import driver_folder
from bootwright.predict.solving.buses import base_name
from bootwright.predict.solving.prediction import Prediction

PORT = frozenset(
    {"phy-handle", "phy", "phy-device", "phy-mode", "phy-connection-type", "managed", "mac-address"}
)
"""Properties of an Ethernet port's node (ethernet-controller.yaml, Linux 6.12)."""
_FIRST_PORT = "serial0"
"""The serial port that boot loaders and images take for the console where stdout-path names none."""
_PORT_FOLDERS = frozenset({"ports", "ethernet-ports"})


def is_port(node: Node) -> bool:
    """Whether a node describes a port of an Ethernet controller."""
    return not PORT.isdisjoint(node.properties) or node.child("fixed-link") is not None


def recognise(prediction: Prediction) -> dict[str, tuple[Node, ...]]:
    """Role → the nodes that stand for it, in the order of their aliases and then of the devicetree.

    Only enabled nodes count. Nothing is said of whether a driver binds.
    """
    return _Recogniser(prediction).nodes()


class _Recogniser:
    def __init__(self, prediction: Prediction) -> None:
        self._prediction = prediction
        self._tree = prediction.tree
        self._folders: dict[int, str | None] = {}
        self._roles = roles()
        self._nodes = self._enabled()

    def nodes(self) -> dict[str, tuple[Node, ...]]:
        chosen = {role.id: self._of(role) for role in self._roles}
        everything = dict(chosen)
        for role in self._roles:
            above = [node for other in role.not_above for node in everything.get(other, ())]
            kept = [node for node in chosen[role.id] if not any(_is_above(node, low) for low in above)]
            if role.innermost:
                kept = [node for node in kept if not any(_is_above(node, other) for other in kept)]
            if role.ports:
                kept = [port for node in kept for port in _ports(node)]
            chosen[role.id] = self._in_order(role, kept)
        return {role: tuple(nodes) for role, nodes in chosen.items() if nodes}

    def _enabled(self) -> list[Node]:
        """Nodes that may be devices and are enabled, as are all above them, in the devicetree's order."""
        enabled: list[Node] = []
        stack = [self._tree.root]
        while stack:
            node = stack.pop()
            if node.enabled:
                if "compatible" in node or _is_function(node):
                    enabled.append(node)
                stack.extend(reversed(node.children))
        return enabled

    def _of(self, role: Role) -> list[Node]:
        if role.by == "stdout":
            return self._stdout()
        nodes = [node for node in self._nodes if self._is(role, node)]
        if role.by == "pci-host":
            nodes += [node for node in self._nodes if _is_empty_host(node)]
        if not nodes and role.otherwise:
            nodes = [
                node
                for node in self._nodes
                if base_name(node) in role.otherwise and self._has_driver_of(role, node) is not False
            ]
        return nodes

    def _stdout(self) -> list[Node]:
        chosen = self._tree.root.child("chosen")
        path = chosen.string("stdout-path") if chosen is not None else None
        node = self._tree.node(path) if path else self._tree.alias(_FIRST_PORT)
        return [node] if node is not None else []

    def _is(self, role: Role, node: Node) -> bool:
        if not role.compatibles.isdisjoint(node.compatible):
            return True
        named = base_name(node) in role.names
        if not named and role.properties.isdisjoint(node.properties):
            return False
        if not role.without.isdisjoint(node.properties) or (
            role.without_all and all(name in node for name in role.without_all)
        ):
            return False
        if any(node.string(name) in values for name, values in role.not_values.items()):
            return False
        driven = self._has_driver_of(role, node)
        return named if driven is None else driven

    def _has_driver_of(self, role: Role, node: Node) -> bool | None:
        """Whether the node's driver is of the role's subsystem; None where it is not known."""
        if id(node) not in self._folders:
            site = self._prediction.plan.of(node)
            best = site.best if site is not None else None
            self._folders[id(node)] = (
                driver_folder(self._prediction.kernel, best, node) if best is not None else None
            )
        folder = self._folders[id(node)]
        return None if folder is None else folder.startswith(role.drivers)

    def _in_order(self, role: Role, nodes: list[Node]) -> list[Node]:
        """Those with an alias first, by its number."""
        aliases = self._tree.root.child("aliases") if role.aliases else None
        numbers: dict[int, int] = {}
        for name in aliases.properties if aliases is not None else ():
            stem, number = name.rstrip("0123456789"), name[len(name.rstrip("0123456789")) :]
            node = self._tree.alias(name) if stem == role.aliases and number else None
            if node is not None:
                numbers.setdefault(id(node), int(number))
        last = 1 + max(numbers.values(), default=0)
        return sorted(dict.fromkeys(nodes), key=lambda node: numbers.get(id(node), last))


def _is_above(node: Node, other: Node) -> bool:
    current = other.parent
    while current is not None:
        if current is node:
            return True
        current = current.parent
    return False


def _ports(node: Node) -> Iterator[Node]:
    """The child nodes that describe ports of an Ethernet controller, or itself where there is none."""
    ports = [
        child
        for place in (node, *(child for child in node.children if base_name(child) in _PORT_FOLDERS))
        for child in place.children
        if child.enabled and place.enabled and is_port(child)
    ]
    yield from ports or [node]


def _is_empty_host(node: Node) -> bool:
    """A PCI host below which the devicetree describes bridges at most."""
    above = node.parent
    if node.string("device_type") != "pci" or (above is not None and above.string("device_type") == "pci"):
        return False
    return not any(
        child.enabled and "reg" in child and child.string("device_type") != "pci" and not _is_bridge(child)
        for child in node.walk()
        if child is not node
    )


def _is_function(node: Node) -> bool:
    """Whether it is a PCI function, which is known by its address and needs no compatible."""
    above = node.parent
    return above is not None and above.string("device_type") == "pci" and "reg" in node


def _is_bridge(node: Node) -> bool:
    return base_name(node) in {"pci", "pcie"}
