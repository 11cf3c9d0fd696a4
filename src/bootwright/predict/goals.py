"""From bound devices to a board's goals: the chain in the order it comes up, folded into a verdict."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import evolve

from bootwright.boards.locate import functions, locate
from bootwright.boards.model import Board, Goal
from bootwright.boards.role import role_of
from bootwright.formats.devicetree.fdt import Tree
from bootwright.foundation.verdict import Verdict
from bootwright.foundation.versions import Version
from bootwright.predict.arrivals import reaching
from bootwright.predict.chain import ancestry, chain_of, phy_of
from bootwright.predict.hazards import as_link, hazards_of, strike
from bootwright.predict.kernel.drivers import KernelFacts
from bootwright.predict.model import (
    Answer,
    Evidence,
    GoalVerdict,
    Hazard,
    Link,
    first_broken,
    fold,
)
from bootwright.predict.rules.knowledge import Knowledge, knowledge
from bootwright.predict.rules.predicates import Given, Surroundings
from bootwright.predict.solving.devices import Planner
from bootwright.predict.solving.prediction import Prediction
from bootwright.predict.solving.solver import Solver
from bootwright.predict.start.arguments import effective
from bootwright.predict.start.root_device import Root, root_links
from bootwright.predict.start.start import gated, loosened, module_of
from bootwright.predict.start.start import not_checked as start_not_checked


def predict(
    kernel: KernelFacts,
    tree: Tree,
    *,
    board: Board | None = None,
    stepping: str | None = None,
    os: Mapping[str, Version] | None = None,
    known: Knowledge | None = None,
    given: Given | None = None,
) -> Prediction:
    """Solve a devicetree under a kernel. A board adds what is soldered to it and its stepping.

    `given` is what else came with the kernel: file systems to mount, firmware files.
    """
    known = known if known is not None else knowledge()
    chosen = tree.root.child("chosen")
    bootargs = chosen.string("bootargs") if chosen is not None else None
    kernel = kernel.started(effective(kernel.arguments, bootargs, tree.name, kernel.option))
    around = Surroundings(kernel=kernel, tree=tree, stepping=stepping, os=os, given=given or Given())
    soldered = functions(tree, board) if board is not None else ()
    phys = _phys(tree, board) if board is not None else {}
    plan = Planner(tree, kernel, known, around, functions=soldered, phys=phys).plan()
    solver = Solver(plan, kernel, known, around)
    return Prediction(tree, kernel, around, plan, solver, solver.solve(), known)


def judge(prediction: Prediction, board: Board, goal: Goal) -> GoalVerdict:
    """Whether a goal is reached."""
    tree = prediction.tree
    node = locate(tree, goal.find)
    unapplied = prediction.around.given.unapplied
    root = _root(prediction) if goal.boots_from else Root()
    not_checked = (*no_file_tells(goal), *board.not_checked, *unapplied, *root.not_checked)
    if node is None:
        wanted = " or ".join(_described(goal))
        link = Link(
            "/",
            "node",
            Answer.NO,
            Evidence(tree.name, "the board's description"),
            f"the devicetree has no {wanted}",
            remedy=_remedy_for_node(prediction, goal),
        )
        return GoalVerdict(
            goal.name, Verdict.FAILS, None, (link,), link, hazards_of(prediction, goal, ()), not_checked
        )
    kernel, own = prediction.kernel, frozenset(ancestor.path for ancestor in ancestry(node))
    chain = tuple(
        loosened(kernel, _with_initramfs(prediction, goal, gated(kernel, link)), own)
        for link in chain_of(prediction, goal, node)
    )
    chain = (*chain, *root.links)
    not_checked = (*not_checked, *start_not_checked(kernel, chain))
    hazards = hazards_of(prediction, goal, chain)
    # A hazard that certainly strikes is a link like any other, and the first: it stops the whole kernel.
    fatal = tuple(
        as_link(hazard, tree.name, Answer.NO) for hazard in hazards if hazard.effect is Verdict.FAILS
    )
    # One that would stop it if its condition held, which is not known, is a doubt.
    doubts = tuple(as_link(hazard, tree.name, Answer.UNKNOWN) for hazard in hazards if hazard.decides)
    chain = (*chain, *doubts)
    chain, broken = reaching(
        (*fatal, *chain), first_broken((*fatal, *chain)), node.compatible, kernel.version, prediction.known
    )
    return GoalVerdict(
        goal=goal.name,
        verdict=fold(chain).verdict,
        node=node.path,
        chain=chain,
        first_broken=broken,
        hazards=hazards,
        not_checked=not_checked,
    )


def no_file_tells(goal: Goal) -> tuple[str, ...]:
    """What no file can tell of a goal's device."""
    role = role_of(goal)
    return role.not_checked if role is not None else ()


