"""Overlays as the Raspberry Pi's firmware merges them.

Raspberry Pi documentation, "Device Trees, overlays, and parameters", 2.1, 2.3 and 2.4, and dtmerge
(raspberrypi/utils, June 2026). It differs from libfdt, which U-Boot and GRUB use: references are resolved
before parameters are set, fragments that target the overlay itself come first, labels stay private unless
`__exports__` lists them, `bootargs` is appended to, and a label on `__overlay__` gives its target no phandle.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import PurePosixPath

from bootwright.formats.devicetree.fdt import MAX_DEPTH, MAX_NODES, MAX_SIZE, Tree
from bootwright.formats.devicetree.writer import Draft, DraftTree
from bootwright.foundation.errors import Malformed

_PHANDLES = ("phandle", "linux,phandle")
_PRESERVE = "dtoverlay,preserve-phandle"
_MAX_PLACES = 1 << 16
"""References of one overlay that are followed."""


def resolve(base: DraftTree, overlay: Tree) -> DraftTree:
    """An overlay whose references to the base, and to itself, are phandles as they will be in the base.

    Nodes of the base that it refers to are given phandles where they have none. Raises `Malformed` for what
    is no overlay, a label that the base does not have, or tables that point nowhere.
    """
    if not overlay.is_overlay and overlay.root.child("__overrides__") is None:
        raise Malformed(overlay.name, None, "a devicetree overlay", "a devicetree without fragments")
    draft = DraftTree(overlay)
    _refer_to_base(base, draft)
    raised = base.highest_phandle
    _raise_own(draft, raised)
    return DraftTree(overlay, draft.root)


def merge(base: DraftTree, overlay: DraftTree) -> DraftTree:
    """The base with a resolved overlay in it, as a tree of its own; `base` stays as it is.

    Raises `Malformed` for a fragment whose target the base does not have, and where the tree would outgrow
    what Linux takes.
    """
    overlay = overlay.copy()
    merged = base.copy()
    _keep_exported(overlay)
    for fragment, inner in _active(overlay):
        target = _own_target(overlay, fragment)
        if target is not None:
            _merge_node(overlay, target, inner, top=True)
            inner.name = "__dormant__"
    for fragment, inner in _active(overlay):
        target = _target(merged, overlay, fragment)
        if target.name == "aliases":
            _copy_paths(merged, overlay, inner, target)
        else:
            _merge_node(merged, target, inner, top=True)
    symbols, own = merged.root.child("__symbols__"), overlay.root.child("__symbols__")
    if symbols is not None and own is not None:
        _copy_paths(merged, overlay, own, symbols)
    _check_size(merged)
    return merged


def _refer_to_base(base: DraftTree, overlay: DraftTree) -> None:
    """Put the base's phandles where `__fixups__` says that its labels are meant."""
    table = overlay.root.child("__fixups__")
    wanted = table.properties if table is not None else {}
    symbols = base.root.child("__symbols__")
    labels = symbols.properties if symbols is not None else {}
    absent = [label for label in wanted if not label.startswith("/") and label not in labels]
    if absent:
        raise Malformed(
            base.name,
            None,
            f"the labels that {PurePosixPath(overlay.name).name} refers to",
            f"no label {', '.join(sorted(absent)[:4])}",
            hint="overlays that name labels need a base with __symbols__ (dtc -@), for the same board",
        )
    places = 0
    for label, raw in wanted.items():
        path = label
        if not label.startswith("/"):
            path = labels[label].partition(b"\0")[0].decode("utf-8", "surrogateescape")
        node = base.node(path) if path else None
        if node is None:
            raise Malformed(base.name, None, f"the node of the label {label}", f"none at {path!r}")
        if not node.phandle:
            for name in _PHANDLES:
                node.properties.pop(name, None)
            node.properties["phandle"] = struct.pack(">I", base.highest_phandle + 1)
            base.index(node)
        for place in filter(None, raw.split(b"\0")):
            places += 1
            if places > _MAX_PLACES:
                raise Malformed(overlay.name, None, f"at most {_MAX_PLACES} references", "more")
            owner, name, at = _place(overlay, place)
            _patch(overlay, owner, name, at, node.phandle, relative=False)


