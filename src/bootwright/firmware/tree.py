"""A devicetree that can be changed and written again (Devicetree specification 0.4, section 5)."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from attrs import define, field

from bootwright.formats.devicetree.fdt import Node, Tree

_BEGIN_NODE, _END_NODE, _PROP, _END = 1, 2, 3, 9
# Section 5.2: version 17, which version 16 readers take.
_HEADER = struct.Struct(">10I")
_MAGIC, _VERSION, _COMPATIBLE = 0xD00DFEED, 17, 16


@define
class Draft:
    """A node with its properties and children, in order."""

    name: str
    properties: dict[str, bytes] = field(factory=dict)
    children: list[Draft] = field(factory=list)

    @classmethod
    def of(cls, node: Node) -> Draft:
        """A copy of a node that was read, the root without its name."""
        name = "" if node.parent is None else node.name
        return cls(name, dict(node.properties), [cls.of(child) for child in node.children])

    def walk(self) -> Iterator[Draft]:
        """This node and all below it."""
        yield self
        for child in self.children:
            yield from child.walk()

    def with_phandle(self, phandle: int) -> Draft | None:
        """The node of that phandle, at or below this one."""
        cell = struct.pack(">I", phandle)
        for node in self.walk():
            if cell in {node.properties.get("phandle"), node.properties.get("linux,phandle")}:
                return node
        return None

    def child(self, name: str) -> Draft | None:
        """The child of that name."""
        return next((each for each in self.children if each.name == name), None)

    def blob(self, like: Tree) -> bytes:
        """The blob, with the reservations and the boot CPU of the tree it comes from."""
        words, strings = bytearray(), _Strings()
        self._write(words, strings)
        words += struct.pack(">I", _END)
        reserved = b"".join(struct.pack(">QQ", *each) for each in like.reservations) + bytes(16)
        at_reserved = _HEADER.size
        at_words = at_reserved + len(reserved)
        at_strings = at_words + len(words)
        header = _HEADER.pack(
            _MAGIC, at_strings + len(strings.block), at_words, at_strings, at_reserved, _VERSION, _COMPATIBLE,
            int.from_bytes(like.blob[28:32], "big"), len(strings.block), len(words),
        )  # fmt: skip
        return header + reserved + bytes(words) + bytes(strings.block)

    def _write(self, words: bytearray, strings: _Strings) -> None:
        raw = self.name.encode("utf-8", "surrogateescape") + b"\0"
        words += struct.pack(">I", _BEGIN_NODE) + raw + bytes(-len(raw) % 4)
        for name, value in self.properties.items():
            words += struct.pack(">III", _PROP, len(value), strings.place(name))
            words += value + bytes(-len(value) % 4)
        for child in self.children:
            child._write(words, strings)  # noqa: SLF001 - the same class
        words += struct.pack(">I", _END_NODE)


@define
class _Strings:
    block: bytearray = field(factory=bytearray)
    _places: dict[str, int] = field(factory=dict)

    def place(self, name: str) -> int:
        if name not in self._places:
            self._places[name] = len(self.block)
            self.block += name.encode("utf-8", "surrogateescape") + b"\0"
        return self._places[name]
