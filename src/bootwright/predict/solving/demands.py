"""Links for what a device's own node lacks, which the driver core or the driver asks for.

The driver core (Linux 6.12 to 7.3): pins (drivers/pinctrl/devicetree.c), assigned clocks
(drivers/clk/clk-conf.c), an AMBA device's bus clock (drivers/amba/bus.c). What the driver asks for while it
probes is read from its code: `probe_walk`.
"""

from __future__ import annotations

from collections.abc import Iterator

from bootwright.formats.devicetree.fdt import Node, Tree
from bootwright.predict.kernel.candidates import Candidate
from bootwright.predict.kernel.drivers import KernelFacts
from bootwright.predict.model import Answer, Evidence, Link
from bootwright.predict.probing.children import of_children
from bootwright.predict.probing.terms import BOUND, OF_CHILD, Ending, Outcome, There
from bootwright.predict.solving.node_answers import NodeAnswers, answers_of, references
from bootwright.predict.solving.sites import Site

_MOST_CHILDREN = 64
_BUS_CLOCK = "clocks|apb_pclk|0"
_WORDS = {There.MISSING: "is missing", There.BROKEN: "leads nowhere or has too few cells"}


def needed_links(tree: Tree, kernel: KernelFacts, site: Site, candidate: Candidate | None) -> list[Link]:
    """The links of a node that has a driver, for what the node itself lacks; only those that are broken."""
    if not site.made_of_node:
        return []
    answers = answers_of(tree, site.node)
    links = [*_of_core(tree, site, answers)]
    if not links and candidate is not None:
        broken = _of_driver(tree, kernel, site, candidate)
        if broken is not None:
            links.append(broken)
    return links


def _link(tree: Tree, site: Site, what: str, *, rule: str, reason: str, remedy: str) -> Link:
    node = site.node.path
    return Link(node, what, Answer.NO, Evidence(f"{tree.name}: {node}", rule), reason, remedy=remedy)


def _of_core(tree: Tree, site: Site, answers: NodeAnswers) -> Iterator[Link]:
    node = site.node
    if site.bus == "cpu":
        return
    for name in node.properties:
        if _is_pins(name) and There.BROKEN in references(tree, node, name, None):
            yield _link(
                tree,
                site,
                name,
                rule="drivers/pinctrl/devicetree.c pinctrl_dt_to_map: -EINVAL",
                reason=f"{name} refers to a node that is not there, and the device is not probed",
                remedy=f"let {name} refer to a pin configuration of this devicetree",
            )
    yield from _assigned(tree, site)
    yield from _reset_of_mdio(tree, site)
    if site.bus == "amba":
        there = answers(_BUS_CLOCK)
        if there in _WORDS:
            yield _link(
                tree,
                site,
                "clocks (apb_pclk)",
                rule="drivers/amba/bus.c amba_get_enable_pclk",
                reason=f"the clock apb_pclk {_WORDS[there]}, and the AMBA bus probes no device without it",
                remedy="give clocks with the bus clock, and its name apb_pclk in clock-names",
            )


def _reset_of_mdio(tree: Tree, site: Site) -> Iterator[Link]:
    """The reset line of an MDIO bus: its own, or that of the bus which a MAC's driver registers."""
    buses = [child for child in site.node.children if child.enabled and not child.compatible]
    for bus in [site.node, *buses]:
        if not bus.name.partition("@")[0].startswith("mdio"):
            continue
        if answers_of(tree, bus)("gpios|reset|0") is There.BROKEN:
            yield _link(
                tree,
                site,
                "reset-gpios" if bus is site.node else f"reset-gpios of {bus.path}",
                rule="drivers/net/phy/mdio_bus.c __mdiobus_register: -EINVAL",
                reason=f"reset-gpios of {bus.path} {_WORDS[There.BROKEN]}, and the bus is not registered",
                remedy=f"let reset-gpios of {bus.path} refer to a GPIO controller of this devicetree",
            )


def _is_pins(name: str) -> bool:
    return name.startswith("pinctrl-") and name[8:].isdigit()


def _assigned(tree: Tree, site: Site) -> Iterator[Link]:
    """of_clk_set_defaults: what it is to set a rate or parent of must be there."""
    node = site.node
    if "assigned-clocks" not in node and "assigned-clock-parents" not in node:
        return
    clocks = references(tree, node, "assigned-clocks", "#clock-cells")
    rates = node.cells("assigned-clock-rates")
    parents = references(tree, node, "assigned-clock-parents", "#clock-cells")
    wanted = max(len(parents), max((at + 1 for at, rate in enumerate(rates) if rate), default=0))
    broken = There.BROKEN in parents or (There.BROKEN in clocks and wanted >= len(clocks))
    if broken:
        name = "assigned-clock-parents" if There.BROKEN in parents else "assigned-clocks"
        yield _link(
            tree,
            site,
            name,
            rule="drivers/clk/clk-conf.c of_clk_set_defaults: its error ends the probe",
            reason=f"{name} {_WORDS[There.BROKEN]}, and the kernel does not probe the device",
            remedy=f"let {name} refer to clocks of this devicetree",
        )


