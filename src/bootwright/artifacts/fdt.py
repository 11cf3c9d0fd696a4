"""Flattened devicetree blobs (DTB, DTBO): devicetree specification 0.4, chapter 5, structure version 17.

One pass over the structure block, decoded as big-endian words, makes light node objects; property values
stay bytes and get a type only when asked. Positions are found again on demand, so that a parse does not pay
for provenance it does not use.
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Iterator
from pathlib import Path

from bootwright.artifacts.bytesource import ByteSource, FileBytes
from bootwright.foundation.errors import Malformed

MAGIC = 0xD00DFEED
_HEADER = struct.Struct(">10I")
_BEGIN_NODE, _END_NODE, _PROP, _NOP, _END = 1, 2, 3, 4, 9

MAX_SIZE = 16 << 20
"""Bytes. arm64 Linux maps at most 2 MiB (MAX_FDT_SIZE, arch/arm64/include/asm/fixmap.h, 6.12)."""
MAX_DEPTH = 64
"""Nesting that Linux accepts (FDT_MAX_DEPTH, drivers/of/fdt.c, 6.12)."""
MAX_NODES = 200_000


class Node:
    """A devicetree node. `properties` holds the raw value of each; the first of a repeated name counts."""

    __slots__ = ("_path", "children", "name", "offset", "parent", "properties")

    def __init__(self, name: str, parent: Node | None, offset: int) -> None:
        self.name = name
        self.parent = parent
        self.offset = offset
        """Byte offset of the node's FDT_BEGIN_NODE token from the start of the blob."""
        self.properties: dict[str, bytes] = {}
        self.children: list[Node] = []
        self._path: str | None = None

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
        return self.strings("compatible")

    @property
    def enabled(self) -> bool:
        """Whether this node's own `status` lets Linux use it: `okay`, `ok` or absent."""
        status = self.properties.get("status")
        return status is None or status.partition(b"\0")[0] in {b"okay", b"ok"}

    @property
    def available(self) -> bool:
        """Whether this node and all its ancestors are enabled."""
        node: Node | None = self
        while node is not None:
            if not node.enabled:
                return False
            node = node.parent
        return True

    def __contains__(self, name: str) -> bool:
        return name in self.properties

    def strings(self, name: str) -> tuple[str, ...]:
        """A property's NUL-terminated strings; empty when it is not there."""
        value = self.properties.get(name)
        if not value:
            return ()
        return tuple(_text(part) for part in value.rstrip(b"\0").split(b"\0"))

    def string(self, name: str) -> str | None:
        """A property's first string, or None when it is not there."""
        found = self.strings(name)
        return found[0] if found else None

    def cells(self, name: str) -> tuple[int, ...]:
        """A property's big-endian 32-bit cells; trailing bytes that make no whole cell are left out."""
        value = self.properties.get(name)
        if not value:
            return ()
        count = len(value) // 4
        return struct.unpack(f">{count}I", value[: count * 4])

    def cell(self, name: str) -> int | None:
        """A property's first cell, or None when it has none."""
        found = self.cells(name)
        return found[0] if found else None

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


