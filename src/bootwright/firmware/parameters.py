"""Devicetree parameters applied: those of a Raspberry Pi's config.txt (`dtparam=`, and behind `dtoverlay=`).

Raspberry Pi documentation, "Device Trees, overlays, and parameters", 2.2.1 to 2.2.9; where it is silent, as
dtmerge does (raspberrypi/utils, June 2026): numbers are read as C's strtoull reads them (a leading 0 is
octal, an empty text 0), words are case-sensitive.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from bootwright.firmware.declarations import MAX_OFFSET, Kind, Target, targets
from bootwright.formats.devicetree.fdt import Node, Tree
from bootwright.formats.devicetree.writer import Draft, DraftTree
from bootwright.foundation.errors import Refused

_WORDS = {
    **dict.fromkeys(("y", "yes", "on", "true", "down"), 1),
    **dict.fromkeys(("n", "no", "off", "false"), 0),
    "up": 2,
}
"""`up` and `down` are pulls of a GPIO (brcm,pull: 0 none, 1 down, 2 up)."""
_OKAY = frozenset({"y", "yes", "on", "true", "enable", "1"})
_DISABLED = frozenset({"n", "no", "off", "false", "0"})
_NUMBER = re.compile(r"[ \t\n\v\f\r]*([-+]?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)", re.ASCII)
_BYTES = re.compile(r"(?:[: \t]*[0-9a-fA-F]{2})*[: \t]*", re.ASCII)
_SEPARATORS = str.maketrans("", "", ": \t")
_MAX_BYTES = 32
"""Bytes of a byte string parameter that dtmerge takes."""
_ESCAPE = re.compile(r"\\(?:([0-7]{1,3})|x([0-9a-fA-F]{2})|([abfnrtv\\'\"]))")
_CONTROLS = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_MOST = (1 << 64) - 1
_MAX_DIGITS = 4096


def parameters(tree: DraftTree) -> frozenset[str]:
    """Names of the parameters that a base devicetree or an overlay has."""
    node = tree.root.child("__overrides__")
    return frozenset(node.properties) - {"phandle", "linux,phandle"} if node is not None else frozenset()


def enabling_parameter(tree: Tree, node: Node) -> str | None:
    """The parameter that enables a node of a base devicetree by its `status`; None where it has none.

    Of several the one that is called as the node's label is, else the first: the others are other names.
    """
    overrides = tree.root.child("__overrides__")
    if overrides is None:
        return None
    names: list[str] = []
    for name, raw in overrides.properties.items():
        try:
            its = targets(raw, name)
        except Refused:
            continue  # the phandle of the node itself, or a damaged declaration
        if any(
            target.name == "status" and target.source is None and tree.by_phandle.get(target.phandle) is node
            for target in its
        ):
            names.append(name)
    labels = {label for label, path in tree.symbols.items() if path == node.path}
    return next((name for name in names if name in labels), names[0] if names else None)


def apply_parameter(tree: DraftTree, name: str, value: str) -> None:
    """Change a base, or an overlay whose references are resolved, as the firmware does for `name=value`.

    Raises `Refused`, and leaves the tree as it was, where there is no such parameter, its declaration is
    damaged, or the value does not fit one of its targets.
    """
    where = f"{tree.name}: parameter {name}"
    node = tree.root.child("__overrides__")
    raw = node.properties.get(name) if node is not None else None
    if raw is None:
        raise Refused(f"{tree.name} has no parameter {name}", hint="see __overrides__ in its source")
    try:
        changes = [_change(tree, target, value) for target in targets(raw, where)]
    except Refused as error:
        message = error.message if error.message.startswith(where) else f"{where}={value}: {error.message}"
        raise Refused(message, hint=error.hint) from None
    for change in changes:
        change()


def number(text: str) -> int | None:
    """The unsigned 64-bit number that a value is, or None where it is neither a number nor a known word."""
    if not text:
        return 0
    match = _NUMBER.fullmatch(text)
    if match is None or len(text) > _MAX_DIGITS:
        return _WORDS.get(text)
    sign, digits = match.groups()
    base = 16 if digits[:2] in {"0x", "0X"} else 8 if digits.startswith("0") else 10
    value = min(int(digits, base), _MOST)
    return -value & _MOST if sign == "-" else value


def _change(tree: DraftTree, target: Target, given: str) -> Callable[[], None]:
    """What is to be done for one target; the value is converted before anything is changed."""
    if target.kind is Kind.FRAGMENTS:
        return _fragments(tree, target, given)
    node = tree.phandles.get(target.phandle)
    if node is None:
        raise Refused(f"{target.text} is for phandle {target.phandle:#x}, which {tree.name} does not have")
    value = target.value(given)
    if target.kind is Kind.STRING:
        return _string(tree, node, target.name, value)
    if target.kind is Kind.BYTES:
        return _put(node, target.name, _bytes(value))
    as_number = number(value)
    if as_number is None:
        raise Refused(f"{value!r} is neither a number nor a yes or no ({target.text})")
    if target.kind is Kind.INTEGER:
        return _integer(tree, node, target, as_number)
    present = bool(as_number) is (target.kind is Kind.BOOLEAN)
    return _put(node, target.name, b"" if present else None)


def _put(node: Draft, name: str, value: bytes | None) -> Callable[[], None]:
    def change() -> None:
        if value is None:
            node.properties.pop(name, None)
        else:
            node.properties[name] = value

    return change


def _string(tree: DraftTree, node: Draft, name: str, value: str) -> Callable[[], None]:
    if name == "status":
        value = "okay" if value in _OKAY else "disabled" if value in _DISABLED else value
    raw = _unescaped(value)
    if name == "name":
        # A pseudo-property: it names the node.
        text = raw.decode("utf-8", "surrogateescape")
        if not text or "/" in text or "\0" in text:
            raise Refused(f"{value!r} names no node")
        return lambda: _rename(tree, node, text)

    def change() -> None:
        before = node.properties.get("bootargs", b"")
        if name == "bootargs" and before[:1].strip(b"\0"):
            node.properties[name] = before[:-1] + b" " + raw + b"\0"
        else:
            node.properties[name] = raw + b"\0"

    return change


def _integer(tree: DraftTree, node: Draft, target: Target, value: int) -> Callable[[], None]:
    end = target.offset + target.size
    if end > MAX_OFFSET:
        raise Refused(f"{target.text} is beyond byte {MAX_OFFSET}")

    def change() -> None:
        raw = bytearray(node.properties.get(target.name, b""))
        if len(raw) >= end or target.name != "reg":  # reg is never made, nor made longer
            raw.extend(bytes(max(0, end - len(raw))))
            raw[target.offset : end] = (value & ((1 << 8 * target.size) - 1)).to_bytes(target.size, "big")
            node.properties[target.name] = bytes(raw)
        if target.name == "reg" and target.offset == 0 and "@" in node.name:
            _rename(tree, node, f"{node.name.partition('@')[0]}@{value & 0xFFFFFFFF:x}")

    return change


def _fragments(tree: DraftTree, target: Target, given: str) -> Callable[[], None]:
    as_number = number(given)
    # For fragments any other text means yes.
    true = bool(given) if as_number is None else as_number != 0
    renames: list[tuple[Draft, bool]] = []
    for sign, index in target.fragments:
        fragment = tree.root.child(f"fragment@{index}") or tree.root.child(f"fragment-{index}")
        if fragment is None:
            raise Refused(f"{target.text} switches fragment {index}, which {tree.name} does not have")
        renames.append((fragment, {"+": True, "-": False, "=": true, "!": not true}[sign]))

    def change() -> None:
        for fragment, active in renames:
            inner = fragment.child("__dormant__" if active else "__overlay__")
            if inner is not None:
                _rename(tree, inner, "__overlay__" if active else "__dormant__")

    return change


def _bytes(value: str) -> bytes:
    if _BYTES.fullmatch(value) is None:
        raise Refused(f"{value!r} is no string of hexadecimal bytes")
    raw = bytes.fromhex(value.translate(_SEPARATORS))
    if len(raw) > _MAX_BYTES:
        raise Refused(f"{value!r} has more than {_MAX_BYTES} bytes")
    return raw


def _unescaped(value: str) -> bytes:
    """A string value with C's escapes replaced."""
    raw, at = bytearray(), 0
    while (start := value.find("\\", at)) >= 0:
        match = _ESCAPE.match(value, start)
        code = int(match[1], 8) if match is not None and match[1] else 0
        if match is None or code > 0xFF:
            raise Refused(f"{value!r} has a backslash that begins no known escape")
        raw += value[at:start].encode("utf-8", "surrogateescape")
        if match[2]:
            code = int(match[2], 16)
        elif match[3]:
            code = ord(_CONTROLS.get(match[3], match[3]))
        raw.append(code)
        at = match.end()
    return bytes(raw) + value[at:].encode("utf-8", "surrogateescape")


def _rename(tree: DraftTree, node: Draft, name: str) -> None:
    """Give a node another name, also in the table of labels."""
    symbols = tree.root.child("__symbols__")
    if symbols is not None and node.name != name:
        before = tree.path(node).encode("utf-8", "surrogateescape")
        after = before.rpartition(b"/")[0] + b"/" + name.encode("utf-8", "surrogateescape")
        for label, raw in symbols.properties.items():
            if raw.startswith((before + b"/", before + b"\0")):
                symbols.properties[label] = after + raw[len(before) :]
    node.name = name
