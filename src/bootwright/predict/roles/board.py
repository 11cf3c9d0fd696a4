"""A board without a file: its goals made from the devicetree and the kernel's match tables."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from attrs import evolve

from bootwright.boards.locate import functions, locate
from bootwright.boards.model import ONLY, Board, Find, Goal, Stepping
from bootwright.boards.role import ROLES, Role, roles
from bootwright.formats.devicetree.fdt import Node, Tree
from bootwright.foundation.errors import Refused
from bootwright.predict.roles.graph import display_parts
from bootwright.predict.roles.recognise import recognise
from bootwright.predict.solving.prediction import Prediction

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
    goals = tuple(_goals(prediction))
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
        goals=goals,
    )


def with_made_goals(prediction: Prediction, board: Board) -> Board:
    """A board that has a file, with goals for the roles that the file does not name besides.

    A node that the file's goals or PCI functions are about already stands for nothing else.
    """
    tree = prediction.tree
    taken = {id(locate(tree, goal.find)) for goal in board.goals}
    taken |= {id(host) for host, _, _ in functions(tree, board)}
    named = {goal.kind for goal in board.goals}
    made = (goal for goal in _goals(prediction, taken) if goal.kind not in named)
    return evolve(board, goals=(*board.goals, *made))


def _goals(prediction: Prediction, taken: Collection[int] = ()) -> Iterator[Goal]:
    """A goal for each node that has a role, but for those `taken`, by their `id`."""
    nodes = recognise(prediction)
    for role in roles():
        standing = tuple(node for node in nodes.get(role.id, ()) if id(node) not in taken)
        if role.graph:
            standing = _one_each(prediction, role, standing)
        for number, node in enumerate(standing, 1):
            yield Goal(
                name=role.id if number == 1 else f"{role.id}-{number}",
                find=(Find(path=node.path),),
                boots_from=role.boots_from,
                role=role.id,
                note=role.title,
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
