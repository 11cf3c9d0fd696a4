"""Flattened devicetree blobs (DTB, DTBO): devicetree specification 0.4, chapter 5, structure version 17.

One pass over the structure block, decoded as big-endian words, checks it and makes light node objects;
properties are read when a node is first asked for them, stay bytes, and get a type only when asked. Positions
are found again on demand, so that a parse does not pay for provenance it does not use.
"""

from __future__ import annotations

import gc
import struct
import sys
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

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


class _Block:
    """What a node needs to read its properties when they are first asked for: checked, hence no errors."""

    __slots__ = ("blob", "names", "start", "strings", "tokens")

    def __init__(self, blob: bytes, start: int, strings: bytes, tokens: array[int]) -> None:
        self.blob = blob
        self.start = start
        self.strings = strings
        self.tokens = tokens
        self.names: dict[int, str] = {}

    def properties(self, at: int) -> dict[str, bytes]:
        """The properties of the node whose first token after its name is the one at index `at`."""
        found: dict[str, bytes] = {}
        tokens, names, blob, start = self.tokens, self.names, self.blob, self.start + 12
        while True:
            token = tokens[at]
            if token == _PROP:
                length = tokens[at + 1]
                offset = tokens[at + 2]
                key = names.get(offset)
                if key is None:
                    raw = self.strings[offset : self.strings.index(b"\0", offset)]
                    key = names[offset] = sys.intern(raw.decode("ascii", "backslashreplace"))
                if key not in found:
                    value_at = start + at * 4
                    found[key] = blob[value_at : value_at + length]
                at += 3 + ((length + 3) >> 2)
            elif token == _NOP:
                at += 1
            else:
                return found


class Node:
    """A devicetree node."""

    __slots__ = ("_block", "_first", "_path", "_properties", "children", "name", "offset", "parent")

    def __init__(
        self, name: str, parent: Node | None, offset: int, block: _Block | None = None, first: int = 0
    ) -> None:
        self._block = block
        self._first = first
        self._properties: dict[str, bytes] | None = None
        self.name = name
        self.parent = parent
        self.offset = offset
        """Byte offset of the node's FDT_BEGIN_NODE token from the start of the blob."""
        self.children: list[Node] = []
        self._path: str | None = None

    @property
    def properties(self) -> dict[str, bytes]:
        """Name → raw value of each property that stands before the child nodes, as the specification
        demands; the first of a repeated name counts. Read when first asked for.
        """
        if self._properties is None:
            self._properties = {} if self._block is None else self._block.properties(self._first)
        return self._properties

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
        self,
        name: str,
        blob: bytes,
        *,
        nodes: list[Node],
        by_phandle: dict[int, Node],
        reservations: list[tuple[int, int]],
    ) -> None:
        self.name = name
        self.blob = blob
        self.nodes = nodes
        """Every node, in the blob's order; the first is the root."""
        self.root = nodes[0]
        self.reservations = reservations
        """(address, size) of each memory reservation block entry, in bytes."""
        self.by_phandle = by_phandle
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
    strings = blob[at_strings : at_strings + size_strings]
    # Names must end inside the block: what follows the last NUL is no name.
    strings = strings[: strings.rfind(b"\0") + 1]
    nodes, by_phandle = _nodes(blob, at_struct, size_struct, strings, name)
    return Tree(name, blob[:total], nodes=nodes, by_phandle=by_phandle, reservations=reservations)


def _nodes(
    blob: bytes, start: int, size: int, strings: bytes, name: str
) -> tuple[list[Node], dict[int, Node]]:
    """Every node, and those with a phandle; the structure is checked, properties are read later."""
    tokens = array("I", blob[start : start + (size & ~3)])
    if sys.byteorder == "little":
        tokens.byteswap()
    find = blob.find
    block = _Block(blob, start, strings, tokens)
    limit = len(strings)
    handles = _offsets_of(strings, (b"phandle\0", b"linux,phandle\0"))
    nodes: list[Node] = []
    by_phandle: dict[int, Node] = {}
    stack: list[Node] = []
    node: Node | None = None
    end = start + size
    at = 0
    collecting = gc.isenabled()
    gc.disable()  # many small objects and no garbage: collections would only cost
    try:
        while True:
            token = tokens[at]
            if token == _PROP:
                length = tokens[at + 1]
                offset = tokens[at + 2]
                if offset >= limit or node is None:
                    _misplaced(name, start + at * 4, node, offset, limit)
                if offset in handles and length == 4:
                    by_phandle.setdefault(tokens[at + 3], node)
                # A length that leaves the block leads to a token beyond it, which ends the loop below.
                at += 3 + ((length + 3) >> 2)
            elif token == _BEGIN_NODE:
                begins = start + at * 4
                name_end = find(b"\0", begins + 4, end)
                if name_end < 0:
                    raise Malformed(name, begins + 4, "a NUL-terminated node name", "none")
                at += 2 + ((name_end - begins - 4) >> 2)
                text = blob[begins + 4 : name_end].decode("ascii", "backslashreplace")
                made = Node(text, node, begins, block, at)
                if node is not None:
                    node.children.append(made)
                elif nodes:
                    raise Malformed(name, begins, "one root node", "a second one")
                if len(stack) >= MAX_DEPTH or len(nodes) >= MAX_NODES:
                    raise Malformed(name, begins, f"at most {MAX_DEPTH} levels and {MAX_NODES} nodes", "more")
                nodes.append(made)
                stack.append(made)
                node = made
            elif token == _END_NODE:
                if not stack:
                    raise Malformed(name, start + at * 4, "FDT_END", "FDT_END_NODE without a node")
                stack.pop()
                node = stack[-1] if stack else None
                at += 1
            elif token == _NOP:
                at += 1
            elif token == _END:
                break
            else:
                raise Malformed(name, start + at * 4, "a structure token (1, 2, 3, 4 or 9)", f"{token:#x}")
    except IndexError:
        raise Malformed(name, end, "FDT_END", "the end of the structure block") from None
    finally:
        if collecting:
            gc.enable()
    if stack or not nodes:
        raise Malformed(name, start + at * 4, "a closed root node", "FDT_END")
    return nodes, by_phandle


def _offsets_of(strings: bytes, names: tuple[bytes, ...]) -> frozenset[int]:
    """Every offset at which one of the names begins: a name may be the end of another one."""
    found: set[int] = set()
    for wanted in names:
        at = strings.find(wanted)
        while at >= 0:
            found.add(at)
            at = strings.find(wanted, at + 1)
    return frozenset(found)


def _misplaced(name: str, at: int, node: Node | None, offset: int, limit: int) -> NoReturn:
    if node is None:
        raise Malformed(name, at, "a node", "a property outside any node")
    raise Malformed(name, at + 8, f"a name in the strings block of {limit} bytes", f"{offset:#x}")


def _reservations(blob: bytes, at: int, total: int, name: str) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    while at + 16 <= total and len(found) < 4096:
        address, size = struct.unpack_from(">2Q", blob, at)
        if not address and not size:
            return found
        found.append((address, size))
        at += 16
    raise Malformed(name, at, "the end of the memory reservation block", "the end of the blob")


def _text(raw: bytes) -> str:
    return raw.decode("ascii", "backslashreplace")


def _align4(value: int) -> int:
    return (value + 3) & ~3
