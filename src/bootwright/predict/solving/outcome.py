"""What becomes of every node, told: the solved devices, and for every other node why it is none."""

from __future__ import annotations

from collections.abc import Iterator

from bootwright.boards.model import boards_of
from bootwright.firmware.parameters import enabling_parameter
from bootwright.formats.devicetree.fdt import Node, Tree
from bootwright.predict.model import Answer, NodePrediction, first_broken
from bootwright.predict.solving.sites import Plan
from bootwright.predict.solving.solver import Record, Solver


def predictions(plan: Plan, solver: Solver, records: dict[int, Record]) -> list[NodePrediction]:
    """One prediction for every node of the tree, in the blob's order."""
    return [_prediction(node, plan, solver, records) for node in plan.tree.nodes]


def _prediction(node: Node, plan: Plan, solver: Solver, records: dict[int, Record]) -> NodePrediction:
    record = records.get(id(node))
    if record is None:
        reason, maker = absence(node, plan)
        waits = (maker.path,) if maker is not None else ()
        return NodePrediction(node.path, Answer.NO, Answer.NO, None, None, None, reason, waits, ())
    links = tuple(solver.links(record))
    broken = first_broken(links)
    driver = next((link for link in links if link.needs.startswith("driver ")), None)
    return NodePrediction(
        path=node.path,
        device=links[0].answer,
        bound=record.answer,
        bus=record.site.bus,
        driver=driver.needs.removeprefix("driver ") if driver is not None else None,
        where=driver.because.where.partition(": ")[2] if driver is not None else None,
        reason="" if broken is None else broken.reason,
        waits_for=tuple(
            dict.fromkeys(
                link.waits_for for link in links if link.answer is not Answer.YES and link.waits_for
            )
        ),
        links=links,
    )


def absence(node: Node, plan: Plan) -> tuple[str, Node | None]:
    """Why a node is no device, and the node that would have to make it one."""
    current: Node | None = node
    while current is not None:
        absent = plan.absent.get(id(current))
        if absent is not None:
            reason, maker = absent
            return (reason, maker) if current is node else (f"{current.path}: {reason}", maker or current)
        if plan.of(current) is not None:
            return f"the driver of {current.path} makes no device of it", current
        current = current.parent
    return "nothing in the kernel makes a device of it", None


def remedy(node: Node, tree: Tree) -> str:
    """What makes a device of a node that is none.

    Where a firmware that reads config.txt brings the devicetree, and a parameter of it enables it, that.
    """
    off = next((above for above in _upward(node) if not above.enabled), None)
    if off is not None and any(board.firmware_models for board in boards_of(tree.compatible)):
        parameter = enabling_parameter(tree, off)
        if parameter is not None:
            return f"add the line dtparam={parameter} to config.txt: without it {off.name} is off"
    return "use a devicetree in which it is enabled and below a bus that this kernel populates"


def _upward(node: Node) -> Iterator[Node]:
    current: Node | None = node
    while current is not None:
        yield current
        current = current.parent
