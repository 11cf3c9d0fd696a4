"""What code run once at boot cannot do without: it sets up early clocks, interrupt controllers and the timer.

All of it runs before there are devices (`of_clk_init`, `of_irq_init`, `timer_probe`), and only once. A clock
that it cannot set up is there for nobody. An arm64 kernel without the processor's own timer panics; where the
timer gets no interrupt, time stands still, and the kernel never gets to its drivers. What a setup function
asks of its node is read from its code, as of a driver's probe. Linux 6.12 to 7.3.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from attrs import frozen

from bootwright.formats.devicetree.fdt import Node, Tree
from bootwright.predict.kernel.drivers import KernelFacts
from bootwright.predict.model import Answer
from bootwright.predict.probing.terms import BOOT_CODE, Ending, There
from bootwright.predict.solving.addresses import address
from bootwright.predict.solving.node_answers import NodeAnswers, answers_of
from bootwright.predict.solving.suppliers import interrupt_parent

_ARCHITECTED = frozenset({"arm,armv8-timer", "arm,armv7-timer"})
_IN_MEMORY = "arm,armv7-timer-mem"
"""It tells the rate too, and may be enough (arch_timer_mem_of_init)."""
_TIMER_INTERRUPTS = 5
"""ARCH_TIMER_MAX_TIMER_PPI: secure, non-secure, virtual, hypervisor and hypervisor's virtual timer."""
_DEEPEST = 8
"""Interrupt controllers behind each other."""
_NO_RATE = 'arch/arm64/kernel/time.c time_init: panic("Unable to initialise architected timer")'
_NO_INTERRUPT = "drivers/clocksource/arm_arch_timer.c arch_timer_of_init: no interrupt available"
_NOT_SAID = " (whether this one is such a kernel is not known)"
_STANDS = "so that the processor's timer gets no interrupts and the kernel does not get as far as its drivers"


@frozen
class Standstill:
    """Why a kernel does not get as far as its drivers, or may not."""

    node: Node
    what: str
    reason: str
    rule: str
    remedy: str
    answer: Answer = Answer.NO


@frozen
class Lacking:
    """What a node has not that its setup function gives up without."""

    what: str
    """The property, in words."""
    function: str
    """In words: what gives up."""


def lacking(tree: Tree, kernel: KernelFacts, node: Node) -> Lacking | None:
    """What boot code cannot set the node up without, and the node has not; None where nothing is known to be.

    Only where every way through the setup function ends without what it is to set up.
    """
    name = next((name for name in node.compatible if name in kernel.early), None)
    if name is None or kernel.probes is None:
        return None
    kind = kernel.early[name].kind
    answers = answers_of(tree, node)
    outcome = kernel.probes.outcome(kind, None, BOOT_CODE, name, answers)
    if outcome is None or outcome.ending is not Ending.FAILS:
        return None
    return Lacking(answers.where(outcome.blamed), f"the {kind} code for {name}")


def standstill(tree: Tree, kernel: KernelFacts, early: Mapping[int, str]) -> Standstill | None:
    """Why the boot ends before there are devices, or None. `early`: what boot code sets up, by `id(node)`."""
    if not _ARCHITECTED.intersection(kernel.early):
        return None
    stopped = _no_processor(tree, kernel)
    if stopped is not None:
        return stopped
    if any(_IN_MEMORY in node.compatible and node.enabled for node in tree.nodes):
        return None
    timer = next((n for n in tree.nodes if n.enabled and _ARCHITECTED.intersection(n.compatible)), None)
    if timer is None:
        return _no_timer(tree)
    if sum(kind == "timer" for kind in early.values()) > 1:
        return None  # another timer may do
    parents = list(_interrupt_parents(tree, timer))
    for parent in parents:
        stopped = _not_set_up(tree, kernel, early, timer, parent)
        if stopped is not None:
            return stopped
    answers = NodeAnswers(tree, timer)
    if any(answers(f"interrupts||{index}") is There.YES for index in range(_TIMER_INTERRUPTS)):
        return None
    what = "interrupts" if parents else "interrupt-parent (or that of a node above it), for its interrupts,"
    return Standstill(
        timer,
        "timer interrupt",
        f"{what} of {timer.path} cannot be resolved, {_STANDS}",
        _NO_INTERRUPT,
        f"give {timer.path} the interrupts that the board's own devicetree has",
    )