class Tree:
    """A parsed devicetree."""

    def __init__(
        self, name: str, blob: bytes, nodes: list[Node], reservations: list[tuple[int, int]]
    ) -> None:
        self.name = name
        self.blob = blob
        self.nodes = nodes
        """Every node, in the blob's order; the first is the root."""
        self.root = nodes[0]
        self.reservations = reservations
        """(address, size) of each memory reservation block entry, in bytes."""
        self.by_phandle: dict[int, Node] = {}
        for node in nodes:
            value = node.properties.get("phandle") or node.properties.get("linux,phandle")
            if value is not None and len(value) == 4:
                self.by_phandle.setdefault(int.from_bytes(value, "big"), node)
        self._by_path: dict[str, Node] | None = None

    @property
    def compatible(self) -> tuple[str, ...]:
        """The root's compatible strings: the board and its SoC."""
        return self.root.compatible

    @property
    def model(self) -> str | None:
        """The root's `model`."""
        return self.root.string("model")

    def node(self, path: str) -> Node | None:
        """The node at `path`; a path that starts with an alias is followed, as of_find_node_by_path does."""
        if self._by_path is None:
            self._by_path = {}
            for node in self.nodes:
                self._by_path.setdefault(node.path, node)
        path = path.partition(":")[0]
        if not path.startswith("/"):
            alias, slash, rest = path.partition("/")
            target = self.alias(alias)
            if target is None:
                return None
            path = target.path + slash + rest
        return self._by_path.get(path.rstrip("/") or "/")

    def alias(self, name: str) -> Node | None:
        """The node an entry of /aliases names, or None."""
        aliases = self.root.child("aliases")
        value = aliases.string(name) if aliases is not None else None
        return self.node(value) if value is not None and value.startswith("/") else None

    @property
    def symbols(self) -> dict[str, str]:
        """Label → path, from `__symbols__` (present when built with `dtc -@`)."""
        node = self.root.child("__symbols__")
        if node is None:
            return {}
        return {label: _text(value.partition(b"\0")[0]) for label, value in node.properties.items()}

    @property
    def is_overlay(self) -> bool:
        """Whether this is a DTBO: fragments to be applied to a base."""
        return any(child.child("__overlay__") is not None for child in self.root.children)

    def property_offset(self, node: Node, name: str) -> int | None:
        """Byte offset in the blob of a property's FDT_PROP token, for provenance."""
        header = _HEADER.unpack_from(self.blob)
        strings = header[3]
        at = node.offset + 4
        at = _align4(self.blob.index(b"\0", at) + 1)
        while True:
            (token,) = struct.unpack_from(">I", self.blob, at)
            if token == _NOP:
                at += 4
            elif token == _PROP:
                length, name_offset = struct.unpack_from(">2I", self.blob, at + 4)
                start = strings + name_offset
                if _text(self.blob[start : self.blob.index(b"\0", start)]) == name:
                    return at
                at = _align4(at + 12 + length)
            else:
                return None


def read_fdt(source: ByteSource) -> Tree:
    """Parse a DTB or DTBO.

    Raises `Malformed` with the offset and what was expected there: wrong magic, blocks outside the
    blob, an unknown version, tokens out of place, or nesting beyond `MAX_DEPTH`.
    """
    if len(source) < _HEADER.size:
        raise Malformed(source.name, 0, "a devicetree header of 40 bytes", f"{len(source)} bytes")
    header = source.read(0, _HEADER.size)
    (size,) = struct.unpack_from(">I", header, 4)
    if int.from_bytes(header[:4], "big") != MAGIC:
        raise Malformed(source.name, 0, f"devicetree magic {MAGIC:#x}", f"0x{header[:4].hex()}")
    if size > MAX_SIZE:
        raise Malformed(source.name, 4, f"a total size of at most {MAX_SIZE} bytes", str(size))
    return parse_fdt(source.read(0, size), source.name)


def read_fdt_file(path: Path) -> Tree:
    """Parse the DTB or DTBO in a file. Raises `Missing` or `Malformed`."""
    return read_fdt(FileBytes(path))


def parse_fdt(blob: bytes, name: str) -> Tree:
    """Parse a whole blob in memory; see `read_fdt`."""
    if len(blob) < _HEADER.size:
        raise Malformed(name, 0, "a devicetree header of 40 bytes", f"{len(blob)} bytes")
    magic, total, at_struct, at_strings, at_reserve, version, compatible, _, size_strings, size_struct = (
        _HEADER.unpack_from(blob)
    )
    if magic != MAGIC:
        raise Malformed(name, 0, f"devicetree magic {MAGIC:#x}", f"{magic:#x}")
    if not _HEADER.size <= total <= len(blob) or total > MAX_SIZE:
        raise Malformed(name, 4, f"a total size of at most {min(len(blob), MAX_SIZE)} bytes", str(total))
    if compatible > 17 or version < 16:
        raise Malformed(name, 20, "devicetree version 16 or 17", f"{version} (compatible with {compatible})")
    if version == 16:
        size_struct = total - min(at_struct, total)
    if at_struct % 4 or at_struct + size_struct > total:
        raise Malformed(name, 8, "an aligned structure block inside the blob", f"offset {at_struct:#x}")
    if at_strings + size_strings > total:
        raise Malformed(name, 12, "a strings block inside the blob", f"offset {at_strings:#x}")
    reservations = _reservations(blob, at_reserve, total, name)
    nodes = _nodes(blob, at_struct, size_struct, blob[at_strings : at_strings + size_strings], name)
    return Tree(name, blob[:total], nodes, reservations)


