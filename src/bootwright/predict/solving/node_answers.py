"""What a devicetree node has of what a driver may ask for: there, missing, or broken.

By the kernel's own rules: drivers/of/base.c (`of_phandle_iterator_next`), drivers/of/irq.c
(`of_irq_parse_one`), drivers/of/address.c (`__of_translate_address`), Linux 6.12 to 7.3. A list of references
cannot be read beyond a broken one.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from attrs import frozen

from bootwright.formats.devicetree.fdt import Node, Tree
from bootwright.predict.probing.terms import OF_CHILD, There
from bootwright.predict.solving.addresses import address
from bootwright.predict.solving.suppliers import interrupt_parent, suppliers

_MOST = 512
_USB_PHY = "usb-nop-xceiv"
"""Left to the subsystem of USB transceivers."""
_ALL = "*"


@frozen
class _List:
    """A property with references, each followed by as many cells as its target says."""

    property: str
    cells: str | None
    names: str | None
    each: int = 1
    """References that make one entry."""
    uncounted: int | None = None
    """Cells of a target that does not say how many; None: it must say so."""
    takes_disabled: bool = False
    """Whether a reference to a disabled node is no error: it is taken, or passed over in silence."""


_LISTS = {
    "clocks": _List("clocks", "#clock-cells", "clock-names"),
    "resets": _List("resets", "#reset-cells", "reset-names"),
    "phys": _List("phys", "#phy-cells", "phy-names"),
    "dmas": _List("dmas", "#dma-cells", "dma-names"),
    "mboxes": _List("mboxes", "#mbox-cells", "mbox-names"),
    "pwms": _List("pwms", "#pwm-cells", "pwm-names"),
    "io-channels": _List("io-channels", "#io-channel-cells", "io-channel-names"),
    "nvmem-cells": _List("nvmem-cells", None, "nvmem-cell-names"),
    "interconnects": _List("interconnects", "#interconnect-cells", "interconnect-names", each=2),
    "memory-region": _List("memory-region", None, "memory-region-names", takes_disabled=True),
    # drivers/of/irq.c of_msi_get_domain
    "msi-parent": _List("msi-parent", "#msi-cells", None, uncounted=0, takes_disabled=True),
}


def references(
    tree: Tree, node: Node, name: str, cells_name: str | None, *, uncounted: int | None = None
) -> list[There]:
    """Each reference of a list; after a broken one there is nothing more to be read.

    `DISABLED` where the node referred to is there and its status, or that of a node above it, is not okay.
    """
    cells = node.cells(name)
    answers: list[There] = []
    at = 0
    while at < len(cells) and len(answers) < _MOST:
        handle = cells[at]
        at += 1
        if handle == 0:
            answers.append(There.MISSING)
            continue
        target = tree.by_phandle.get(handle)
        if target is None:
            return [*answers, There.BROKEN]
        if cells_name is not None:
            count = target.cell(cells_name)
            count = uncounted if count is None else count
            if count is None or at + count > len(cells):
                return [*answers, There.BROKEN]
            at += count
        if cells_name == "#phy-cells" and _USB_PHY in target.compatible:
            answers.append(There.MISSING)  # drivers/phy/phy-core.c _of_phy_get, Linux 6.12: -ENODEV
            continue
        answers.append(There.YES if target.available else There.DISABLED)
    return answers


def answers_of(tree: Tree, node: Node, child: Node | None = None) -> NodeAnswers:
    """The answers for a node, the same for each kernel that a tree is judged under."""
    known = _known_of(tree)
    answers = known.get((id(node), id(child)))
    if answers is None:
        answers = known[id(node), id(child)] = NodeAnswers(tree, node, child)
    return answers


@lru_cache(maxsize=2)
def _known_of(tree: Tree) -> dict[tuple[int, int], NodeAnswers]:  # noqa: ARG001 - of the last trees
    return {}


class NodeAnswers:
    """Answers the questions of `probe_walk` for one node. They read `FAMILY|NAME|INDEX`."""

    def __init__(self, tree: Tree, node: Node, child: Node | None = None) -> None:
        """`child` is the child node that questions about one are asked about."""
        self._tree, self._node = tree, node
        self._child_node = child
        self._of_child = NodeAnswers(tree, child) if child is not None else None
        self._known: dict[str, There] = {}
        self._references: dict[str, list[There]] = {}
        """By property; not to be changed."""

    def __call__(self, question: str) -> There:
        """The answer; unknown where the question is not understood."""
        known = self._known.get(question)
        if known is None and question.startswith(OF_CHILD):
            known = self._known[question] = self._about_child(question.removeprefix(OF_CHILD))
        if known is None:
            family, _, rest = question.partition("|")
            name, _, index = rest.rpartition("|")
            known = self._known[question] = self._answer(family, name, index)
        return known

    def _about_child(self, question: str) -> There:
        if self._of_child is None:
            return There.MISSING if question in {"exists||0", "has brothers||0"} else There.UNKNOWN
        if question == "exists||0":
            return There.YES
        if question == "has brothers||0":
            enabled = sum(node.enabled for node in self._node.children)
            return There.YES if enabled > 1 else There.MISSING
        return self._of_child(question)

    def node_of(self, question: str) -> Node:
        """The node that a question is about."""
        about_child = question.startswith(OF_CHILD) and self._child_node is not None
        return self._child_node if about_child and self._child_node is not None else self._node

    def disabled_target(self, question: str) -> Node | None:
        """The disabled node that keeps a question's answer from being yes; None where there is none."""
        node, question = self.node_of(question), question.removeprefix(OF_CHILD)
        family, _, rest = question.partition("|")
        name = rest.rpartition("|")[0]
        properties = {
            "gpios": (f"{name}-gpios", f"{name}-gpio") if name else ("gpios", "gpio"),
            "regulators": (f"{name}-supply",),
            "interrupts": ("interrupts-extended", "interrupts"),
            "provider": (name,),
        }.get(family, (family,))
        return next(
            (
                need.supplier
                for need in suppliers(self._tree, node, optional=True)
                if need.reference in properties and not need.supplier.available
            ),
            None,
        )

    def where(self, question: str) -> str:
        """The property that a question is about, in words."""
        question = question.removeprefix(OF_CHILD)
        family, _, rest = question.partition("|")
        name, _, index = rest.rpartition("|")
        if family in {"property", "ref", "provider"}:
            return name
        if family == "gpios":
            return f"{name}-gpios" if name not in {"", "?"} else "gpios"
        if family == "regulators":
            return f"{name}-supply"
        if name and name != "?":
            return f"{family} ({name})"
        return family if index in {_ALL, "?"} else f"{family}[{index}]"

    def _answer(self, family: str, name: str, index: str) -> There:
        if family in _LISTS:
            return self._listed(_LISTS[family], name, index)
        special = _SPECIAL.get(family)
        return special(self, name, index) if special is not None else There.UNKNOWN

    def _listed(self, family: _List, name: str, index: str) -> There:
        there = self._of(family, name, index)
        above = self._node.parent
        if (
            family.property == "clocks"
            and there is not There.YES
            and above is not None
            and "clock-ranges" in above
        ):
            return There.UNKNOWN  # of_parse_clkspec goes on in the nodes above
        return there

    def _of(self, family: _List, name: str, index: str) -> There:
        if not self._node.properties.get(family.property):
            return There.MISSING
        known = self._references.get(family.property)
        if known is None:
            known = references(
                self._tree, self._node, family.property, family.cells, uncounted=family.uncounted
            )
            self._references[family.property] = known
        answers = known
        if family.takes_disabled:
            answers = [There.YES if there is There.DISABLED else there for there in answers]
        if index == _ALL:
            return next((there for there in (There.BROKEN, There.DISABLED) if there in answers), There.YES)
        if name == "?" and index.isdigit() and family.names is not None:
            return self._as_many(answers, self._node.strings(family.names), int(index))
        if name == "?" or index == "?":
            return There.UNKNOWN
        position = int(index)
        if name and family.names is not None:
            names = self._node.strings(family.names)
            if name not in names:
                return There.MISSING
            position = names.index(name)
        return _at(answers, position * family.each)

    @staticmethod
    def _as_many(answers: list[There], names: tuple[str, ...], count: int) -> There:
        """That many entries by names that are not known, each another one.

        Fewer names than that cannot be all of them; exactly as many are they.
        """
        if len(names) < count:
            return There.MISSING
        if len(names) > count or not count:
            return There.UNKNOWN
        return next((there for at in range(count) if (there := _at(answers, at)) is not There.YES), There.YES)

    def _interrupts(self, name: str, index: str) -> There:
        node = self._node
        if name == "?" or index == "?":
            return There.UNKNOWN if "interrupts" in node or "interrupts-extended" in node else There.MISSING
        position = 0 if index == _ALL else int(index)
        if name:
            names = node.strings("interrupt-names")
            if name not in names:
                return There.MISSING
            position = names.index(name)
        if "interrupts-extended" in node:
            return _at(references(self._tree, node, "interrupts-extended", "#interrupt-cells"), position)
        if not node.properties.get("interrupts"):
            return There.MISSING
        parent = interrupt_parent(self._tree, node)
        if parent is None:
            return There.BROKEN
        size = _first_counting(self._tree, node)
        cells = len(node.cells("interrupts"))
        if size is None or (position + 1) * size <= cells:
            # of_irq_get: without a domain for it -EPROBE_DEFER; no driver makes one for a disabled node.
            return There.YES if parent.available else There.DISABLED
        return There.BROKEN if position * size < cells else There.MISSING

    def _reg(self, name: str, index: str) -> There:
        node = self._node
        if name == "?" or index == "?":
            return There.UNKNOWN if "reg" in node else There.MISSING
        position = 0 if index == _ALL else int(index)
        if name:
            names = node.strings("reg-names")
            if name not in names:
                return There.MISSING
            position = names.index(name)
        return address(node, position)

    def _io(self, name: str, index: str) -> There:
        """Ports, not memory: only below a bus that has them."""
        del name, index
        above = self._node.parent
        while above is not None:
            if {above.name.partition("@")[0], above.string("device_type")} & {"isa", "pci", "pcie", "lpc"}:
                return There.UNKNOWN
            above = above.parent
        return There.MISSING

    def _gpios(self, name: str, index: str) -> There:
        if name == "?":
            return There.UNKNOWN
        for property_name in (f"{name}-gpios", f"{name}-gpio") if name else ("gpios", "gpio"):
            if self._node.properties.get(property_name):
                if index == "?":
                    return There.UNKNOWN
                return _at(references(self._tree, self._node, property_name, "#gpio-cells"), int(index))
        return There.MISSING

    def _regulators(self, name: str, index: str) -> There:
        del index
        if name == "?":
            return There.UNKNOWN
        handle = self._node.cell(f"{name}-supply")
        supply = self._tree.by_phandle.get(handle) if handle is not None else None
        if supply is None:
            return There.MISSING
        return There.YES if supply.available else There.DISABLED

    def _ref(self, name: str, index: str) -> There:
        cells = self._node.cells(name)
        if name == "?":
            return There.UNKNOWN
        if not cells:
            return There.MISSING
        if cells[0] not in self._tree.by_phandle:
            return There.BROKEN if cells[0] else There.MISSING
        if not index.isdigit():
            return There.UNKNOWN
        return There.YES if int(index) < len(cells) else There.MISSING

    def _provider(self, name: str, index: str) -> There:
        """Another device by a phandle; unknown where the property is not how the driver finds it."""
        if name not in self._node:
            return There.UNKNOWN
        there = self._ref(name, index)
        if there is not There.YES:
            return There.MISSING
        return There.YES if self._tree.by_phandle[self._node.cells(name)[0]].available else There.DISABLED

    def _property(self, name: str, index: str) -> There:
        del index
        if name == "?":
            return There.UNKNOWN
        return There.YES if name in self._node else There.MISSING

    def _compatible(self, name: str, index: str) -> There:
        del index
        if name == "?":
            return There.UNKNOWN
        return There.YES if name in self._node.compatible else There.MISSING

    def _bound(self, name: str, index: str) -> There:
        """That the other device binds is for the solver to see to."""
        del name, index
        return There.YES

    def _child(self, name: str, index: str) -> There:
        del index
        if name == "?":
            return There.UNKNOWN
        child = self._node.child(name)
        if child is None:
            return There.MISSING
        return There.YES if child.enabled else There.UNKNOWN