def _no_processor(tree: Tree, kernel: KernelFacts) -> Standstill | None:
    """The boot processor gets its NUMA node from the node that describes it, in kernels that have such."""
    cpus = tree.root.child("cpus")
    nodes = cpus.children if cpus is not None else ()
    if any(node.string("device_type") == "cpu" or node.name.partition("@")[0] == "cpu" for node in nodes):
        return None
    numa = kernel.option("CONFIG_NUMA")
    if numa == "n":
        return None
    known = numa == "y"
    return Standstill(
        cpus or tree.root,
        "processor",
        "no node below /cpus describes a processor, and a kernel with CONFIG_NUMA has no memory for the one "
        f"that it boots on: it ends in an oops before anything else{'' if known else _NOT_SAID}",
        "arch/arm64/kernel/smp.c smp_init_cpus (missing boot CPU MPIDR), mm/page_alloc.c build_all_zonelists",
        "use the board's own devicetree, which has its processors",
        Answer.NO if known else Answer.UNKNOWN,
    )


def _no_timer(tree: Tree) -> Standstill:
    """There is none that the kernel takes: one that is disabled, or a node of that name, is meant."""
    disabled = next((node for node in tree.nodes if _ARCHITECTED.intersection(node.compatible)), None)
    named = tree.root.child("timer")
    if disabled is not None:
        node, why = disabled, f"{disabled.path}, the processor's timer, is disabled"
        remedy = f'set the status of {disabled.path} to "okay"'
    else:
        node = named or tree.root
        of_named = (
            f" ({named.path} is {', '.join(named.compatible) or 'without compatible'})" if named else ""
        )
        why = f"no node is compatible with arm,armv8-timer, the processor's timer{of_named}"
        remedy = "use the board's own devicetree, which has the processor's timer"
    return Standstill(node, "timer", f"{why}, and an arm64 kernel panics without it", _NO_RATE, remedy)


def _not_set_up(
    tree: Tree, kernel: KernelFacts, early: Mapping[int, str], timer: Node, first: Node
) -> Standstill | None:
    """Why the timer's interrupt controller, or one that it is behind, is not set up; None where it is."""
    controller: Node | None = first
    for _ in range(_DEEPEST):
        if controller is None:
            return None
        which = f"{controller.path}, the interrupt controller of {timer.path},"
        if early.get(id(controller)) != "irqchip":
            withheld = kernel.withheld_early(controller)
            return Standstill(
                timer,
                "timer interrupt",
                f"{which} {_why_not(kernel, controller)}, {_STANDS}" if withheld is None else withheld.reason,
                "drivers/of/irq.c of_irq_init",
                f"give {controller.path} what the board's own devicetree has"
                if withheld is None
                else withheld.remedy,
                Answer.NO if withheld is None else withheld.answer,
            )
        lacks = lacking(tree, kernel, controller)
        if lacks is not None or address(controller, 0) in {There.MISSING, There.BROKEN}:
            what = lacks.what if lacks is not None else "reg"
            return Standstill(
                timer,
                "timer interrupt",
                f"{what} of {which} is missing or cannot be translated by the ranges of the nodes above it, "
                f"{_STANDS}",
                "drivers/irqchip: the controller's setup function returns an error",
                f"give {controller.path} the {what.partition('[')[0]} that the board's own devicetree has",
            )
        above = next(_interrupt_parents(tree, controller), None)
        controller = above if above is not controller else None
    return None


def _why_not(kernel: KernelFacts, controller: Node) -> str:
    """Why no boot code takes an interrupt controller."""
    if not controller.available:
        return "is disabled"
    if "interrupt-controller" not in controller:
        return "has no property interrupt-controller, and is passed over"
    if not controller.compatible:
        return "has no compatible, and no driver takes it"
    return f"is {', '.join(controller.compatible)}, for which {kernel.name} has no driver at boot"


def _interrupt_parents(tree: Tree, node: Node) -> Iterator[Node]:
    """The controller that the interrupts of a node go to."""
    if "interrupts-extended" in node:
        handle = next(iter(node.cells("interrupts-extended")), 0)
        parent = tree.by_phandle.get(handle)
    else:
        parent = interrupt_parent(tree, node)
    if parent is not None:
        yield parent
