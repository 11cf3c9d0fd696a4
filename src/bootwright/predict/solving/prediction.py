"""One devicetree under one kernel, solved."""

from __future__ import annotations

from functools import cached_property

from attrs import define, field

from bootwright.formats.devicetree.fdt import Node, Tree
from bootwright.predict.kernel.drivers import KernelFacts
from bootwright.predict.model import NodePrediction
from bootwright.predict.rules.knowledge import Knowledge
from bootwright.predict.rules.predicates import Surroundings
from bootwright.predict.solving.outcome import predictions
from bootwright.predict.solving.sites import Plan
from bootwright.predict.solving.solver import Record, Solver


@define(eq=False, slots=False)
class Prediction:
    """One devicetree under one kernel, solved."""

    tree: Tree
    kernel: KernelFacts
    around: Surroundings
    plan: Plan
    solver: Solver
    records: dict[int, Record]
    known: Knowledge
    _nodes: list[NodePrediction] | None = field(default=None, init=False)

    @property
    def nodes(self) -> list[NodePrediction]:
        """A prediction for every node."""
        if self._nodes is None:
            self._nodes = predictions(self.plan, self.solver, self.records)
        return self._nodes

    @cached_property
    def by_path(self) -> dict[str, Record]:
        """Every device's record, by its node's path."""
        return {record.site.node.path: record for record in self.records.values()}

    def record(self, node: Node) -> Record | None:
        """The solved device of a node, or None where it is none."""
        return self.records.get(id(node))
