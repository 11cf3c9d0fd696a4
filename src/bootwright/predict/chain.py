"""The chain of a goal: the links of everything that it needs, each device after those it waits for."""

from __future__ import annotations

from attrs import evolve

from bootwright.boards.model import Goal
from bootwright.boards.role import role_of
from bootwright.formats.devicetree.fdt import Node, Tree
from bootwright.predict.model import Answer, Evidence, Link
from bootwright.predict.roles.graph import display_parts
from bootwright.predict.roles.recognise import is_port
from bootwright.predict.solving.matching import is_plain_bus
from bootwright.predict.solving.outcome import absence, remedy
from bootwright.predict.solving.own_links import serving
from bootwright.predict.solving.prediction import Prediction
from bootwright.predict.solving.sites import Site

_PHY_HANDLES = ("phy-handle", "phy", "phy-device")


def phy_of(tree: Tree, node: Node) -> Node | None:
    """The PHY of a MAC; None where it names none, or its reference leads nowhere."""
    for name in _PHY_HANDLES:
        handle = node.cell(name)
        if handle is not None and handle in tree.by_phandle:
            return tree.by_phandle[handle]
    return None


def _without_phy(tree: Tree, node: Node, name: str) -> Link:
    """A MAC whose PHY is not there: its driver binds, and may look for another one on the bus."""
    return Link(
        node.path,
        f"PHY: {name}",
        Answer.UNKNOWN,
        Evidence(f"{tree.name}: {node.path}/{name}", "drivers/net/phy/phylink.c phylink_fwnode_phy_connect"),
        f"{name} of {node.path} leads nowhere: the interface comes up only if its driver finds a PHY without",
        remedy="use a devicetree that has the node of the PHY, or look whether the bus is scanned for one",
    )


def chain_of(prediction: Prediction, wanted: Goal, node: Node) -> list[Link]:
    """Links of everything the goal needs, each device after those it waits for."""
    role = role_of(wanted)
    if role is None or not role.graph:
        return list(dict.fromkeys(_device_chain(prediction, node)))
    links = [
        _of_part(prediction, link, part, node)
        for part in display_parts(prediction, role, node)
        for link in _device_chain(prediction, part)
    ]
    return list(dict.fromkeys(links))


def _of_part(prediction: Prediction, link: Link, part: Node, wanted: Node) -> Link:
    """A link of one part of a display: the driver of the whole may serve the SoC's own parts."""
    site = prediction.plan.of(part)
    if part is wanted or link.node != part.path or not link.lacks or site is None or site.bus != "platform":
        return link
    reason = f"{link.reason}; whether the driver of the whole display serves it cannot be told from files"
    return evolve(link, answer=Answer.UNKNOWN, reason=reason)


def _device_chain(prediction: Prediction, goal: Node) -> list[Link]:
    """Links of everything the goal's device needs."""
    chain: list[Link] = []
    visited: set[int] = set()

    def visit(site: Site) -> None:
        stack: list[tuple[Site, bool]] = [(site, False)]
        while stack:
            current, ready = stack.pop()
            record = prediction.records[id(current.node)]
            if ready:
                chain.extend(prediction.solver.links(record))
                continue
            if id(current.node) in visited:
                continue
            visited.add(id(current.node))
            stack.extend((missed, False) for missed in prediction.solver.misses(record))
            stack.append((current, True))
            before = list(prediction.solver.waits(record))[::-1]
            stack.extend((earlier, False) for earlier in before if id(earlier.node) not in visited)

    for node in ancestry(goal):
        site = prediction.plan.of(node)
        if site is not None and (node is goal or site.bus in {"pci"} or _is_host(node)):
            visit(site)
            if _is_host(node) and site.bus != "pci" and not node.properties.get("ranges"):
                chain.append(_without_windows(prediction.tree, node))
            for function in prediction.plan.functions:
                if function.node.parent is node:
                    visit(function)
    owner = _owner(prediction, goal)
    if owner is not None:
        visit(owner)
        chain.append(_part_of(prediction, goal, owner))
    elif prediction.plan.of(goal) is None:
        reason, maker = absence(goal, prediction.plan)
        chain.append(
            Link(
                goal.path,
                "device",
                Answer.NO,
                Evidence(f"{prediction.tree.name}: {goal.path}", "drivers/of/platform.c"),
                reason,
                waits_for=maker.path if maker is not None else None,
                remedy=prediction.plan.remedies.get(id(goal)) or remedy(goal, prediction.tree),
            )
        )
        return chain
    own = prediction.plan.of(goal)
    if own is not None:
        chain.extend(link for link in serving(own, prediction.around) if link.answer is not Answer.YES)
    phy = phy_of(prediction.tree, goal)
    lost = next((n for n in _PHY_HANDLES if n in goal), None) if phy is None else None
    if lost is not None:
        chain.append(_without_phy(prediction.tree, goal, lost))
    phy_site = prediction.plan.of(phy) if phy is not None else None
    if phy_site is not None:
        visit(phy_site)
    return chain


def _owner(prediction: Prediction, goal: Node) -> Site | None:
    """The device whose driver reads the goal's node itself, as it makes no device of it; None: there is none.

    A node that is disabled or below one that is has none, nor has one that a driver of its own would bind to.
    """
    plan = prediction.plan
    if plan.of(goal) is not None or any(
        prediction.kernel.by_compatible(compatible) for compatible in goal.compatible
    ):
        return None
    current: Node | None = goal
    while current is not None and plan.of(current) is None:
        if not current.enabled:
            return None
        current = current.parent
    owner = plan.of(current) if current is not None else None
    # A plain bus has no driver that would read its children.
    if owner is None or (owner.best is not None and is_plain_bus(owner.best)):
        return None
    return owner


def _part_of(prediction: Prediction, goal: Node, owner: Site) -> Link:
    """A network driver makes an interface of each child node that describes a port; of other nodes it is
    not known what a driver does with them."""
    port = is_port(goal)
    driver = owner.best.driver if owner.best is not None else "?"
    where = f"{prediction.tree.name}: {goal.path}"
    if port:
        rule = "Documentation/devicetree/bindings/net/ethernet-controller.yaml, a port of its controller"
        return Link(goal.path, f"port of {owner.node.path}", Answer.YES, Evidence(where, rule))
    return Link(
        goal.path,
        f"part of {owner.node.path}",
        Answer.UNKNOWN,
        Evidence(where, "the driver reads its child nodes itself"),
        f"no device is made of this node; whether the driver {driver} of {owner.node.path} serves it cannot "
        "be told from files",
        remedy=f"see what the driver {driver} does with child nodes",
    )


def _without_windows(tree: Tree, host: Node) -> Link:
    """A host that binds, and has no memory to give to what is behind it."""
    return Link(
        host.path,
        "ranges",
        Answer.NO,
        Evidence(
            f"{tree.name}: {host.path}",
            "drivers/pci/of.c devm_of_pci_get_host_bridge_resources: no windows; pci_enable_device fails",
        ),
        f"{host.path} has no ranges, so that no device behind it gets memory for its registers",
        remedy="give it the ranges that the board's own devicetree has",
    )


def _is_host(node: Node) -> bool:
    return node.string("device_type") == "pci"


def ancestry(node: Node) -> list[Node]:
    """The node and those above it, the root first."""
    ancestors: list[Node] = []
    current: Node | None = node
    while current is not None:
        ancestors.append(current)
        current = current.parent
    return ancestors[::-1]
