"""Devices as the plan has them: what each is made of, and by whom."""

from __future__ import annotations

from attrs import define, field

from bootwright.formats.devicetree.fdt import Node, Tree
from bootwright.predict.kernel.candidates import Candidate
from bootwright.predict.model import Answer
from bootwright.predict.probing.terms import Outcome
from bootwright.predict.rules.knowledge import Driver
from bootwright.predict.solving.boot_code import Standstill
from bootwright.predict.solving.node_answers import NodeAnswers


@define(eq=False)
class Site:
    """A device that is, or would be, made."""

    node: Node
    bus: str
    creator: Site | None
    """The device whose driver makes it; None when the kernel does at boot."""
    exists: Answer
    """Whether it is made once the creator is bound."""
    rule: str
    candidates: tuple[Candidate, ...] = ()
    known: tuple[Driver, ...] = ()
    in_tree: bool = True
    """False for a PCI function that has no node."""
    by_hand: bool = False
    """Whether its driver is known by name, from `data/drivers/`."""
    option: str = ""
    """The option of that driver, where its file says it."""
    made_of_node: bool = True
    """Whether its addresses and interrupts come from its node, and not from the driver that makes it."""

    outcomes: dict[tuple[str, str | None, str], list[tuple[NodeAnswers, Outcome]]] = field(factory=dict)
    """What becomes of a driver's probe, by the driver, its module and what it matched on."""

    @property
    def best(self) -> Candidate | None:
        """The driver that binds first."""
        return self.candidates[0] if self.candidates else None


@define(eq=False)
class Plan:
    """Every device, and for every other node why it is none."""

    tree: Tree
    sites: dict[int, Site] = field(factory=dict)
    """By `id(node)`."""
    absent: dict[int, tuple[str, Node | None]] = field(factory=dict)
    """By `id(node)`: the reason, and the node that would have to make it."""
    remedies: dict[int, str] = field(factory=dict)
    """By `id(node)` of one that is no device: what mends that, where a rule says it."""
    early: dict[int, str] = field(factory=dict)
    """Nodes set up by code at boot: they supply without a device."""
    functions: list[Site] = field(factory=list)
    """PCI functions without a node of their own."""
    standstill: Standstill | None = None
    """Why the kernel does not get as far as devices."""

    def of(self, node: Node) -> Site | None:
        """The device of a node."""
        return self.sites.get(id(node))
