"""What becomes of every node, told: the solved devices, and for every other node why it is none."""

from __future__ import annotations

from bootwright.formats.devicetree.fdt import Node
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
