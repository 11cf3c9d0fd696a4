"""What code run once at boot cannot do without: interrupt controllers need their registers, the boot a timer.

Interrupt controllers and timers are set up before there are devices (`of_irq_init`, `timer_probe`). Where
the processor's own timer gets no interrupt, time stands still and the kernel never gets to its drivers.
Linux 6.12 to 7.3.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from attrs import frozen

from bootwright.formats.devicetree.fdt import Node, Tree
from bootwright.predict.probing.terms import There
from bootwright.predict.solving.addresses import address
from bootwright.predict.solving.node_answers import NodeAnswers
from bootwright.predict.solving.suppliers import interrupt_parent

_ARCHITECTED = frozenset({"arm,armv8-timer", "arm,armv7-timer"})
_TIMER_INTERRUPTS = 5
"""ARCH_TIMER_MAX_TIMER_PPI: secure, non-secure, virtual, hypervisor and hypervisor's virtual timer."""


@frozen
class Standstill:
    """Why a kernel does not get as far as its drivers."""

    node: Node
    reason: str
    rule: str


def standstill(tree: Tree, early: Mapping[int, str]) -> Standstill | None:
    """Why the boot ends before there are devices, or None. `early` is what boot code sets up, by `id(node)`.

    Only where the architected timer is the one timer of the machine is the answer certain.
    """
    timers = [node for node in tree.nodes if early.get(id(node)) == "timer"]
    if len(timers) != 1 or not _ARCHITECTED.intersection(timers[0].compatible):
        return None
    timer = timers[0]
    parents = list(_interrupt_parents(tree, timer))
    for parent in parents:
        if early.get(id(parent)) == "irqchip" and _lacks_registers(parent):
            return Standstill(
                timer,
                f"reg of {parent.path}, the interrupt controller of {timer.path}, cannot be translated by "
                "the ranges of the nodes above it, so that the timer gets no interrupts and the kernel does "
                "not get as far as its drivers",
                "drivers/irqchip: of_iomap of the controller's first registers",
            )
    answers = NodeAnswers(tree, timer)
    if any(answers(f"interrupts||{index}") is There.YES for index in range(_TIMER_INTERRUPTS)):
        return None
    what = "interrupts" if parents else "interrupt-parent (or that of a node above it), for its interrupts,"
    return Standstill(
        timer,
        f"{what} of {timer.path} cannot be resolved, so that the processor's timer gets none and the kernel "
        "does not get as far as its drivers",
        "drivers/clocksource/arm_arch_timer.c arch_timer_of_init: no interrupt available",
    )


def _interrupt_parents(tree: Tree, node: Node) -> Iterator[Node]:
    """The controller that the interrupts of a node go to."""
    if "interrupts-extended" in node:
        handle = next(iter(node.cells("interrupts-extended")), 0)
        parent = tree.by_phandle.get(handle)
    else:
        parent = interrupt_parent(tree, node)
    if parent is not None:
        yield parent


def _lacks_registers(controller: Node) -> bool:
    return "reg" in controller and address(controller, 0) is There.BROKEN
