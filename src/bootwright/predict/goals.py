"""From bound devices to a board's goals: the chain in the order it comes up, folded into a verdict."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import evolve

from bootwright.boards.locate import functions, locate
from bootwright.boards.model import Board, Goal
from bootwright.boards.role import role_of
from bootwright.formats.devicetree.fdt import Node, Tree
from bootwright.foundation.verdict import Verdict
from bootwright.foundation.versions import Version
from bootwright.predict.arrivals import reaching
from bootwright.predict.hazards import hazards_of, strike
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
from bootwright.predict.roles.graph import display_parts
from bootwright.predict.roles.recognise import is_port
from bootwright.predict.rules.knowledge import Knowledge, knowledge
from bootwright.predict.rules.predicates import Given, Surroundings
from bootwright.predict.solving.devices import Planner
from bootwright.predict.solving.matching import is_plain_bus
from bootwright.predict.solving.outcome import absence, remedy
from bootwright.predict.solving.prediction import Prediction
from bootwright.predict.solving.sites import Site
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
    kernel, own = prediction.kernel, frozenset(ancestor.path for ancestor in _ancestry(node))
    chain = tuple(
        loosened(kernel, _with_initramfs(prediction, goal, gated(kernel, link)), own)
        for link in _chain(prediction, goal, node)
    )
    chain = (*chain, *root.links)
    not_checked = (*not_checked, *start_not_checked(kernel, chain))
    hazards = hazards_of(prediction, goal, chain)
    # A hazard that certainly strikes is a link like any other, and the first: it stops the whole kernel.
    fatal = tuple(
        Link(
            hazard.node or "/",
            f"hazard {hazard.name}",
            Answer.NO,
            Evidence(hazard.where or tree.name, hazard.sources[0]),
            hazard.reason,
            remedy=hazard.remedy,
        )
        for hazard in hazards
        if hazard.effect is Verdict.FAILS
    )
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
        phy = _phy(tree, node) if node is not None else None
        if phy is not None and goal.phy is not None:
            phys[id(phy)] = goal.phy
    return phys


def _phy(tree: Tree, node: Node) -> Node | None:
    for name in ("phy-handle", "phy", "phy-device"):
        handle = node.cell(name)
        if handle is not None and handle in tree.by_phandle:
            return tree.by_phandle[handle]
    return None


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


def _chain(prediction: Prediction, wanted: Goal, node: Node) -> list[Link]:
    """Links of everything the goal needs, each device after those it waits for."""
    role = role_of(wanted)
    if role is None or not role.graph:
        return _device_chain(prediction, node)
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

    for node in _ancestry(goal):
        site = prediction.plan.of(node)
        if site is not None and (node is goal or site.bus in {"pci"} or _is_host(node)):
            visit(site)
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
    phy = _phy(prediction.tree, goal)
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


def _is_host(node: Node) -> bool:
    return node.string("device_type") == "pci"


def _ancestry(node: Node) -> list[Node]:
    ancestors: list[Node] = []
    current: Node | None = node
    while current is not None:
        ancestors.append(current)
        current = current.parent
    return ancestors[::-1]


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
