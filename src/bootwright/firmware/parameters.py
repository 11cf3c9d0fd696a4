"""Devicetree parameters of the Raspberry Pi's firmware: `__overrides__` of a base devicetree or an overlay.

Raspberry Pi documentation, "Device Trees, overlays, and parameters", parts 2.2.1 to 2.2.9: each parameter
has targets, a phandle and a declaration such as `status`, `reg:0`, `on?`, `mac[`, `gpios:0=`, `bus{a=1,b=2}`;
phandle 0 stands for the overlay itself, whose fragments are put in or left out (`+1-2`, `=3!4`).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

from attrs import define, frozen

from bootwright.formats.devicetree.fdt import Node, Tree
from bootwright.formats.devicetree.paths import Paths
from bootwright.foundation.errors import Refused

_DECLARATION = re.compile(
    r"(?P<name>[^.;:#?!\[={]+)(?P<kind>[.;:#?!\[]?)(?P<offset>[0-9a-fA-Fx]*)(?P<rest>.*)", re.S
)
_SIZES = {".": 1, ";": 2, ":": 4, "#": 8}
_TRUE = frozenset({"y", "yes", "on", "true", "1"})
_FALSE = frozenset({"n", "no", "off", "false", "0", ""})
_FRAGMENT = re.compile(r"([-+=!])(\d{1,5})")
_MAX_TARGETS = 256
_MAX_PROPERTY = 1 << 16


@frozen
class _Cell:
    """An integer that stands between the texts of a declaration, and where it is in `__overrides__`."""

    value: int
    at: int


@frozen
class _Target:
    phandle: _Cell
    parts: tuple[str | _Cell, ...]
    """The declaration: texts, with cells where a value is an integer."""


def parameters(tree: Tree) -> frozenset[str]:
    """Names of the parameters that a base or an overlay has."""
    node = tree.root.child("__overrides__")
    return frozenset(node.properties) - {"phandle", "linux,phandle"} if node is not None else frozenset()


def apply_parameter(tree: Tree, name: str, value: str) -> None:
    """Change `tree` as the firmware does for `name=value`.

    Raises `Refused` where there is no such parameter, or its declaration or value does not fit.
    """
    node = tree.root.child("__overrides__")
    raw = node.properties.get(name) if node is not None else None
    if raw is None:
        raise Refused(f"{tree.name} has no parameter {name}", hint="see __overrides__ in its source")
    change = _Change(tree, Paths(tree), name, value)
    for target in _targets(raw, f"{tree.name}: parameter {name}"):
        change.apply(target)


@define
class _Change:
    tree: Tree
    paths: Paths
    name: str
    value: str

    def apply(self, target: _Target) -> None:
        if target.phandle.value == 0:
            self._fragments("".join(part for part in target.parts if isinstance(part, str)))
            return
        label = self.paths.label_at(f"/__overrides__:{self.name}:{target.phandle.at}")
        node = self.tree.by_phandle.get(target.phandle.value)
        if node is None:
            where = f"the label {label}" if label else f"phandle {target.phandle.value:#x}"
            raise self._refused(f"{where} is not in {self.tree.name}")
        first = target.parts[0]
        declared = _DECLARATION.fullmatch(first) if isinstance(first, str) else None
        if declared is None:
            raise self._refused(f"{first!r} declares no property")
        rest, given = declared["rest"], target.parts[1:]
        cell: _Cell | None = None
        value = self.value
        if rest.startswith("="):
            cell = next((part for part in given if isinstance(part, _Cell)), None)
            value = rest[1:] if cell is None else str(cell.value)
        elif rest.startswith("{"):
            value, cell = self._looked_up((rest[1:], *given))
        name, kind = declared["name"], declared["kind"]
        if kind in _SIZES:
            self._integer(node, f"{name}{kind}{declared['offset'] or 0}", value, cell)
        else:
            self._put(node, name, kind, value)

    def _put(self, node: Node, name: str, kind: str, value: str) -> None:
        if kind == "":
            self._text(node, name, value)
        elif kind in {"?", "!"}:
            if self._true(value) is (kind == "?"):
                node.properties.setdefault(name, b"")
            else:
                node.properties.pop(name, None)
        else:
            try:
                node.properties[name] = bytes.fromhex(value.replace(":", " "))
            except ValueError:
                raise self._refused(f"{value!r} is no string of bytes") from None

    def _text(self, node: Node, name: str, value: str) -> None:
        if name == "status" and value.lower() in _TRUE | _FALSE:
            value = "okay" if self._true(value) else "disabled"
        if name == "name":
            self.paths.rename(node, f"{value}@{_unit(node)}" if _unit(node) else value)
            return
        if name == "bootargs" and name in node.properties:
            before = node.properties[name].rstrip(b"\0").decode("utf-8", "replace")
            value = f"{before} {value}".strip()
        node.properties[name] = value.encode() + b"\0"

    def _integer(self, node: Node, place: str, value: str, cell: _Cell | None) -> None:
        name, kind, offset = re.split(r"([.;:#])", place, maxsplit=1)
        size, at = _SIZES[kind], _number(offset)
        number = _number(value)
        if number is None and value.lower() in _TRUE | _FALSE:
            number = int(self._true(value))
        if number is None or at is None or at + size > _MAX_PROPERTY:
            raise self._refused(f"{value!r} is no number")
        raw = bytearray(node.properties.get(name, b""))
        raw.extend(bytes(max(0, at + size - len(raw))))
        raw[at : at + size] = (number % (1 << 8 * size)).to_bytes(size, "big")
        node.properties[name] = bytes(raw)
        if cell is not None and size == 4:
            self.paths.refer(node, name, at, f"/__overrides__:{self.name}:{cell.at}")
        if name == "reg" and at == 0 and _unit(node):
            self.paths.rename(node, f"{node.name.partition('@')[0]}@{number:x}")

    def _looked_up(self, parts: tuple[str | _Cell, ...]) -> tuple[str, _Cell | None]:
        """The entry of a lookup table for the value: (text, cell)."""
        default: tuple[str, _Cell | None] | None = None
        for key, found in _entries(parts):
            if key is None:
                default = default or (self.value, None)  # an empty pair: the value as it is
            elif key == self.value and not isinstance(found, _Cell):
                return key if found is None else found, None
            elif isinstance(found, _Cell) and key == self.value:
                return str(found.value), found
            elif key == "" and found is not None:
                default = (str(found.value), found) if isinstance(found, _Cell) else (found, None)
        if default is None:
            raise self._refused(f"{self.value!r} is not among the values it knows")
        return default

    def _fragments(self, text: str) -> None:
        for sign, number in _FRAGMENT.findall(text):
            keep = sign == "+" or (sign in "=!" and self._true(self.value) is (sign == "="))
            fragment = self.tree.root.child(f"fragment@{number}") or self.tree.root.child(
                f"fragment-{number}"
            )
            was, wanted = ("__dormant__", "__overlay__") if keep else ("__overlay__", "__dormant__")
            inner = fragment.child(was) if fragment is not None else None
            if inner is not None:
                self.paths.rename(inner, wanted)

    def _true(self, value: str) -> bool:
        lower = value.lower()
        if lower in _TRUE | _FALSE:
            return lower in _TRUE
        number = _number(value)
        if number is None:
            raise self._refused(f"{value!r} is neither yes nor no")
        return number != 0

    def _refused(self, why: str) -> Refused:
        return Refused(f"{self.tree.name}: parameter {self.name}={self.value}: {why}")


def _targets(raw: bytes, where: str) -> Iterator[_Target]:
    at = 0
    for _ in range(_MAX_TARGETS):
        if at + 4 >= len(raw):
            return
        phandle = _Cell(struct.unpack_from(">I", raw, at)[0], at)
        at += 4
        parts: list[str | _Cell] = []
        inside = False
        while True:
            end = raw.find(b"\0", at)
            if end < 0:
                raise Refused(f"{where}: a declaration without an end")
            text = raw[at:end].decode("utf-8", "replace")
            at = end + 1
            parts.append(text)
            inside = (inside or "{" in text) and "}" not in text
            if text.endswith("=") and at + 4 <= len(raw):
                parts.append(_Cell(struct.unpack_from(">I", raw, at)[0], at))
                at += 4
            elif inside and at >= len(raw):
                raise Refused(f"{where}: a table of values without an end")
            if not inside:
                break
        yield _Target(phandle, tuple(parts))


def _entries(parts: tuple[str | _Cell, ...]) -> Iterator[tuple[str | None, str | _Cell | None]]:
    """(key, value) of a lookup table; key None for an empty pair, value None where it is the key."""
    cells = iter([part for part in parts if isinstance(part, _Cell)])
    # A comma after a cell is left out in the texts: put one there, and a mark where the cell is.
    text = "".join(part if isinstance(part, str) else "\x01," for part in parts)
    text = text.partition("}")[0]
    if text.endswith("\x01,"):
        text = text[:-1]
    for pair in _split(text):
        key, equals, value = pair.partition("=")
        if value == "\x01":
            yield key, next(cells, None)
        else:
            yield (None, None) if not pair else (key, value.strip("'") if equals else None)


def _split(text: str) -> list[str]:
    """At commas that are in no quotes."""
    parts, quoted = [""], False
    for char in text:
        quoted ^= char == "'"
        if char == "," and not quoted:
            parts.append("")
        else:
            parts[-1] += char
    return parts


def _unit(node: Node) -> str:
    return node.name.partition("@")[2]


def _number(text: str) -> int | None:
    try:
        number = int(text.strip(), 0)
    except ValueError:
        try:
            number = int(text.strip(), 10)
        except ValueError:
            return None
    return number if abs(number) < 1 << 64 else None
