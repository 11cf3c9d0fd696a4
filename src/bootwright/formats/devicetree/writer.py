"""Devicetree blobs written: structure version 17 (devicetree specification 0.4, chapter 5)."""

from __future__ import annotations

import struct

from bootwright.formats.devicetree.fdt import MAGIC, Node, Tree

_HEADER_SIZE = 40
_BEGIN_NODE, _END_NODE, _PROP, _END = 1, 2, 3, 9


def write_fdt(tree: Tree) -> bytes:
    """The blob of a tree whose nodes may have been changed: names, properties, children."""
    names: dict[str, int] = {}
    strings = bytearray()
    body = bytearray()
    stack: list[Node | None] = [tree.root]
    while stack:
        node = stack.pop()
        if node is None:
            body += struct.pack(">I", _END_NODE)
            continue
        body += struct.pack(">I", _BEGIN_NODE) + _padded(node.name.encode("ascii", "replace") + b"\0")
        for name, value in node.properties.items():
            at = names.get(name)
            if at is None:
                at = names[name] = len(strings)
                strings += name.encode("ascii", "replace") + b"\0"
            body += struct.pack(">3I", _PROP, len(value), at) + _padded(value)
        stack.append(None)
        stack.extend(reversed(node.children))
    body += struct.pack(">I", _END)
    reserved = b"".join(struct.pack(">2Q", *entry) for entry in (*tree.reservations, (0, 0)))
    at_struct = _HEADER_SIZE + len(reserved)
    at_strings = at_struct + len(body)
    head = (MAGIC, at_strings + len(strings), at_struct, at_strings, _HEADER_SIZE, 17, 16, 0)
    header = struct.pack(">10I", *head, len(strings), len(body))
    return header + reserved + bytes(body) + bytes(strings)


def _padded(value: bytes) -> bytes:
    return value + bytes(-len(value) % 4)
