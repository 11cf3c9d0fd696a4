"""A board as the text of its file, and a node as its description there."""

from __future__ import annotations

import json
from collections.abc import Iterator

from bootwright.boards.locate import locate
from bootwright.boards.model import Board, Find, Goal
from bootwright.formats.devicetree.fdt import Node, Tree
from bootwright.foundation.knowledge import parse_table
from bootwright.foundation.structure import structure

_KEYS = ("alias", "symbol", "compatible", "node_name", "unit_address", "path")


def described(tree: Tree, node: Node) -> Find:
    """What tells a node from all others, and most likely does in other kernels' devicetrees too.

    What stdout-path names, an alias, the compatible (with the unit address where several have it); a path
    only where nothing else does: paths change from one kernel to the next.
    """
    return next(find for find in _descriptions(tree, node) if locate(tree, (find,)) is node)


def _descriptions(tree: Tree, node: Node) -> Iterator[Find]:
    yield Find(stdout=True)
    aliases = tree.root.child("aliases")
    for name in aliases.properties if aliases is not None else ():
        if tree.alias(name) is node:
            yield Find(alias=name)
    unit = node.name.partition("@")[2] or None
    for compatible in node.compatible:
        if sum(compatible in other.compatible for other in tree.nodes) == 1:
            yield Find(compatible=compatible)
    for compatible in node.compatible:
        yield Find(compatible=compatible, unit_address=unit)
    yield Find(path=node.path)


def board_file(board: Board, tree: Tree, dtb: str) -> str:
    """The text of a file for a board that was made of a devicetree, for a person to edit.

    It reads back as that board, with its goals found by what lasts longer than a path. `dtb` is the
    devicetree's file name.
    """
    lines = [
        f"# Made of {json.dumps(dtb)} by bootwright; docs/boards.md tells what may stand here.",
        "# Take out the goals that nobody needs, and give those left names and notes that help.",
        f"name = {_text(board.name)}",
        f"compatible = [{', '.join(_text(name) for name in board.compatible)}]",
        f"source = {_text(f'the devicetree {dtb}')}",
    ]
    for stepping in board.steppings:
        lines += ["", "[[stepping]]", f"name = {_text(stepping.name)}", f"dtb = {_text(stepping.dtb)}"]
    for goal in board.goals:
        lines += ["", *_goal(goal, tree)]
    text = "\n".join(lines) + "\n"
    structure(parse_table(text.encode(), dtb), Board, dtb, stem=board.id)
    return text


def _goal(goal: Goal, tree: Tree) -> Iterator[str]:
    node = locate(tree, goal.find)
    finds = (described(tree, node),) if node is not None else goal.find
    yield f"[goal.{goal.name}]"
    yield f"find = [{', '.join(_find(find) for find in finds)}]"
    if goal.role not in {"", goal.name}:
        yield f"role = {_text(goal.role)}"
    if goal.boots_from:
        yield "boots_from = true"
    if goal.note:
        yield f"note = {_text(goal.note)}"


def _find(find: Find) -> str:
    pairs = [f"{key} = {_text(value)}" for key in _KEYS if (value := getattr(find, key)) is not None]
    return f"{{ {', '.join([*pairs, *(['stdout = true'] if find.stdout else [])])} }}"


def _text(value: str) -> str:
    """A basic string of TOML, whose escapes are JSON's; it also wants DEL escaped."""
    return json.dumps(value).replace("\x7f", "\\u007f")