def _of_driver(tree: Tree, kernel: KernelFacts, site: Site, candidate: Candidate) -> Link | None:
    """What the driver asks for while it probes and cannot do without, of the node or of a child node."""
    lacking = _of_children(tree, site, candidate)
    if lacking is not None:
        return lacking
    for answers, outcome in _outcomes(tree, kernel, site, candidate):
        if outcome.ending is Ending.FAILS:
            target = answers.disabled_target(outcome.blamed)
            if answers(outcome.blamed) is There.DISABLED and target is not None:
                return _disabled(tree, site, answers, outcome=outcome, driver=candidate.driver, target=target)
            what = answers.where(outcome.blamed)
            node = answers.node_of(outcome.blamed).path
            there = _WORDS.get(answers(outcome.blamed), "is missing")
            errors = ", ".join(f"-{error}" for error in outcome.errors)
            rule = f"every way through the probe function of {candidate.driver} returns an error ({errors})"
            return Link(
                site.node.path,
                what if node == site.node.path else f"{what} of {node}",
                Answer.NO,
                Evidence(f"{tree.name}: {node}", rule),
                f"{what} of {node} {there}, and the driver {candidate.driver} gives up without it",
                remedy=f"give {node} what the binding says about {what.partition(' ')[0]}",
            )
    return None


def _of_children(tree: Tree, site: Site, candidate: Candidate) -> Link | None:
    """A child node that has none of what the driver takes one of from each (`data/children`)."""
    for rule in of_children(candidate.driver):
        for child in site.node.children:
            answers = answers_of(tree, child)
            if child.enabled and all(answers(f"{family}||0") is There.MISSING for family in rule.any):
                what = " and ".join(rule.any)
                return _link(
                    tree,
                    site,
                    f"{rule.any[0]} of {child.path}",
                    rule=rule.source,
                    reason=f"{child.path} has neither {what.replace(' and ', ' nor ')}, and the driver "
                    f"{candidate.driver} gives up",
                    remedy=f"give {child.path} {' or '.join(rule.any)}",
                )
    return None


def _disabled(
    tree: Tree, site: Site, answers: NodeAnswers, *, outcome: Outcome, driver: str, target: Node
) -> Link:
    what, node = answers.where(outcome.blamed), answers.node_of(outcome.blamed).path
    return Link(
        site.node.path,
        f"supplier: {what if node == site.node.path else f'{what} of {node}'} → {target.path}",
        Answer.NO,
        Evidence(
            f"{tree.name}: {node}", f"every way through the probe function of {driver} returns an error"
        ),
        f"{what} of {node} refers to {target.path}, which is disabled, and the driver {driver} does not go "
        "on without it",
        waits_for=target.path,
        remedy=f'set the status of {target.path} to "okay"',
    )


def settles_disabled(
    tree: Tree, kernel: KernelFacts, site: Site, candidate: Candidate | None, family: str
) -> bool:
    """Whether the driver's own code says what becomes of it with a reference of this kind to a disabled node.

    It does where it asked for such a reference on a way that was followed to its end; where it fails, a link
    says so already.
    """
    if candidate is None or not site.made_of_node:
        return False
    return any(
        outcome.ending is not Ending.UNDECIDED
        and any(question.removeprefix(OF_CHILD).startswith(f"{family}|") for question in outcome.disabled)
        for _, outcome in _outcomes(tree, kernel, site, candidate)
    )


def waits_for_parent(tree: Tree, kernel: KernelFacts, site: Site) -> bool:
    """Whether the driver is of no use before the device of the node above has bound, as its code says."""
    best = site.best
    return (
        site.made_of_node
        and best is not None
        and kernel.probes is not None
        and kernel.probes.may_wait(best.driver, best.module, site.bus, best.matched)
        and any(
            wait.startswith(f"{BOUND}parent")
            for _, outcome in _outcomes(tree, kernel, site, best)
            for wait in outcome.waits
        )
    )


def _outcomes(
    tree: Tree, kernel: KernelFacts, site: Site, candidate: Candidate
) -> list[tuple[NodeAnswers, Outcome]]:
    """What becomes of the driver's probe; with each child node, where its code asks about one."""
    key = (candidate.driver, candidate.module, candidate.matched)
    known = site.outcomes.get(key)
    if known is None:
        known = site.outcomes[key] = list(_walked(tree, kernel, site, candidate))
    return known


def _walked(
    tree: Tree, kernel: KernelFacts, site: Site, candidate: Candidate
) -> Iterator[tuple[NodeAnswers, Outcome]]:
    if kernel.probes is None:
        return
    children: list[Node | None] = [child for child in site.node.children if child.enabled]
    for child in children[:_MOST_CHILDREN] or [None]:
        answers = answers_of(tree, site.node, child)
        outcome = kernel.probes.outcome(
            candidate.driver, candidate.module, site.bus, candidate.matched, answers
        )
        if outcome is not None:
            yield answers, outcome
        if outcome is None or not outcome.about_children:
            return
