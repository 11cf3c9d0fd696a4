"""The subjects of a plan: what each of its open questions touches, as predictions and the plan say it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from attrs import define, field, frozen

from bootwright.boards.model import board as board_named
from bootwright.foundation.errors import BootwrightError, Missing
from bootwright.investigate.plans.plan import Devicetree, Experiment, Plan
from bootwright.investigate.running.trees import choose
from bootwright.kernels.catalogue import Library
from bootwright.kernels.model import Kernel
from bootwright.predict.api import facts_of, predict_goal, predict_nodes, read_tree
from bootwright.predict.kernel.drivers import KernelFacts
from bootwright.predict.kernel.objects import objects
from bootwright.upstream.relevance.subject import Subject

_PAGE_OPTIONS = frozenset(f"CONFIG_ARM64_{size}K_PAGES" for size in (4, 16, 64))
_PCI = re.compile(r"pci([0-9a-f]{1,4}),([0-9a-f]{1,4})")
_MODULE = re.compile(r"(?:module|initramfs): (\S+)")


@frozen
class Subjects:
    """What a plan's questions touch."""

    subjects: tuple[Subject, ...]
    kernels: tuple[str, ...]
    """Kernels that devices were predicted with."""
    lacks: tuple[str, ...]
    """Questions that nothing is known of here, and why, in words."""


@define
class _Gathered:
    boards: set[str] = field(factory=set)
    dtbs: set[str] = field(factory=set)
    nodes: set[str] = field(factory=set)
    goal_nodes: set[str] = field(factory=set)
    labels: set[str] = field(factory=set)
    compatibles: set[str] = field(factory=set)
    objects: set[str] = field(factory=set)
    drivers: set[str] = field(factory=set)
    options: set[str] = field(factory=set)
    driver_options: set[str] = field(factory=set)
    phy_ids: set[int] = field(factory=set)
    pci_ids: set[tuple[int, int]] = field(factory=set)


def subjects_of(plan: Plan, outcomes: Sequence[str], library: Library) -> Subjects:
    """The subjects of these outcomes of a plan.

    A device's is gathered from predictions of the plan with the kernels that are on this machine, in whatever
    state the device is there; nothing is fetched. What only tests speak of is what the plan says of it.
    """
    subjects: list[Subject] = []
    kernels: dict[str, None] = {}
    lacks: list[str] = []
    page_options = _PAGE_OPTIONS if _has_fact(plan, "page_size") else frozenset()
    for outcome in outcomes:
        touched = [touches for touches in plan.touches if touches.outcome == outcome]
        experiments = [
            experiment
            for experiment in plan.experiment
            if experiment.source == "predicted" and outcome in experiment.goals
        ]
        gathered = _Gathered()
        used = [
            name for experiment in experiments for name in _gather(gathered, experiment, outcome, library)
        ]
        kernels |= dict.fromkeys(used)
        if experiments and not used:
            lacks.append(f"{outcome}: no kernel of the plan's predictions is on this machine")
        if not used and not touched:
            if not experiments:
                lacks.append(f"{outcome}: the plan does not say what it touches")
            continue
        subjects.append(
            Subject(
                outcome=outcome,
                label=plan.outcome[outcome].label,
                boards=frozenset(gathered.boards),
                dtbs=frozenset(gathered.dtbs),
                nodes=frozenset(gathered.nodes),
                goal_nodes=frozenset(gathered.goal_nodes),
                labels=frozenset(gathered.labels),
                compatibles=frozenset(gathered.compatibles),
                objects=frozenset(gathered.objects),
                drivers=frozenset(gathered.drivers),
                options=frozenset(gathered.options) | page_options,
                driver_options=frozenset(gathered.driver_options),
                phy_ids=frozenset(gathered.phy_ids),
                pci_ids=frozenset(gathered.pci_ids),
                calls=frozenset(call for touches in touched for call in touches.calls),
                asks_version=_has_fact(plan, "version"),
                paths=_paths(paths for touches in touched for paths in touches.paths.items()),
            )
        )
    return Subjects(tuple(subjects), tuple(kernels), tuple(lacks))


def _has_fact(plan: Plan, fact: str) -> bool:
    return any(factor.fact == fact for factor in plan.factor.values())


def _paths(pairs: Iterable[tuple[str, list[str]]]) -> Mapping[str, tuple[str, ...]]:
    paths: dict[str, tuple[str, ...]] = {}
    for upstream, patterns in pairs:
        paths[upstream] = (*paths.get(upstream, ()), *patterns)
    return paths


