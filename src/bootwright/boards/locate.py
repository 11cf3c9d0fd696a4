"""Finding a board's nodes in a devicetree."""

from __future__ import annotations

from collections.abc import Iterable

from bootwright.boards.model import Board, Find
from bootwright.formats.devicetree.fdt import Node, Tree


def locate(tree: Tree, wanted: Iterable[Find]) -> Node | None:
    """The first node that one of the descriptions fits, an enabled one if there is any."""
    disabled: Node | None = None
    for find in wanted:
        for node in _found(tree, find):
            if node.available:
                return node
            disabled = disabled or node
    return disabled


def functions(tree: Tree, board: Board) -> tuple[tuple[Node, int, int], ...]:
    """(host node, vendor, device) of the PCI functions soldered to the board, where the host is found."""
    functions = []
    for function in board.functions:
        host = locate(tree, function.host)
        if host is not None:
            functions.append((host, function.id.vendor, function.id.device))
    return tuple(functions)


def _found(tree: Tree, find: Find) -> list[Node]:
    if find.alias is not None:
        node = tree.alias(find.alias)
        return [node] if node is not None and _fits(node, find) else []
    if find.symbol is not None:
        path = tree.symbols.get(find.symbol)
        node = tree.node(path) if path is not None else None
        return [node] if node is not None and _fits(node, find) else []
    if find.path is not None:
        node = tree.node(find.path)
        return [node] if node is not None and _fits(node, find) else []
    if find.stdout:
        chosen = tree.root.child("chosen")
        path = chosen.string("stdout-path") if chosen is not None else None
        node = tree.node(path) if path else None
        return [node] if node is not None else []
    return [node for node in tree.nodes if _fits(node, find)]


def _fits(node: Node, find: Find) -> bool:
    name, _, address = node.name.partition("@")
    return (
        (find.compatible is None or find.compatible in node.compatible)
        and (find.node_name is None or find.node_name in {name, node.name})
        and (find.unit_address is None or find.unit_address == address)
    )
