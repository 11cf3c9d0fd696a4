"""Devicetree nodes: what was found in the structure block, with properties read when first asked for.

Properties stay bytes and get a type only when asked, and positions are found again on demand, so that a
parse does not pay for what it does not use.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator

BEGIN_NODE, END_NODE, PROP, NOP, END = 1, 2, 3, 4, 9
"""Tokens of the structure block (devicetree specification 0.4, section 5.4.1)."""

_TOKEN = struct.Struct(">3I").unpack_from


class Block:
    """What a node needs to read its properties when they are first asked for: checked, hence no errors."""

    __slots__ = ("_names", "_strings", "blob")

    def __init__(self, blob: bytes, strings: bytes) -> None:
        """`strings` is the strings block up to its last NUL."""
        self.blob = blob
        self._strings = strings
        self._names: dict[int, str] = {}

    def name(self, offset: int) -> str:
        """The property name at that offset of the strings block."""
        known = self._names.get(offset)
        if known is None:
            raw = self._strings[offset : self._strings.index(b"\0", offset)]
            known = self._names[offset] = sys.intern(text_of(raw))
        return known

    def properties(self, node: int, stop: int) -> dict[str, bytes]:
        """The properties of the node that begins at byte `node`; the last of them ends at byte `stop`."""
        properties: dict[str, bytes] = {}
        blob, names, unpack = self.blob, self._names, _TOKEN
        at = (blob.index(b"\0", node + 4) + 4) & ~3
        while at < stop:
            token, length, offset = unpack(blob, at)
            if token == PROP:
                end = at + 12 + length
                try:
                    name = names[offset]
                except KeyError:
                    name = self.name(offset)
                if name not in properties:
                    properties[name] = blob[at + 12 : end]
                at = (end + 3) & ~3
            else:  # FDT_NOP
                at += 4
        return properties

    def tokens(self, node: int, stop: int) -> Iterator[tuple[int, int]]:
        """Byte offset of each FDT_PROP token of the node that begins at byte `node`, and of the name."""
        at, unpack = (self.blob.index(b"\0", node + 4) + 4) & ~3, _TOKEN
        while at < stop:
            token, length, offset = unpack(self.blob, at)
            if token == PROP:
                yield at, offset
                at += (length + 15) & ~3
            else:
                at += 4


class Node:
    """A devicetree node."""

    __slots__ = (
        "_available",
        "_compatible",
        "_enabled",
        "_path",
        "_properties",
        "block",
        "children",
        "name",
        "offset",
        "parent",
        "stop",
    )

    block: Block | None
    stop: int
    """Where its last property ends, in bytes from the start of the blob; of use with `block` only."""
    _path: str | None
    _properties: dict[str, bytes] | None
    _enabled: bool | None
    """What is asked of every node again and again is kept: a parsed tree does not change."""
    _available: bool | None
    _compatible: tuple[str, ...] | None

    def __init__(self, name: str, parent: Node | None, offset: int) -> None:
        """A node of its own, without properties. The parser fills nodes in itself, which is faster."""
        self.name = name
        self.parent = parent
        self.offset = offset
        """Byte offset of the node's FDT_BEGIN_NODE token from the start of the blob."""
        self.children: list[Node] = []
        self.block = self._path = self._properties = None
        self._enabled = self._available = self._compatible = None

    @property
    def properties(self) -> dict[str, bytes]:
        """Name → raw value of each property that stands before the child nodes, as the specification
        demands; the first of a repeated name counts. Read when first asked for.
        """
        properties = self._properties
        if properties is None:
            properties = {} if self.block is None else self.block.properties(self.offset, self.stop)
            self._properties = properties
        return properties

    @property
    def path(self) -> str:
        """The full path, `/` for the root."""
        if self._path is None:
            if self.parent is None:
                self._path = "/"
            else:
                above = self.parent.path
                self._path = f"/{self.name}" if above == "/" else f"{above}/{self.name}"
        return self._path

    @property
    def compatible(self) -> tuple[str, ...]:
        """The strings of `compatible`, most specific first."""
        compatible = self._compatible
        if compatible is None:
            compatible = self._compatible = self.strings("compatible")
        return compatible

    @property
    def enabled(self) -> bool:
        """Whether this node's own `status` lets Linux use it: `okay`, `ok` or absent."""
        enabled = self._enabled
        if enabled is None:
            status = self.properties.get("status")
            enabled = status is None or status.partition(b"\0")[0] in {b"okay", b"ok"}
            self._enabled = enabled
        return enabled

    @property
    def available(self) -> bool:
        """Whether this node and all its ancestors are enabled."""
        available = self._available
        if available is None:
            available = self.enabled and (self.parent is None or self.parent.available)
            self._available = available
        return available

    def __contains__(self, name: str) -> bool:
        return name in self.properties

    def strings(self, name: str) -> tuple[str, ...]:
        """A property's NUL-terminated strings; empty when it is not there."""
        value = self.properties.get(name)
        if not value:
            return ()
        return tuple(text_of(part) for part in value.rstrip(b"\0").split(b"\0"))

    def string(self, name: str) -> str | None:
        """A property's first string, or None when it is not there."""
        strings = self.strings(name)
        return strings[0] if strings else None

    def cells(self, name: str) -> tuple[int, ...]:
        """A property's big-endian 32-bit cells; trailing bytes that make no whole cell are left out."""
        value = self.properties.get(name)
        if not value:
            return ()
        count = len(value) // 4
        return struct.unpack(f">{count}I", value[: count * 4])

    def cell(self, name: str) -> int | None:
        """A property's first cell, or None when it has none."""
        value = self.properties.get(name)
        if value is None or len(value) < 4:
            return None
        return int.from_bytes(value[:4])

    def child(self, name: str) -> Node | None:
        """The child of that name, with or without its unit address."""
        for child in self.children:
            if child.name == name:
                return child
        for child in self.children:
            if child.name.partition("@")[0] == name:
                return child
        return None

    def walk(self) -> Iterator[Node]:
        """This node and all below it, in the blob's order."""
        stack = [self]
        while stack:
            node = stack.pop()
            yield node
            stack.extend(reversed(node.children))

    def __repr__(self) -> str:
        return f"<Node {self.path}>"


def text_of(raw: bytes) -> str:
    """A name or string; bytes that are not ASCII are escaped."""
    return raw.decode("ascii", "backslashreplace")