def _gather(gathered: _Gathered, experiment: Experiment, outcome: str, library: Library) -> list[str]:
    """Add what an experiment's predictions go through; the names of the kernels that were here."""
    kernels = _kernels_here(experiment, library)
    if kernels:
        # Also those that no kernel has yet: that they come is what one waits for.
        gathered.dtbs |= {
            board_named(devicetree.board).stepping(devicetree.stepping).dtb
            for devicetree in experiment.devicetree
        }
    for kernel in kernels:
        for devicetree in experiment.devicetree:
            try:
                path = _tree_file(devicetree, kernel)
            except BootwrightError:
                continue
            _add(gathered, kernel, path, devicetree, experiment.goals[outcome])
    return [kernel.name for kernel in kernels]


def _tree_file(devicetree: Devicetree, kernel: Kernel) -> Path:
    chosen = choose(devicetree, kernel, {})
    if chosen.path is not None:
        return chosen.path
    if chosen.folder is None:
        raise Missing("the plan names no devicetree", hint="see docs/plans.md")
    return chosen.folder.resolve(board_named(devicetree.board), devicetree.stepping).dtb


def _kernels_here(experiment: Experiment, library: Library) -> list[Kernel]:
    names = experiment.only
    if not names:
        names = [listed.name for listed in library.listed({experiment.kernels})]
    kernels: list[Kernel] = []
    for name in names:
        try:
            kernels.append(library.get(name, modules=experiment.modules))
        except BootwrightError:
            continue  # not here, and nothing is fetched for this
    return kernels


def _add(gathered: _Gathered, kernel: Kernel, dtb: Path, devicetree: Devicetree, goal: str) -> None:
    board = board_named(devicetree.board)
    verdict = predict_goal(kernel, dtb, board, goal, stepping=devicetree.stepping)
    tree = read_tree(dtb)
    gathered.boards.add(devicetree.board)
    paths = {link.node for link in verdict.chain}
    paths |= {hazard.node for hazard in verdict.hazards if hazard.node}
    if verdict.node:
        gathered.goal_nodes.add(verdict.node)
        paths.add(verdict.node)
    gathered.nodes |= paths
    gathered.labels |= {label for label, path in tree.symbols.items() if path in paths}
    facts = facts_of(kernel)
    by_path = {prediction.path: prediction for prediction in predict_nodes(kernel, dtb)}
    for path in paths:
        node = tree.node(path)
        if node is None:
            continue
        compatibles = {name for name in node.compatible if name != "simple-bus"}
        gathered.compatibles |= {name for name in compatibles if not _is_generic(facts, name)}
        gathered.pci_ids |= {
            (int(match[1], 16), int(match[2], 16)) for name in compatibles if (match := _PCI.fullmatch(name))
        }
        for name in compatibles:
            for candidate in facts.by_compatible(name):
                _add_driver(gathered, facts, candidate.driver, candidate.module, candidate.object)
        prediction = by_path.get(path)
        if prediction is not None and prediction.driver is not None and prediction.bus in {"pci", "mdio"}:
            module = _MODULE.match(prediction.where or "")
            if module:
                _add_driver(gathered, facts, prediction.driver, module[1], "")
    if (phy := board.goal(goal).phy) is not None:
        gathered.phy_ids.add(phy)
        for candidate in facts.by_modalias(f"mdio:{phy:032b}", "mdio"):
            _add_driver(gathered, facts, candidate.driver, candidate.module, candidate.object)


def _is_generic(facts: KernelFacts, compatible: str) -> bool:
    """Whether a compatible stands for any bus or simple device, so that its drivers are nobody's own."""
    return not compatible.partition(",")[2] and not facts.by_compatible(compatible)


def _add_driver(
    gathered: _Gathered, facts: KernelFacts, driver: str, module: str | None, built_in_object: str
) -> None:
    path = ""
    if module is not None and facts.modules is not None:
        path = facts.modules.path(module).removeprefix("kernel/").partition(".ko")[0]
    elif module is None:
        known = objects().by_name.get(built_in_object or driver.replace("-", "_"), ())
        path = known[0] if len(known) == 1 else ""
    names = {driver, module or "", path.rpartition("/")[2]}
    gathered.drivers |= {name for name in names if name}
    if path:
        gathered.objects.add(path)
        rule = objects().rule("", facts.version, path) if facts.version is not None else None
        if rule is not None:
            gathered.options |= {option for way in rule.ways for option in way.needs}
            # The last one is the object's own; those before it open the menus on the way there.
            gathered.driver_options |= {way.needs[-1] for way in rule.ways if way.needs}
