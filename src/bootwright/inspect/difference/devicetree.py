"""Differences of devicetrees: nodes and properties, with phandles taken for what they point to."""

from __future__ import annotations

import fnmatch
import struct
from collections.abc import Iterator

from bootwright.formats.devicetree.fdt import Node, Tree, read_fdt
from bootwright.formats.devicetree.phandle_lists import references
from bootwright.foundation.errors import BootwrightError
from bootwright.inspect.difference.model import Area, Comparison, Difference, Placed, Side, pairs
from bootwright.inspect.facts import ItemKind, Origin

_NUMBERING = frozenset({"phandle", "linux,phandle"})
_SKIPPED = frozenset({"__symbols__", "__fixups__", "__local_fixups__"})
"""Nodes that repeat, as paths and offsets, what the others say."""

_LONGEST = 160
"""Characters of a value that are shown."""


def devicetrees(before: Side, after: Side) -> Iterator[Difference]:
    """Every DTB and overlay that is wanted: gained, lost, or what in it differs."""
    kinds = (ItemKind.DEVICETREE, ItemKind.OVERLAY)
    matched, lost, gained = pairs(_wanted(before, kinds), _wanted(after, kinds))
    for placed in lost:
        yield Difference(Area.DEVICETREE, placed.place, _title(placed), None, placed.item.origin)
    for new_part in gained:
        yield Difference(Area.DEVICETREE, new_part.place, None, _title(new_part), None, new_part.item.origin)
    for old, new in matched:
        yield from _compare(old, new)


def _wanted(side: Side, kinds: tuple[ItemKind, ...]) -> list[Placed]:
    """A package has more than a thousand; `Side.dtbs` chooses among them."""
    places = side.of_kind(*kinds)
    if not side.dtbs:
        return places
    return [
        placed
        for placed in places
        if any(fnmatch.fnmatchcase(placed.item.name.rpartition("/")[2], pattern) for pattern in side.dtbs)
    ]


def _title(placed: Placed) -> str:
    return str(placed.item.fact("model") or placed.item.kind)


def _compare(old: Placed, new: Placed) -> Iterator[Difference]:
    byte_source, other = old.item.source, new.item.source
    if byte_source is None or other is None:
        return
    if byte_source.size == other.size and byte_source.read(0, byte_source.size) == other.read(0, other.size):
        return
    try:
        before, after = read_fdt(byte_source), read_fdt(other)
    except BootwrightError:
        return  # told as a problem of that artifact
    yield from compare_trees(before, after, old.item, new.item, name=new.place.rpartition("/")[2])


def compare_trees(before: Tree, after: Tree, old: object, new: object, *, name: str) -> Iterator[Difference]:
    """Nodes and properties that differ, in the order of the second tree; a lost or gained node stands for
    all below it.
    """
    where = [getattr(item, "origin", None) for item in (old, new)]
    old_nodes, other = _nodes(before), _nodes(after)
    for path, node in old_nodes.items():
        if path not in other and _parent(path) in other:
            yield Difference(
                Area.DEVICETREE, f"{name}: {path}", _node(node), None, _at(where[0], node), where[1]
            )
    for path, node in other.items():
        if path not in old_nodes:
            if _parent(path) in old_nodes:
                yield Difference(
                    Area.DEVICETREE, f"{name}: {path}", None, _node(node), where[0], _at(where[1], node)
                )
            continue
        was = old_nodes[path]
        for key in [*was.properties, *(prop for prop in node.properties if prop not in was.properties)]:
            if key in _NUMBERING or _same(was, node, key, before, after):
                continue
            yield Difference(
                Area.DEVICETREE,
                f"{name}: {path}: {key}",
                _value(was, key, before),
                _value(node, key, after),
                _at(where[0], was),
                _at(where[1], node),
            )


def _nodes(tree: Tree) -> dict[str, Node]:
    skipped = {child for name in _SKIPPED if (child := tree.root.child(name)) is not None}
    nodes: dict[str, Node] = {}
    pending = [tree.root]
    while pending:
        node = pending.pop()
        if node in skipped:
            continue
        nodes.setdefault(node.path, node)
        pending.extend(reversed(node.children))
    return nodes


def _parent(path: str) -> str:
    return path.rpartition("/")[0] or "/"


def _at(origin: Origin | None, node: Node) -> Origin | None:
    return Origin(origin.where, node.offset) if origin is not None else None


def _node(node: Node) -> str:
    below = sum(1 for _ in node.walk()) - 1
    text = ", ".join(node.compatible) or "node"
    return f"{text} (and {below} below)" if below else text


def _same(node: Node, other: Node, key: str, before: Tree, after: Tree) -> bool:
    """Whether two values mean the same: phandles are numbered anew in every build."""
    left, right = node.properties.get(key), other.properties.get(key)
    if left is None or right is None:
        return left is right
    targets, others = references(node, key, before), references(other, key, after)
    if targets is not None and others is not None:
        return targets == others
    if left == right:
        return True
    if len(left) != len(right) or len(left) % 4:
        return False
    # Maps and lists that are not taken apart: cells that differ must point to the same place.
    form = f">{len(left) // 4}I"
    return all(
        cell == counterpart or _same_target(cell, counterpart, before, after)
        for cell, counterpart in zip(struct.unpack(form, left), struct.unpack(form, right), strict=True)
    )


def _same_target(left: int, right: int, before: Tree, after: Tree) -> bool:
    node, other = before.by_phandle.get(left), after.by_phandle.get(right)
    return node is not None and other is not None and node.path == other.path


def _value(node: Node, key: str, tree: Tree) -> str | None:
    raw = node.properties.get(key)
    if raw is None:
        return None
    if not raw:
        return "(present)"
    targets = references(node, key, tree)
    text = _strings(raw) if targets is None else None
    if targets is not None:
        text = (
            "<"
            + " ".join(f"&{target}" if isinstance(target, str) else f"{target:#x}" for target in targets)
            + ">"
        )
    elif text is None and len(raw) % 4 == 0:
        cells = struct.unpack(f">{len(raw) // 4}I", raw)
        text = "<" + " ".join(f"{cell:#x}" for cell in cells) + ">"
    if text is None:
        text = f"[{raw.hex(' ')}]"
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _strings(raw: bytes) -> str | None:
    """The value as strings, where it reads as such."""
    if raw[-1:] != b"\0" or raw.startswith(b"\0") or b"\0\0" in raw:
        return None
    if any((byte < 0x20 and byte != 0) or byte > 0x7E for byte in raw):
        return None
    return ", ".join(f'"{part.decode()}"' for part in raw[:-1].split(b"\0"))


COMPARISONS: tuple[Comparison, ...] = (devicetrees,)
