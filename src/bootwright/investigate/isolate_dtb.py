"""Differences of two devicetree blobs, property by property, and blobs made of a choice of them."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from attrs import define, field

from bootwright.artifacts.fdt import Node, Tree

_BEGIN_NODE, _END_NODE, _PROP, _END = 1, 2, 3, 9
# Devicetree specification 0.4, section 5.2: version 17, which version 16 readers take.
_HEADER = struct.Struct(">10I")
_MAGIC, _VERSION, _COMPATIBLE = 0xD00DFEED, 17, 16


@define
class TreeMix:
    """Two trees and their differences: `/path: property`, `+/path` and `-/path` for whole nodes."""

    good: Tree
    bad: Tree
    names: list[str] = field(init=False)
    _good: dict[str, Node] = field(init=False)
    _bad: dict[str, Node] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._good = {node.path: node for node in self.good.root.walk()}
        self._bad = {node.path: node for node in self.bad.root.walk()}
        self.names = list(self._differences())

    @property
    def comparable(self) -> bool:
        """Whether properties can be mixed: a phandle must name the same node in both."""
        return all(
            _phandle(node) == _phandle(self._bad[path])
            for path, node in self._good.items()
            if path in self._bad and _phandle(node) and _phandle(self._bad[path])
        )

    def _differences(self) -> Iterator[str]:
        for path, node in self._good.items():
            other = self._bad.get(path)
            if other is None:
                if node.parent is None or node.parent.path in self._bad:
                    yield f"-{path}"
                continue
            for name in dict.fromkeys((*node.properties, *other.properties)):
                if node.properties.get(name) != other.properties.get(name):
                    yield f"{path}: {name}"
        for path, node in self._bad.items():
            if path not in self._good and (node.parent is None or node.parent.path in self._good):
                yield f"+{path}"

    def blob(self, from_bad: frozenset[str]) -> bytes:
        """A blob with these differences as in the bad tree, the others as in the good one."""
        writer = _Writer()
        self._write(writer, self._good["/"], from_bad)
        return writer.blob(self.good)

    def _write(self, writer: _Writer, node: Node, from_bad: frozenset[str]) -> None:
        other = self._bad.get(node.path)
        writer.begin("" if node.parent is None else node.name)
        if other is None:
            properties = dict(node.properties)
        else:
            properties = {}
            for name in dict.fromkeys((*node.properties, *other.properties)):
                side = other if f"{node.path}: {name}" in from_bad else node
                if name in side.properties:
                    properties[name] = side.properties[name]
        for name, value in properties.items():
            writer.property(name, value)
        for child in node.children:
            if f"-{child.path}" not in from_bad:
                self._write(writer, child, from_bad)
        for child in other.children if other is not None else ():
            if child.path not in self._good and f"+{child.path}" in from_bad:
                _copy(writer, child)
        writer.end()


def _copy(writer: _Writer, node: Node) -> None:
    writer.begin(node.name)
    for name, value in node.properties.items():
        writer.property(name, value)
    for child in node.children:
        _copy(writer, child)
    writer.end()


def _phandle(node: Node) -> int | None:
    return node.cell("phandle") or node.cell("linux,phandle")


@define
class _Writer:
    """The structure and strings blocks of a blob (section 5.4 and 5.5)."""

    words: bytearray = field(factory=bytearray)
    strings: bytearray = field(factory=bytearray)
    _places: dict[str, int] = field(factory=dict)

    def begin(self, name: str) -> None:
        raw = name.encode("utf-8", "surrogateescape") + b"\0"
        self.words += struct.pack(">I", _BEGIN_NODE) + raw + bytes(-len(raw) % 4)

    def end(self) -> None:
        self.words += struct.pack(">I", _END_NODE)

    def property(self, name: str, value: bytes) -> None:
        if name not in self._places:
            self._places[name] = len(self.strings)
            self.strings += name.encode("utf-8", "surrogateescape") + b"\0"
        self.words += struct.pack(">III", _PROP, len(value), self._places[name])
        self.words += value + bytes(-len(value) % 4)

    def blob(self, like: Tree) -> bytes:
        words = bytes(self.words) + struct.pack(">I", _END)
        reserved = b"".join(struct.pack(">QQ", *each) for each in like.reservations) + bytes(16)
        at_reserved = _HEADER.size
        at_words = at_reserved + len(reserved)
        at_strings = at_words + len(words)
        total = at_strings + len(self.strings)
        header = _HEADER.pack(
            _MAGIC, total, at_words, at_strings, at_reserved, _VERSION, _COMPATIBLE,
            int.from_bytes(like.blob[28:32], "big"), len(self.strings), len(words),
        )  # fmt: skip
        return header + reserved + words + bytes(self.strings)
