"""Which differences between two artifacts lie on the chain of one goal, the most suspect first.

Both sides are predicted; a difference counts when it is about a node of either chain, what drives it, or
an option or argument that shares a name with it. Everything else is left out, and that is the use of it.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Sequence
from enum import IntEnum

from attrs import frozen

from bootwright.boards.model import Board
from bootwright.formats.devicetree.fdt import Tree
from bootwright.foundation.progress import Progress
from bootwright.inspect.difference.model import Area, Difference
from bootwright.predict.api import judge, predict
from bootwright.predict.given.gather import gather
from bootwright.predict.model import GoalVerdict
from bootwright.predict.solving.prediction import Prediction

_WORD = re.compile(r"[a-z0-9]+")
_COMMON = frozenset(
    {
        *("arm", "arm64", "bus", "child", "clk", "clock", "config", "controller", "core", "dev"),
        *("device", "driver", "fixed", "gem", "gpio", "i2c", "irq", "linux", "mmc", "module", "msi"),
        *("arch", "generic", "have", "lib", "support"),
        *("net", "node", "pci", "pcie", "phy", "pin", "pinctrl", "platform", "regulator", "reset"),
        *("simple", "soc", "spi", "usb", "with"),
    }
)
"""Words that are in too many names to mean anything."""

_BOOT_ARGUMENTS = frozenset(
    {"fw_devlink", "initcall_blacklist", "module_blacklist", "modprobe.blacklist", "pci", "nomodule"}
)
"""Kernel arguments that decide whether drivers bind at all."""


class Suspicion(IntEnum):
    """How close to the break a difference is; the least is the most suspect."""

    BROKEN_LINK = 1
    CHAIN = 2
    DRIVER = 3
    NAMED_ALIKE = 4
    WHOLE_SYSTEM = 5


@frozen
class Suspect:
    """A difference, and why it may matter to the goal."""

    difference: Difference
    suspicion: Suspicion
    why: str


@frozen
class Chain:
    """One side's goal, and what its chain is made of."""

    verdict: GoalVerdict
    dtb: str
    """File name of the devicetree that firmware picks."""
    nodes: tuple[str, ...]
    """Paths, from the goal's device to its farthest supplier."""
    compatibles: frozenset[str]
    modules: frozenset[str]
    """Names of drivers and modules, with `_`; of modules also those they cannot do without."""
    firmware: frozenset[str]
    """Files that those modules may ask for, below `/lib/firmware`."""
    options: frozenset[str]
    """Options known to build a driver of the chain, or to decide one of its hazards."""
    broken: str | None
    """Path of the node of the first broken link."""


def chain_of(artifact: str, board: Board, goal: str, stepping: str | None, progress: Progress) -> Chain:
    """Predict the goal for one artifact; raises `Missing`, `Refused` or `Malformed` as `check` does."""
    gathered = gather([artifact], progress)
    variant = board.stepping(stepping)
    resolved = gathered.resolve(board, variant.name)
    solved = predict(
        gathered.facts(),
        resolved.tree,
        board=board,
        stepping=variant.name,
        os=resolved.os or None,
        given=resolved.given,
    )
    verdict = judge(solved, board, board.goal(goal))
    named = [path for link in verdict.chain for path in (link.node, link.waits_for) if path]
    if verdict.node is not None:
        named.insert(0, verdict.node)
        named += [node.path for node in solved.tree.nodes if node.path.startswith(f"{verdict.node}/")]
    nodes = tuple(dict.fromkeys(path for path in named if path.startswith("/")))
    predicted = {node.path: node for node in solved.nodes}
    modules: set[str] = set()
    for path in nodes:
        node = predicted.get(path)
        if node is not None:
            modules |= {
                _module(text) for text in (node.driver, (node.where or "").partition(": ")[2]) if text
            }
    # PCI functions without a node are on the chain, and no nodes.
    for link in verdict.chain:
        if link.needs.startswith("driver "):
            where = link.because.where.rpartition(": ")[2]
            modules |= {_module(text) for text in (link.needs.removeprefix("driver "), where)}
    modules.discard("built_in")
    index = solved.kernel.modules
    firmware: set[str] = set()
    for name in list(modules) if index is not None else ():
        if index is not None and name in index:
            needed = (name, *index.closure(name, soft=False))
            modules.update(needed)
            firmware.update(file for module in needed for file in index.firmware(module))
    return Chain(
        verdict=verdict,
        dtb=resolved.dtb.name,
        nodes=nodes,
        compatibles=frozenset(_compatibles(solved.tree, nodes)),
        modules=frozenset(modules),
        firmware=frozenset(firmware),
        options=_options(solved, nodes, verdict),
        broken=verdict.first_broken.node if verdict.first_broken else None,
    )


