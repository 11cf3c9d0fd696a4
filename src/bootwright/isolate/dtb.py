"""Differences of two devicetree blobs, property by property, and blobs made of a choice of them."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import define, field

from bootwright.formats.devicetree.fdt import Node, Tree
from bootwright.formats.devicetree.writer import Draft


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
        return self._mixed(self._good["/"], from_bad).blob(self.good)

    def _mixed(self, node: Node, from_bad: frozenset[str]) -> Draft:
        other = self._bad.get(node.path)
        if other is None:
            properties = dict(node.properties)
        else:
            properties = {}
            for name in dict.fromkeys((*node.properties, *other.properties)):
                side = other if f"{node.path}: {name}" in from_bad else node
                if name in side.properties:
                    properties[name] = side.properties[name]
        children = [
            self._mixed(child, from_bad) for child in node.children if f"-{child.path}" not in from_bad
        ]
        children += [
            Draft.of(child)
            for child in (other.children if other is not None else ())
            if child.path not in self._good and f"+{child.path}" in from_bad
        ]
        return Draft("" if node.parent is None else node.name, properties, children)


def _phandle(node: Node) -> int | None:
    return node.cell("phandle") or node.cell("linux,phandle")