def _nodes(blob: bytes, start: int, size: int, strings: bytes, name: str) -> list[Node]:
    words = array("I", blob[start : start + (size & ~3)])
    if sys.byteorder == "little":
        words.byteswap()
    tokens = words.tolist()
    names: dict[int, str] = {}
    nodes: list[Node] = []
    stack: list[Node] = []
    node: Node | None = None
    properties: dict[str, bytes] = {}
    end = start + size
    at = 0
    try:
        while True:
            token = tokens[at]
            if token == _PROP:
                length = tokens[at + 1]
                offset = tokens[at + 2]
                if node is None:
                    raise Malformed(name, start + at * 4, "a node", "a property outside any node")
                key = names.get(offset)
                if key is None:
                    key = names[offset] = _name_at(strings, offset, name, start + at * 4 + 8)
                value_at = start + at * 4 + 12
                if value_at + length > end:
                    raise Malformed(name, start + at * 4 + 4, "a value inside the block", f"{length} bytes")
                if key not in properties:
                    properties[key] = blob[value_at : value_at + length]
                at += 3 + ((length + 3) >> 2)
            elif token == _BEGIN_NODE:
                begins = start + at * 4
                name_end = blob.find(b"\0", begins + 4, end)
                if name_end < 0:
                    raise Malformed(name, begins + 4, "a NUL-terminated node name", "none")
                made = Node(_text(blob[begins + 4 : name_end]), node, begins)
                if node is not None:
                    node.children.append(made)
                elif nodes:
                    raise Malformed(name, begins, "one root node", "a second one")
                if len(stack) >= MAX_DEPTH or len(nodes) >= MAX_NODES:
                    raise Malformed(name, begins, f"at most {MAX_DEPTH} levels and {MAX_NODES} nodes", "more")
                nodes.append(made)
                stack.append(made)
                node, properties = made, made.properties
                at += 1 + ((name_end - begins - 4) >> 2) + 1
            elif token == _END_NODE:
                if not stack:
                    raise Malformed(name, start + at * 4, "FDT_END", "FDT_END_NODE without a node")
                stack.pop()
                node = stack[-1] if stack else None
                properties = node.properties if node is not None else {}
                at += 1
            elif token == _NOP:
                at += 1
            elif token == _END:
                break
            else:
                raise Malformed(name, start + at * 4, "a structure token (1, 2, 3, 4 or 9)", f"{token:#x}")
    except IndexError:
        raise Malformed(name, end, "FDT_END", "the end of the structure block") from None
    if stack or not nodes:
        raise Malformed(name, start + at * 4, "a closed root node", "FDT_END")
    return nodes


def _reservations(blob: bytes, at: int, total: int, name: str) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    while at + 16 <= total and len(found) < 4096:
        address, size = struct.unpack_from(">2Q", blob, at)
        if not address and not size:
            return found
        found.append((address, size))
        at += 16
    raise Malformed(name, at, "the end of the memory reservation block", "the end of the blob")


def _name_at(strings: bytes, offset: int, name: str, at: int) -> str:
    end = strings.find(b"\0", offset)
    if offset >= len(strings) or end < 0:
        raise Malformed(name, at, f"a name in the strings block of {len(strings)} bytes", f"{offset:#x}")
    return sys.intern(_text(strings[offset:end]))


def _text(raw: bytes) -> str:
    return raw.decode("ascii", "backslashreplace")


def _align4(value: int) -> int:
    return (value + 3) & ~3
