"""Parameters of devicetrees and overlays: what `dtparam=` and `dtoverlay=NAME,PARAMETER=VALUE` change.

Raspberry Pi documentation, "Device trees, overlays, and parameters": a property of `/__overrides__` is a
list of a phandle and a target, `property` (a string), `property:8` (a 32-bit cell at byte 8; `;` 16 bits,
`.` 8, `#` 64) or `property?` (there or not; `property!`: the other way round), and with the phandle 0
fragments by number that are switched (`+1` on if true, `-1` off if true, `=1` on only if true, `!1` on only
if false). Targets with a table of values (`{…}`), byte strings (`[`) or a literal for another property are
not applied; `set_parameter` names them.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

from bootwright.firmware.tree import Draft

_TRUE = {"y", "yes", "on", "true", "down", ""}
_FALSE = {"n", "no", "off", "false", "none"}
_UP = {"up": 2}
_SIZES = {":": ">I", ";": ">H", ".": ">B", "#": ">Q"}
_CELL = re.compile(r"(?P<name>[^:;.#?!={\[]+)(?P<kind>[:;.#])(?P<offset>\d+)(?:=(?P<literal>[^=]+))?")
_FLAG = re.compile(r"(?P<name>[^:;#?!={\[]+)(?P<kind>[?!])")
_NAME = re.compile(r"[^:;#?!={\[]+")
_FRAGMENTS = re.compile(r"(?:[+=!-]\d+)+")


def parameters(tree: Draft) -> frozenset[str]:
    """The names of the parameters that a tree or overlay has."""
    node = tree.child("__overrides__")
    return frozenset(node.properties) - {"phandle", "linux,phandle"} if node is not None else frozenset()


def set_parameter(tree: Draft, name: str, value: str) -> list[str]:
    """Change `tree` as its parameter says; the targets that could not be applied."""
    node = tree.child("__overrides__")
    left: list[str] = []
    for phandle, target in _targets(node.properties.get(name, b"") if node is not None else b""):
        if phandle == 0:
            done = _fragments(tree, target, value)
        else:
            place = tree.with_phandle(phandle)
            done = place is not None and _property(place, target, value)
        if not done:
            left.append(target)
    return left


def _targets(value: bytes) -> Iterator[tuple[int, str]]:
    at = 0
    while at + 4 < len(value):
        end = value.find(b"\0", at + 4)
        if end < 0:
            return
        yield struct.unpack_from(">I", value, at)[0], value[at + 4 : end].decode("utf-8", "replace")
        at = end + 1


def _number(value: str) -> int | None:
    lower = value.strip().lower()
    if lower in _UP:
        return _UP[lower]
    if lower in _TRUE:
        return 1
    if lower in _FALSE:
        return 0
    try:
        return int(lower, 0)
    except ValueError:
        return None


def _property(node: Draft, target: str, value: str) -> bool:
    if match := _CELL.fullmatch(target):
        form, offset = _SIZES[match["kind"]], int(match["offset"])
        number = _number(match["literal"] or value)
        if number is None or offset > 4096:
            return False
        size = struct.calcsize(form)
        data = bytearray(node.properties.get(match["name"], b""))
        data.extend(bytes(max(0, offset + size - len(data))))
        struct.pack_into(form, data, offset, number & ((1 << 8 * size) - 1))
        node.properties[match["name"]] = bytes(data)
        return True
    if match := _FLAG.fullmatch(target):
        number = _number(value)
        if number is None:
            return False
        if bool(number) is (match["kind"] == "?"):
            node.properties[match["name"]] = b""
        else:
            node.properties.pop(match["name"], None)
        return True
    if _NAME.fullmatch(target):
        text = value
        if target == "status":
            text = {0: "disabled", 1: "okay"}.get(_number(value) or 0, value)
        node.properties[target] = text.encode() + b"\0"
        return True
    return False


def _fragments(tree: Draft, target: str, value: str) -> bool:
    number = _number(value)
    if number is None or not _FRAGMENTS.fullmatch(target):
        return False
    true = bool(number)
    for sign, digits in re.findall(r"([+=!-])(\d+)", target):
        fragment = tree.child(f"fragment@{digits}") or tree.child(f"fragment-{digits}")
        if fragment is None:
            return False
        if sign in "=!" or true:
            on = {"+": True, "-": False, "=": true, "!": not true}[sign]
            for child in fragment.children:
                if child.name in {"__overlay__", "__dormant__"}:
                    child.name = "__overlay__" if on else "__dormant__"
    return True
