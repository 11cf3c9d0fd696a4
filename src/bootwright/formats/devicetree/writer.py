"""Devicetrees that can be changed, and written as blobs again (devicetree specification 0.4, chapter 5)."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from attrs import define, field

from bootwright.formats.devicetree.fdt import MAGIC, Node, Tree, parse_fdt

_HEADER = struct.Struct(">10I")
_BEGIN_NODE, _END_NODE, _PROP, _END = 1, 2, 3, 9
_VERSION, _LAST_COMPATIBLE = 17, 16
_PHANDLES = ("phandle", "linux,phandle")


@define(eq=False)
class Draft:
    """A node with its properties and children, in order; all may be changed."""

    name: str
    """Empty for the root."""
    properties: dict[str, bytes] = field(factory=dict)
    children: list[Draft] = field(factory=list)

    @classmethod
    def of(cls, node: Node) -> Draft:
        """A copy of a node that was read, with everything below it."""
        name = "" if node.parent is None else node.name
        return cls(name, dict(node.properties), [cls.of(child) for child in node.children])

    def copy(self) -> Draft:
        """A copy with everything below it."""
        return Draft(self.name, dict(self.properties), [child.copy() for child in self.children])

    def walk(self) -> Iterator[Draft]:
        """This node and all below it, in the blob's order."""
        stack = [self]
        while stack:
            node = stack.pop()
            yield node
            stack.extend(reversed(node.children))

    def child(self, name: str) -> Draft | None:
        """The first child of that name; a name without a unit address fits any, as in libfdt."""
        plain = "@" not in name
        for child in self.children:
            if child.name == name or (plain and child.name.partition("@")[0] == name):
                return child
        return None

    @property
    def phandle(self) -> int:
        """The node's phandle, 0 where it has none."""
        for name in _PHANDLES:
            value = self.properties.get(name, b"")
            if len(value) == 4:
                return int.from_bytes(value, "big")
        return 0

    def string(self, name: str) -> str | None:
        """A property's first string, None where it is not there."""
        value = self.properties.get(name)
        return None if value is None else value.partition(b"\0")[0].decode("utf-8", "surrogateescape")

    def blob(self, like: Tree) -> bytes:
        """The blob, with the memory reservations and the boot CPU of the tree it comes from."""
        words, strings = bytearray(), _Strings()
        stack: list[Draft | None] = [self]
        while stack:
            node = stack.pop()
            if node is None:
                words += struct.pack(">I", _END_NODE)
                continue
            words += struct.pack(">I", _BEGIN_NODE) + _padded(_encoded(node.name) + b"\0")
            for name, value in node.properties.items():
                words += struct.pack(">3I", _PROP, len(value), strings.place(name)) + _padded(value)
            stack.append(None)
            stack.extend(reversed(node.children))
        words += struct.pack(">I", _END)
        reserved = b"".join(struct.pack(">2Q", *entry) for entry in (*like.reservations, (0, 0)))
        at_words = _HEADER.size + len(reserved)
        at_strings = at_words + len(words)
        header = _HEADER.pack(
            MAGIC, at_strings + len(strings.block), at_words, at_strings, _HEADER.size, _VERSION,
            _LAST_COMPATIBLE, int.from_bytes(like.blob[28:32], "big"), len(strings.block), len(words),
        )  # fmt: skip
        return header + reserved + bytes(words) + bytes(strings.block)


class DraftTree:
    """A whole devicetree that can be changed.

    Nodes are found by phandle through an index: whoever adds nodes or gives one a phandle adds it there.
    """

    def __init__(self, origin: Tree, root: Draft | None = None) -> None:
        self.origin = origin
        self.root = root or Draft.of(origin.root)
        self.phandles: dict[int, Draft] = {}
        for node in self.root.walk():
            self.index(node)

    @property
    def name(self) -> str:
        """What the tree was read from."""
        return self.origin.name

    def copy(self) -> DraftTree:
        """A tree of its own that is equal."""
        return DraftTree(self.origin, self.root.copy())

    def index(self, node: Draft) -> None:
        """Make a node known by its phandle; of two with the same one, the first counts."""
        if node.phandle:
            self.phandles.setdefault(node.phandle, node)

    @property
    def highest_phandle(self) -> int:
        """0 where no node has one."""
        return max(self.phandles, default=0)

    def node(self, path: str) -> Draft | None:
        """The node at a path; one that does not begin with `/` begins with an alias, as in libfdt."""
        if not path.startswith("/"):
            alias, slash, rest = path.partition("/")
            aliases = self.root.child("aliases")
            start = aliases.string(alias) if aliases is not None else None
            if start is None or not start.startswith("/"):
                return None
            path = start + slash + rest
        node: Draft | None = self.root
        for part in path.split("/"):
            if part and node is not None:
                node = node.child(part)
        return node

    def path(self, node: Draft) -> str:
        """Where a node is; raises `KeyError` for one of another tree."""
        stack = [(self.root, "")]
        while stack:
            current, path = stack.pop()
            if current is node:
                return path or "/"
            stack.extend((child, f"{path}/{child.name}") for child in reversed(current.children))
        raise KeyError(node.name)

    def tree(self, name: str | None = None) -> Tree:
        """The tree as it would be read again, under another name if one is given.

        Raises `Malformed` where it has outgrown what is read.
        """
        return parse_fdt(self.root.blob(self.origin), name or self.name)


def empty() -> Tree:
    """A devicetree of a root without properties: what holds on any board can be asked over it."""
    structure = struct.pack(">4I", _BEGIN_NODE, 0, _END_NODE, _END)
    after_header = _HEADER.size + 16  # the memory reservation block is its end mark alone
    size = after_header + len(structure)
    header = _HEADER.pack(
        MAGIC, size, after_header, size, _HEADER.size, _VERSION, _LAST_COMPATIBLE, 0, 0, len(structure)
    )
    return parse_fdt(header + bytes(16) + structure, "no devicetree")


@define
class _Strings:
    block: bytearray = field(factory=bytearray)
    places: dict[str, int] = field(factory=dict)

    def place(self, name: str) -> int:
        if name not in self.places:
            self.places[name] = len(self.block)
            self.block += _encoded(name) + b"\0"
        return self.places[name]


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _padded(value: bytes) -> bytes:
    return value + bytes(-len(value) % 4)
