"""Devicetree blobs and overlays."""

from __future__ import annotations

from bootwright.formats.devicetree.fdt import read_fdt
from bootwright.formats.sources.bytesource import ByteSource
from bootwright.inspect.facts import Fact, Item, ItemKind, Origin, facts_at
from bootwright.inspect.format import Context, Format

_DEVICETREE_WEIGHT = 16


def devicetree(explorer: Context, source: ByteSource, name: str, depth: int) -> Item:  # noqa: ARG001
    """A DTB or a DTBO. The parsed tree is not kept: a package has more than a thousand of them."""
    explorer.spend(source.size * _DEVICETREE_WEIGHT)
    tree = read_fdt(source)
    origin = Origin(source.name, 0, source.size)
    facts: list[Fact] = []
    for property_name, value in (("model", tree.model), ("compatible", list(tree.compatible))):
        if value:
            place = Origin(source.name, tree.property_offset(tree.root, property_name))
            facts.append(Fact(property_name, value, place))
    facts += facts_at(origin, {"nodes": len(tree.nodes), "symbols": bool(tree.symbols) or None})
    kind = ItemKind.OVERLAY if tree.is_overlay else ItemKind.DEVICETREE
    return Item(kind, name, origin, tuple(facts), source=source)


def _matches(source: ByteSource, head: bytes) -> bool:  # noqa: ARG001
    return head[:4] == b"\xd0\x0d\xfe\xed"


FORMAT = Format(
    name="devicetree",
    title="flattened devicetree",
    documentation="devicetree specification 0.4, chapter 5, structure version 17",
    limits="versions before 17 are not read",
    describe=devicetree,
    matches=_matches,
    order=20,
    names=(r".*\.dtbo?",),
    name_order=90,
    fits=frozenset({ItemKind.DEVICETREE, ItemKind.OVERLAY}),
)
