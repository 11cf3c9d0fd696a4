"""Which single mutations of a working machine are tried: all that could be, and a seeded choice of them.

Only what the intact machine uses is mutated: properties of nodes whose device has a driver, of the nodes
inside them that are no devices (a LED, a port), and of the buses above. The root interrupt controller, the
timer, PSCI, memory, processors and `/chosen` stay whole: a guest that cannot speak shows nothing. (The
console may break, as what is recorded is heard on the early console.)
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from attrs import field, frozen

from bootwright.formats.devicetree.fdt import Node, Tree
from bootwright.lab.mutation.mutations import STATUS, Change, Mutation

# Reference property → (the stratum, what counts a specifier's cells: empty for a plain list of phandles).
# Documentation/devicetree/bindings of Linux 6.12; written here apart from the predictor, which is
# scored by it.
_REFERENCES: Mapping[str, tuple[str, str]] = {
    "clocks": ("clocks", "#clock-cells"),
    "interrupts-extended": ("interrupts", "#interrupt-cells"),
    "power-domains": ("power-domains", "#power-domain-cells"),
    "resets": ("resets", "#reset-cells"),
    "phys": ("phys", "#phy-cells"),
    "dmas": ("dmas", "#dma-cells"),
    "iommus": ("iommus", "#iommu-cells"),
    "msi-parent": ("msi", "#msi-cells"),
    "mboxes": ("mboxes", "#mbox-cells"),
    "io-channels": ("other references", "#io-channel-cells"),
    "pwms": ("other references", "#pwm-cells"),
    "sound-dai": ("other references", "#sound-dai-cells"),
    "interconnects": ("other references", "#interconnect-cells"),
    "thermal-sensors": ("other references", "#thermal-sensor-cells"),
    "nvmem-cells": ("nvmem", ""),
    "phy-handle": ("phys", ""),
    "firmware": ("firmware", ""),
    "raspberrypi,firmware": ("firmware", ""),
    "brcm,firmware": ("firmware", ""),
    "mmc-pwrseq": ("other references", ""),
    "ddc": ("other references", ""),
    "ddc-i2c-bus": ("other references", ""),
    "regmap": ("other references", ""),
    "syscon": ("other references", ""),
    "audio-cpu": ("other references", ""),
    "audio-codec": ("other references", ""),
    "audio-asrc": ("other references", ""),
    "memory-region": ("other references", ""),
    "fsl,stop-mode": ("other references", ""),
}
_GPIO_SUFFIXES = ("-gpios", "-gpio")
_NAMES = {"clock-names": "clock-names", "reset-names": "resets", "power-domain-names": "power-domains"}
_UNREAD = ("model", "label", "color", "function", "linux,default-trigger")
"""Texts for people or for naming; no driver of the machines in use needs one to bind."""
_PROTECTED = ("/chosen", "/cpus", "/memory", "/psci", "/timer", "/aliases", "/reserved-memory")
_MOST_CELLS = 512
# What may be chosen at most of each stratum, as a share of the broken ones; others share what is left evenly.
_HARMLESS_SHARE = 0.2
_STRATA_LIMITS = {"ranges": 2, "interrupt-parent": 4}
"""Buses and interrupt parents are few, and most of a machine hangs on each."""
UNKNOWN_PROPERTY = "bootwright,unknown"


@frozen
class Intact:
    """A working machine: what a choice is made from."""

    tree: Tree
    bound: Mapping[str, str]
    """Node → driver, of every device that has one."""
    present: frozenset[str] = frozenset()
    """Nodes with a device."""
    modules: tuple[str, ...] = ()
    """Modules in the kernel in the end."""
    spare: tuple[str, ...] = ()
    """Modules that were offered and not loaded."""
    dependencies: frozenset[str] = frozenset()
    """Those of `modules` that another one of them depends on, softly or not."""
    driving: frozenset[str] = frozenset()
    """Those of `modules` that hold the driver of a bound device, and what they depend on."""
    initcalls: tuple[str, ...] = ()
    """Functions of the kernel that register the driver of a bound device."""
    _by_path: dict[str, Node] = field(factory=dict, init=False)


def choose(intact: Intact, seed: int, count: int) -> tuple[Mutation, ...]:
    """`count` mutations (fewer where there are no more), the same for the same machine and seed.

    A fifth is harmless. The others are taken from the pairs of change and stratum (`dangle clocks`, `drop
    reg`, `module dependency`, …) in turn, in an order that the seed gives, so that each pair has one before
    any has two. Within a pair the seed picks, and prefers nodes that have not been mutated yet.
    """
    generator = random.Random(seed)  # noqa: S311 - repeatable, not secret
    harmless = _in_turn(_grouped(harmless_candidates(intact)), round(count * _HARMLESS_SHARE), generator)
    broken = _in_turn(_grouped(breaking_candidates(intact)), count - len(harmless), generator)
    chosen = [*broken, *harmless]
    generator.shuffle(chosen)  # a campaign that is stopped has some of each
    return tuple(chosen)


def _grouped(candidates: Iterable[Mutation]) -> dict[tuple[str, str], list[Mutation]]:
    groups: defaultdict[tuple[str, str], dict[str, Mutation]] = defaultdict(dict)
    for mutation in candidates:
        groups[mutation.change.value, mutation.stratum].setdefault(mutation.name, mutation)
    return {key: list(groups[key].values()) for key in sorted(groups)}


def _in_turn(
    groups: Mapping[tuple[str, str], Sequence[Mutation]], count: int, generator: random.Random
) -> list[Mutation]:
    left = {key: list(group) for key, group in groups.items()}
    order = list(left)
    generator.shuffle(order)
    for group in left.values():
        generator.shuffle(group)
    chosen: list[Mutation] = []
    used: defaultdict[str, int] = defaultdict(int)
    taken: defaultdict[str, int] = defaultdict(int)
    while len(chosen) < count and any(left.values()):
        for key in order:
            limit = _STRATA_LIMITS.get(key[1])
            if not left[key] or len(chosen) >= count or (limit is not None and taken[key[1]] >= limit):
                if limit is not None and taken[key[1]] >= limit:
                    left[key].clear()
                continue
            pick = min(left[key], key=lambda mutation: used[mutation.consumer or mutation.node])
            left[key].remove(pick)
            chosen.append(pick)
            used[pick.consumer or pick.node] += 1
            taken[key[1]] += 1
    return chosen


def breaking_candidates(intact: Intact) -> Iterator[Mutation]:
    """Every mutation that takes something away from a device that works, or from a bus above one."""
    tree = intact.tree
    root_controller = _root_controller(tree)
    for node in _of_interest(intact):
        if _is_protected(node, root_controller):
            continue
        for name, value in node.properties.items():
            yield from _of_references(tree, node, name, root_controller)
            if name in _NAMES:
                yield Mutation(Change.DROP, _NAMES[name], node.path, name)
            elif name in {"reg", "interrupts"} and len(value) >= 4:
                yield Mutation(Change.DROP, name, node.path, name)
                yield Mutation(Change.SHORTEN, name, node.path, name)
        yield from _of_interrupts(tree, node, root_controller)
    yield from _of_buses(intact)
    for module in intact.modules:
        if module in intact.driving:
            kind = "dependency" if module in intact.dependencies else "module"
            yield Mutation(Change.MODULE, kind, value=module)
            yield Mutation(Change.ARGUMENT, "module_blacklist", value=f"module_blacklist={module}")
    for function in intact.initcalls:
        yield Mutation(Change.ARGUMENT, "initcall_blacklist", value=f"initcall_blacklist={function}")
    if intact.modules:
        yield Mutation(Change.ARGUMENT, "nomodule", value="nomodule")


def _of_references(tree: Tree, node: Node, name: str, root_controller: Node | None) -> Iterator[Mutation]:
    known = reference_kind(name)
    if known is None:
        return
    stratum, counting = known
    places = list(reference_places(tree, node, name, counting))
    if not places:
        return
    yield Mutation(Change.DROP, stratum, node.path, name)
    for cell, provider in places:
        yield Mutation(Change.DANGLE, stratum, node.path, name, cell)
        if not _is_protected(provider, root_controller) and provider.available:
            yield Mutation(Change.DISABLE, stratum, provider.path, STATUS, consumer=node.path, reference=name)
    last = places[-1][1]
    if counting and (last.cell(counting) or 0) > 0:
        yield Mutation(Change.SHORTEN, stratum, node.path, name)


def _of_interrupts(tree: Tree, node: Node, root_controller: Node | None) -> Iterator[Mutation]:
    if "interrupts" not in node or "interrupts-extended" in node:
        return
    parent = _interrupt_parent(tree, node)
    if parent is not None and not _is_protected(parent, root_controller):
        yield Mutation(
            Change.DISABLE, "interrupts", parent.path, STATUS, consumer=node.path, reference="interrupts"
        )
    yield from _of_interrupt_parent(node)


def _of_interrupt_parent(node: Node) -> Iterator[Mutation]:
    if len(node.properties.get("interrupt-parent", b"")) >= 4:
        yield Mutation(Change.DROP, "interrupt-parent", node.path, "interrupt-parent")
        yield Mutation(Change.DANGLE, "interrupt-parent", node.path, "interrupt-parent")


def _of_buses(intact: Intact) -> Iterator[Mutation]:
    """`ranges` and `interrupt-parent` of the nodes above bound devices."""
    seen: set[str] = set()
    for path in intact.bound:
        node = intact.tree.node(path)
        above = node.parent if node is not None else None
        while above is not None and above.path not in seen:
            seen.add(above.path)
            if len(above.properties.get("ranges", b"")) >= 4:
                yield Mutation(Change.DROP, "ranges", above.path, "ranges")
                yield Mutation(Change.SHORTEN, "ranges", above.path, "ranges")
            if above.path not in intact.bound:
                yield from _of_interrupt_parent(above)
            above = above.parent


def harmless_candidates(intact: Intact) -> Iterator[Mutation]:
    """Mutations that change nothing for any device that works."""
    tree = intact.tree
    for node in _of_interest(intact):
        yield Mutation(Change.ADD, "harmless unknown property", node.path, UNKNOWN_PROPERTY)
        for name in _UNREAD:
            if name in node:
                yield Mutation(Change.DROP, "harmless unread property", node.path, name)
        if STATUS in node and node.enabled:  # the same as without it
            yield Mutation(Change.DROP, "harmless status", node.path, STATUS)
    if "model" in tree.root:
        yield Mutation(Change.DROP, "harmless unread property", "/", "model")
    for label in tree.symbols:  # read by overlays only, and none is applied any more
        yield Mutation(Change.RENAME, "harmless label", "/__symbols__", label, value=f"bootwright_{label}")
    for node in _needed_by_none(intact):
        yield Mutation(Change.DISABLE, "harmless unneeded node", node.path, STATUS)
    for module in intact.spare:
        yield Mutation(Change.MODULE, "harmless module", value=module)
    yield Mutation(Change.ARGUMENT, "harmless argument", value="bootwright.unused=1")


def _of_interest(intact: Intact) -> Iterator[Node]:
    """Nodes of bound devices, and those inside them that are no devices of their own."""
    for path in sorted(intact.bound):
        node = intact.tree.node(path)
        if node is None:
            continue
        yield node
        stack = list(reversed(node.children))
        while stack:
            child = stack.pop()
            if child.path in intact.present or child.compatible or not child.enabled:
                continue
            yield child
            stack.extend(reversed(child.children))


def _needed_by_none(intact: Intact) -> Iterator[Node]:
    """Enabled nodes without a bound device in or below them, that no property could refer to."""
    referred = {cell for node in intact.tree.nodes for name in node.properties for cell in _words(node, name)}
    busy = set(intact.bound)
    for node in intact.tree.nodes:
        if node.parent is None or not node.available or not node.compatible or _is_protected(node, None):
            continue
        below = [node, *(descendant for child in node.children for descendant in child.walk())]
        if any(
            descendant.path in busy or descendant.cell("phandle") in referred
            for descendant in below
            if descendant is not None
        ):
            continue
        yield node


def _words(node: Node, name: str) -> tuple[int, ...]:
    if name in {"phandle", "linux,phandle"} or len(node.properties[name]) > 4 * _MOST_CELLS:
        return ()
    return node.cells(name)


def reference_kind(name: str) -> tuple[str, str] | None:
    """(stratum, what counts a specifier's cells) of a property that refers to nodes, or None."""
    if name in _REFERENCES:
        return _REFERENCES[name]
    if name.startswith("pinctrl-") and name[8:].isdigit():
        return "pinctrl", ""
    if name.endswith("-supply"):
        return "regulators", ""
    if name in {"gpio", "gpios"} or (name.endswith(_GPIO_SUFFIXES) and not name.endswith(",nr-gpios")):
        return "gpios", "#gpio-cells"
    return None


def reference_places(tree: Tree, node: Node, name: str, counting: str) -> Iterator[tuple[int, Node]]:
    """(cell's number, node it points to) of each reference in a list of phandles and specifiers."""
    cells = node.cells(name)
    at = 0
    while at < min(len(cells), _MOST_CELLS):
        target = tree.by_phandle.get(cells[at])
        if target is None:
            if cells[at] != 0:
                return
            at += 1
            continue
        yield at, target
        at += 1 + ((target.cell(counting) or 0) if counting else 0)


def _interrupt_parent(tree: Tree, node: Node) -> Node | None:
    current: Node | None = node
    for _ in range(64):
        if current is None:
            return None
        handle = current.cell("interrupt-parent")
        current = tree.by_phandle.get(handle) if handle is not None else current.parent
        if current is not None and "#interrupt-cells" in current:
            return current
    return None


def _root_controller(tree: Tree) -> Node | None:
    """The interrupt controller that all others end at: the timer's, or the root's."""
    timers: Callable[[Node], bool] = lambda node: any("timer" in name for name in node.compatible)  # noqa: E731
    for node in tree.nodes:
        if node.parent is tree.root and timers(node) and "interrupts" in node:
            return _interrupt_parent(tree, node)
    return tree.by_phandle.get(tree.root.cell("interrupt-parent") or 0)


def _is_protected(node: Node, root_controller: Node | None) -> bool:
    path = node.path
    return node is root_controller or any(
        path == protected or path.startswith((f"{protected}/", f"{protected}@")) for protected in _PROTECTED
    )