def _options(solved: Prediction, nodes: Iterable[str], verdict: GoalVerdict) -> frozenset[str]:
    knowledge = solved.known
    options = {
        driver.option
        for path in nodes
        if (node := solved.tree.node(path)) is not None
        for driver in knowledge.of_driver(None, node.compatible)
        if driver.option is not None
    }
    names = {link.needs.removeprefix("driver ") for link in verdict.chain if link.needs.startswith("driver ")}
    options |= {
        known_driver.option
        for known_driver in knowledge.drivers
        if known_driver.option and names.intersection(known_driver.drivers)
    }
    return frozenset(options)


def suspects(differences: Iterable[Difference], before: Chain, after: Chain) -> tuple[Suspect, ...]:
    """The differences on either chain, the most suspect first."""
    ranked = [
        suspect for difference in differences if (suspect := _judge(difference, (before, after))) is not None
    ]
    return tuple(sorted(ranked, key=lambda suspect: suspect.suspicion))


def _judge(difference: Difference, chains: Sequence[Chain]) -> Suspect | None:
    if difference.area is Area.DEVICETREE:
        return _node(difference, chains)
    if difference.area in {Area.KERNEL, Area.OS}:
        return Suspect(difference, Suspicion.WHOLE_SYSTEM, "it is another kernel or system altogether")
    if difference.area in {Area.DRIVERS, Area.MODULES}:
        return _driver(difference, chains)
    if difference.area is Area.COMMAND_LINE and difference.what in _BOOT_ARGUMENTS:
        return Suspect(difference, Suspicion.DRIVER, "it decides which drivers bind")
    if difference.area is Area.CONFIG_TXT:
        return Suspect(difference, Suspicion.NAMED_ALIKE, "the firmware edits the devicetree by it")
    if difference.area is Area.KERNEL_CONFIG and any(
        difference.what in candidate.options for candidate in chains
    ):
        return Suspect(difference, Suspicion.DRIVER, "it builds a driver of the chain")
    if difference.area is Area.FIRMWARE:
        asking = [chain for chain in chains if _asked_for(difference.what, chain.firmware)]
        if asking:
            return Suspect(difference, Suspicion.DRIVER, "a module of the chain may ask for it")
    if difference.area in {Area.KERNEL_CONFIG, Area.COMMAND_LINE, Area.FIRMWARE, Area.INITRAMFS}:
        return _alike(difference, chains)
    return None


def _node(difference: Difference, chains: Sequence[Chain]) -> Suspect | None:
    name, _, change = difference.what.partition(": ")
    path = change.partition(": ")[0]
    if name not in {chain.dtb for chain in chains}:
        return None
    whole = difference.change != "changed" and ": " not in change
    for chain in chains:
        if chain.broken is not None and _about(path, chain.broken, whole=whole):
            return Suspect(difference, Suspicion.BROKEN_LINK, f"the first broken link is at {chain.broken}")
    for chain in chains:
        for node in chain.nodes:
            if _about(path, node, whole=whole):
                return Suspect(difference, Suspicion.CHAIN, f"{node} is on the chain")
    return None


def _about(path: str, node: str, *, whole: bool) -> bool:
    """Whether a difference at `path` is about `node`: itself, or a lost or gained part that holds it."""
    return path == node or (whole and node.startswith(f"{path}/"))


def _asked_for(path: str, wanted: frozenset[str]) -> bool:
    plain = re.sub(r"\.(?:xz|zst)\Z", "", path)
    return plain in wanted or any(
        "*" in pattern and fnmatch.fnmatchcase(plain, pattern) for pattern in wanted
    )


def _driver(difference: Difference, chains: Sequence[Chain]) -> Suspect | None:
    # `macb: depends on` is about the module macb.
    name = difference.what.partition(": ")[0]
    texts = f"{difference.before or ''} {difference.after or ''}"
    for chain in chains:
        if difference.what in chain.compatibles:
            return Suspect(difference, Suspicion.DRIVER, "it drives a node of the chain")
        if _module(name) in chain.modules:
            return Suspect(difference, Suspicion.DRIVER, "it, or what needs it, drives a node of the chain")
        named = [compatible for compatible in sorted(chain.compatibles) if compatible in texts]
        if named:
            return Suspect(difference, Suspicion.DRIVER, f"it drives {named[0]}")
    return _alike(difference, chains)


def _alike(difference: Difference, chains: Sequence[Chain]) -> Suspect | None:
    changed_words = _words(difference.what)
    for chain in chains:
        for name in (*sorted(chain.modules), *sorted(chain.compatibles)):
            shared = changed_words & _words(name)
            if shared:
                return Suspect(difference, Suspicion.NAMED_ALIKE, f"it is named like {name} on the chain")
    return None


def _words(text: str) -> set[str]:
    return {word for word in _WORD.findall(text.lower().replace("_", " ")) if len(word) > 2} - _COMMON


def _module(name: str) -> str:
    return name.replace("-", "_")


def _compatibles(tree: Tree, nodes: Iterable[str]) -> Iterable[str]:
    for path in nodes:
        node = tree.node(path)
        if node is not None:
            yield from node.compatible
