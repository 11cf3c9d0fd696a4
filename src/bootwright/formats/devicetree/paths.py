"""What in an overlay names places of itself by path: `__fixups__`, `__local_fixups__`, `__symbols__`.

Whoever renames a node or moves a reference must keep these right (dtc, Documentation/dt-object-internal.txt).
"""

from __future__ import annotations

import struct

from bootwright.formats.devicetree.fdt import Node, Tree


class Paths:
    """The tables of one tree, which may be changed."""

    def __init__(self, tree: Tree) -> None:
        self._root = tree.root

    def label_at(self, place: str) -> str | None:
        """The label that the cell at `path:property:offset` refers to outside of the overlay."""
        fixups = self._root.child("__fixups__")
        for label, raw in fixups.properties.items() if fixups is not None else ():
            if place.encode() in raw.split(b"\0"):
                return label
        return None

    def refer(self, node: Node, name: str, at: int, like: str) -> None:
        """Make the cell at `at` of a property a reference of the kind that the cell at `like` is, or none."""
        here = f"{_path(node)}:{name}:{at}"
        fixups = self._root.child("__fixups__")
        if fixups is not None:
            for label, raw in fixups.properties.items():
                places = [one for one in raw.split(b"\0") if one and one != here.encode()]
                if like.encode() in places:
                    places.append(here.encode())
                fixups.properties[label] = b"".join(one + b"\0" for one in places)
            for label in [label for label, raw in fixups.properties.items() if not raw]:
                del fixups.properties[label]
        path, source, offset = like.rsplit(":", 2)
        if int(offset) in self._local(path, source):
            self._set_local(_path(node), name, {*self._local(_path(node), name), at})
        elif at in self._local(_path(node), name):
            self._set_local(_path(node), name, self._local(_path(node), name) - {at})

    def rename(self, node: Node, name: str) -> None:
        """Give a node another name, in everything that names it."""
        before = _path(node)
        twin = self._at(before, local=True)
        if twin is not None:
            twin.name = name
        node.name = name
        after = _path(node)
        for table in ("__fixups__", "__symbols__", "aliases"):
            found = self._root.child(table)
            if found is None:
                continue
            for key, raw in found.properties.items():
                places = raw.split(b"\0")
                moved = [_moved(one, before.encode(), after.encode()) for one in places]
                found.properties[key] = b"\0".join(moved)

    def _local(self, path: str, name: str) -> set[int]:
        node = self._at(path, local=True)
        raw = node.properties.get(name, b"") if node is not None else b""
        return set(struct.unpack(f">{len(raw) // 4}I", raw[: len(raw) // 4 * 4]))

    def _set_local(self, path: str, name: str, offsets: set[int]) -> None:
        table = self._root.child("__local_fixups__")
        if table is None:
            table = Node("__local_fixups__", self._root, 0)
            self._root.children.append(table)
        node = table
        for part in [part for part in path.split("/") if part]:
            inner = next((child for child in node.children if child.name == part), None)
            if inner is None:
                inner = Node(part, node, 0)
                node.children.append(inner)
            node = inner
        node.properties[name] = struct.pack(f">{len(offsets)}I", *sorted(offsets))

    def _at(self, path: str, *, local: bool) -> Node | None:
        node = self._root.child("__local_fixups__") if local else self._root
        for part in [part for part in path.split("/") if part]:
            node = next((child for child in node.children if child.name == part), None) if node else None
        return node


def _path(node: Node) -> str:
    """Like `Node.path`, which is kept from before a change."""
    names: list[str] = []
    current: Node | None = node
    while current is not None and current.parent is not None:
        names.append(current.name)
        current = current.parent
    return "/" + "/".join(reversed(names))


def _moved(place: bytes, before: bytes, after: bytes) -> bytes:
    if place == before or place.startswith((before + b"/", before + b":")):
        return after + place[len(before) :]
    return place