_SPECIAL: dict[str, Callable[[NodeAnswers, str, str], There]] = {
    "interrupts": NodeAnswers._interrupts,  # noqa: SLF001
    "reg": NodeAnswers._reg,  # noqa: SLF001
    "io": NodeAnswers._io,  # noqa: SLF001
    "gpios": NodeAnswers._gpios,  # noqa: SLF001
    "regulators": NodeAnswers._regulators,  # noqa: SLF001
    "ref": NodeAnswers._ref,  # noqa: SLF001
    "provider": NodeAnswers._provider,  # noqa: SLF001
    "property": NodeAnswers._property,  # noqa: SLF001
    "compatible": NodeAnswers._compatible,  # noqa: SLF001
    "bound": NodeAnswers._bound,  # noqa: SLF001
    "child": NodeAnswers._child,  # noqa: SLF001
}


def _at(answers: list[There], position: int) -> There:
    if position < len(answers):
        return answers[position]
    return There.BROKEN if There.BROKEN in answers else There.MISSING


def _first_counting(tree: Tree, node: Node) -> int | None:
    """`#interrupt-cells` of the first node above that has one: it says how long a specifier is."""
    current: Node | None = node
    for _ in range(64):
        if current is None:
            return None
        handle = current.cell("interrupt-parent")
        current = tree.by_phandle.get(handle) if handle is not None else current.parent
        if current is not None and (count := current.cell("#interrupt-cells")) is not None:
            return count
    return None
