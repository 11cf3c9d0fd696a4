"""A board without a file: its goals made from the devicetree and the kernel's match tables."""

from __future__ import annotations

import re

from bootwright.boards.model import Board, Find, Goal, Stepping
from bootwright.boards.role import ROLES, Role, roles
from bootwright.formats.devicetree.fdt import Node, Tree
from bootwright.foundation.errors import Refused
from bootwright.predict.roles.graph import display_parts
from bootwright.predict.roles.recognise import recognise
from bootwright.predict.solving.prediction import Prediction

ONLY = "any"
"""Name of the only stepping of a board without a file."""
_SOURCE = "the devicetree and the kernel's match tables"


def made_board(prediction: Prediction, dtb: str) -> Board:
    """The board that a devicetree describes, with a goal for each node that has a role.

    `dtb` is the devicetree's file name. The first goal of a role has its name (`ethernet`), those after it
    are numbered (`ethernet-2`). Raises `Refused` for a devicetree without a board's compatible, or without
    any node that has a role.
    """
    tree = prediction.tree
    if not tree.compatible:
        raise Refused(
            f"{tree.name}: the root has no compatible, so that it is no board's",
            hint="give the devicetree that Linux gets, not a part of it",
        )
    nodes = recognise(prediction)
    goals: list[Goal] = []
    for role in roles():
        standing = nodes.get(role.id, ())
        if role.graph:
            standing = _one_each(prediction, role, standing)
        for number, node in enumerate(standing, 1):
            goals.append(
                Goal(
                    name=role.id if number == 1 else f"{role.id}-{number}",
                    find=(Find(path=node.path),),
                    boots_from=role.boots_from,
                    role=role.id,
                    note=role.title,
                )
            )
    if not goals:
        raise Refused(
            f"{tree.name}: no enabled node has a role: nothing that could be a goal is described in it",
            hint=f"roles: {', '.join(ROLES.names())}; bootwright predict says what becomes of its nodes",
        )
    return Board(
        id=board_id(tree),
        name=tree.model or tree.compatible[0],
        compatible=tree.compatible,
        source=_SOURCE,
        steppings=(Stepping(ONLY, dtb),),
        goals=tuple(goals),
    )


def board_id(tree: Tree) -> str:
    """The name that a board's file would have: its compatible without what a file name cannot have."""
    return re.sub(r"[^a-z0-9.]+", "-", tree.compatible[0].lower()).strip("-.") or "board"


def _one_each(prediction: Prediction, role: Role, nodes: tuple[Node, ...]) -> tuple[Node, ...]:
    """One of the nodes that a graph joins, the first."""
    kept: list[Node] = []
    joined: set[int] = set()
    for node in nodes:
        if id(node) not in joined:
            kept.append(node)
            joined |= {id(other) for other in display_parts(prediction, role, node)}
    return tuple(kept)