def _raise_own(overlay: DraftTree, by: int) -> None:
    """Raise the overlay's own phandles, and its references to them, above those of the base."""
    for node in overlay.root.walk():
        for name in _PHANDLES:
            if name in node.properties:
                _patch(overlay, node, name, 0, by, relative=True)
    table = overlay.root.child("__local_fixups__")
    if table is None:
        return
    if "fixup" in table.properties:  # as overlays had it before dtc knew of them
        for place in filter(None, table.properties["fixup"].split(b"\0")):
            owner, name, at = _place(overlay, place)
            _patch(overlay, owner, name, at, by, relative=True)
        return
    places = 0
    stack = [(table, overlay.root)]
    while stack:
        listed, owner = stack.pop()
        for name, offsets in listed.properties.items():
            places += len(offsets) // 4
            if places > _MAX_PLACES:
                raise Malformed(overlay.name, None, f"at most {_MAX_PLACES} references", "more")
            for (at,) in struct.iter_unpack(">I", offsets[: len(offsets) // 4 * 4]):
                _patch(overlay, owner, name, at, by, relative=True)
        for child in listed.children:
            inner = owner.child(child.name)
            if inner is None:
                raise Malformed(overlay.name, None, f"the node {child.name} of __local_fixups__", "none")
            stack.append((child, inner))


def _place(overlay: DraftTree, place: bytes) -> tuple[Draft, str, int]:
    """The cell that `path:property:offset` names."""
    parts = place.decode("utf-8", "surrogateescape").rsplit(":", 2)
    node = overlay.node(parts[0]) if len(parts) == 3 and parts[0].startswith("/") else None
    if node is None or not (parts[2].isascii() and parts[2].isdecimal() and len(parts[2]) < 10):
        raise Malformed(overlay.name, None, "references as path:property:offset", repr(place[:60]))
    return node, parts[1], int(parts[2])


def _patch(overlay: DraftTree, node: Draft, name: str, at: int, value: int, *, relative: bool) -> None:
    raw = bytearray(node.properties.get(name, b""))
    if at + 4 > len(raw):
        raise Malformed(
            overlay.name, None, f"a cell at byte {at} of {name} of {node.name or '/'}", f"{len(raw)} bytes"
        )
    before = int.from_bytes(raw[at : at + 4], "big") if relative else 0
    raw[at : at + 4] = ((before + value) & 0xFFFFFFFF).to_bytes(4, "big")
    node.properties[name] = bytes(raw)


def _keep_exported(overlay: DraftTree) -> None:
    """Take out the labels that the overlay keeps to itself."""
    symbols, exports = overlay.root.child("__symbols__"), overlay.root.child("__exports__")
    if symbols is not None:
        public = exports.properties if exports is not None else {}
        symbols.properties = {key: raw for key, raw in symbols.properties.items() if key in public}


def _active(overlay: DraftTree) -> Iterator[tuple[Draft, Draft]]:
    """Each fragment that is switched on, and what it merges."""
    for node in list(overlay.root.children):
        if node.name.startswith(("fragment@", "fragment-")):
            inner = node.child("__overlay__")
            if inner is not None:
                yield node, inner


def _own_target(overlay: DraftTree, fragment: Draft) -> Draft | None:
    """The node of the overlay itself that a fragment targets, None where it targets the base."""
    if "target-path" in fragment.properties:
        return None
    raw = fragment.properties.get("target", b"")
    return overlay.phandles.get(int.from_bytes(raw, "big")) if len(raw) == 4 else None


def _target(base: DraftTree, overlay: DraftTree, fragment: Draft) -> Draft:
    path = fragment.string("target-path")
    if path is not None:
        node, what = base.node(path) if path else None, f"the path {path!r}"
    else:
        raw = fragment.properties.get("target", b"")
        phandle = int.from_bytes(raw, "big") if len(raw) == 4 else 0
        node, what = base.phandles.get(phandle), f"phandle {phandle:#x}"
    if node is None:
        raise Malformed(
            base.name,
            None,
            f"the target of {fragment.name} of {PurePosixPath(overlay.name).name}",
            f"nothing at {what}",
        )
    return node


def _merge_node(tree: DraftTree, target: Draft, source: Draft, *, top: bool) -> None:
    """Put properties and nodes of `source` over those of `target`, which is in `tree`.

    The source may be above the target (a fragment that targets a part of itself): it is copied first.
    """
    stack = [(target, source.copy(), top, 0)]
    while stack:
        into, out, first, depth = stack.pop()
        if depth > MAX_DEPTH:
            raise Malformed(tree.name, None, f"at most {MAX_DEPTH} levels", "more")
        skipped = {"name", _PRESERVE}
        if first and _PRESERVE not in out.properties:
            skipped.update(_PHANDLES)
        for name, value in out.properties.items():
            before = into.properties.get(name, b"")
            if name in skipped:
                continue
            if name == "bootargs" and before[:1].strip(b"\0"):
                value = before[:-1] + b" " + value
            into.properties[name] = value
        tree.index(into)
        for child in out.children:
            inner = into.child(child.name)
            if inner is None:
                inner = Draft(child.name)
                into.children.append(inner)
            stack.append((inner, child, False, depth + 1))


def _copy_paths(base: DraftTree, overlay: DraftTree, source: Draft, target: Draft) -> None:
    """Copy paths (labels, aliases); those into a fragment become paths below that fragment's target."""
    for name, raw in source.properties.items():
        path = raw.partition(b"\0")[0].decode("utf-8", "surrogateescape")
        parts = path.split("/", 3)
        if len(parts) >= 3 and not parts[0] and parts[2] == "__overlay__":
            fragment = overlay.root.child(parts[1])
            if fragment is None:
                continue
            above = base.path(_target(base, overlay, fragment)).rstrip("/")
            rest = f"/{parts[3]}" if len(parts) == 4 else ""
            raw = (above + rest or "/").encode("utf-8", "surrogateescape") + b"\0"
        target.properties[name] = raw


def _check_size(tree: DraftTree) -> None:
    """Bound what many overlays can add up to."""
    nodes = size = 0
    stack = [(tree.root, 0)]
    while stack:
        node, depth = stack.pop()
        nodes += 1
        size += sum(map(len, node.properties.values())) + 12 * len(node.properties)
        if depth >= MAX_DEPTH or nodes > MAX_NODES or size > MAX_SIZE:
            raise Malformed(
                tree.name,
                None,
                f"at most {MAX_DEPTH} levels, {MAX_NODES} nodes and {MAX_SIZE} bytes with its overlays",
                "more",
            )
        stack.extend((child, depth + 1) for child in node.children)