def _remedy_for_node(prediction: Prediction, goal: Goal) -> str:
    """A devicetree has the node from about the kernel on that has the driver."""
    wanted = tuple(find.compatible for find in goal.find if find.compatible is not None)
    arrival = prediction.known.arrival(wanted)
    if arrival is None or arrival.since is None:
        return "use a devicetree that describes it, from a kernel that supports it"
    if arrival.is_new_to(prediction.kernel.version):
        return f"{arrival.words(prediction.kernel.version)}, and its own devicetree"
    return f"use the devicetree that came with this kernel, or one of Linux {arrival.since} or newer"


OS_GOAL = "os-mounts"
"""What the system mounts: depends on kernel, operating system and file systems only."""
OS_START = "os-start"
"""What the system's init needs before it can load a module: judged where a rule speaks of it."""
OS_GOALS = (OS_START, OS_GOAL)


def _root(prediction: Prediction) -> Root:
    given_facts = prediction.around.given
    return root_links(prediction.kernel, given_facts.volumes, initramfs=given_facts.initramfs)


def has_early_needs(prediction: Prediction) -> bool:
    """Whether some rule says what this system's init needs at its start."""
    systems = set(prediction.around.os or ())
    return any(
        OS_START in rule.goals and not systems.isdisjoint(rule.when.systems())
        for rule in prediction.known.hazards
    )


def judge_os(prediction: Prediction, goal: str = OS_GOAL) -> GoalVerdict:
    """Whether what the operating system asks of the kernel is there: its rules are hazards of this goal."""
    root = _root(prediction) if goal == OS_GOAL else Root((), ())
    chain: list[Link] = [*root.links]
    hazards: list[Hazard] = []
    for rule in prediction.known.hazards:
        if goal not in rule.goals:
            continue
        struck = strike(prediction, rule, set())
        if struck is not None and struck.effect is Verdict.UNKNOWN and rule.effect is not Verdict.FAILS:
            hazards.append(struck)
        elif rule.effect is Verdict.FAILS:
            where = struck.where if struck is not None and struck.where else prediction.kernel.name
            answer = Answer.YES
            if struck is not None:
                answer = Answer.NO if struck.effect is Verdict.FAILS else Answer.UNKNOWN
            reason = struck.reason if struck is not None else ""
            chain.append(
                Link(
                    "/",
                    f"no {rule.name}" if struck is None else f"hazard {rule.name}",
                    answer,
                    Evidence(where, rule.sources[0]),
                    reason,
                    remedy=struck.remedy if struck is not None else rule.remedy,
                )
            )
    return GoalVerdict(
        goal=goal,
        verdict=fold(chain).verdict,
        node=None,
        chain=tuple(chain),
        first_broken=first_broken(chain),
        hazards=tuple(hazards),
        not_checked=(
            "the operating system's own configuration",
            *root.not_checked,
            *(() if prediction.around.given.filesystems is not None else ("file systems: none were given",)),
        ),
    )


def _phys(tree: Tree, board: Board) -> dict[int, int]:
    """`id(node)` of Ethernet PHYs → their id, from the board."""
    phys: dict[int, int] = {}
    for goal in board.goals:
        node = locate(tree, goal.find) if goal.phy is not None else None
        phy = phy_of(tree, node) if node is not None else None
        if phy is not None and goal.phy is not None:
            phys[id(phy)] = goal.phy
    return phys


def _described(goal: Goal) -> list[str]:
    descriptions = []
    for find in goal.find:
        if find.compatible is not None:
            descriptions.append(f"node compatible with {find.compatible}")
        elif find.alias is not None:
            descriptions.append(f"alias {find.alias}")
        elif find.symbol is not None:
            descriptions.append(f"label {find.symbol}")
        elif find.path is not None:
            descriptions.append(f"node {find.path}")
        elif find.stdout:
            descriptions.append("stdout-path")
        else:
            descriptions.append(f"node {find.node_name}")
    return descriptions


def _with_initramfs(prediction: Prediction, goal: Goal, link: Link) -> Link:
    """A driver that is needed to find the root file system must be built in or in the initramfs."""
    module = module_of(link)
    if not goal.boots_from or module is None or link.answer is not Answer.YES:
        return link
    line = prediction.kernel.prevented(module, asked=True, early=True)
    if line is not None:
        return evolve(
            link,
            answer=Answer.NO,
            reason=f"'{line}' ({line.where}) keeps the initramfs from loading the module {module}",
            remedy=f"take that line out of {line.where.rpartition(':')[0]}",
        )
    missing = prediction.kernel.not_early(module)
    if missing is None:
        return link
    needs = f" without {missing}" if missing != module else ""
    where = f"{missing}, which is not in the initramfs" if needs else "which is not in the initramfs"
    return evolve(
        link,
        answer=Answer.NO,
        reason=f"the driver is in the module {module}, {where}"
        if not needs
        else f"the driver is in the module {module}, which cannot be loaded without {where}",
        remedy=f"put the module {missing} into the initramfs",
    )
