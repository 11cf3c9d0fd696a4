"""The language of `__overrides__`: which property a devicetree parameter changes, and with what value.

Raspberry Pi documentation, "Device Trees, overlays, and parameters", 2.2.1 to 2.2.9. A parameter is a list of
targets. Each is a phandle and a declaration: `name` (a string), `name:0` (32 bits at byte 0; `.` 8, `;` 16,
`#` 64 bits), `name?` (there or not; `name!` the other way round), `name[` (bytes), each of which may end in
`=literal` or in a look-up table `{key=value,…}`. Literals may be cells that follow the text. Phandle 0 means
the overlay itself, whose fragments are switched (`+1-2=3!4`).

Where the documentation is silent, the reading is that of dtmerge (raspberrypi/utils, June 2026).
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator

from attrs import frozen

from bootwright.foundation.errors import Refused

_NAME = re.compile(rb"[^.;:#?!\[={]*")
_DIGITS = re.compile(rb"0[xX][0-9a-fA-F]{1,8}|[0-9]{0,9}")
_KEY = re.compile(rb"[^=,}\0]*")
_BARE = re.compile(rb"[^,}\0]*")
_SIZES = {ord("."): 1, ord(";"): 2, ord(":"): 4, ord("#"): 8}
_FRAGMENT = re.compile(rb"([-+=!])([0-9]{1,9})")
_MAX_TARGETS = 256
MAX_OFFSET = 1 << 16
"""Bytes; a property is not extended beyond."""


class Kind(enum.Enum):
    """What a target is."""

    STRING = "string"
    BYTES = "bytes"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    INVERTED = "inverted boolean"
    FRAGMENTS = "fragments"


@frozen
class Cell:
    """A literal that the devicetree compiler wrote as a 32-bit cell: a number or a phandle."""

    number: int


@frozen
class Table:
    """A look-up table."""

    entries: tuple[tuple[str, str | Cell | None], ...]
    """(key, value); an empty key is the default, the value None stands for the input itself."""

    def value(self, given: str) -> str | Cell | None:
        """What stands for an input; None where it is not listed and there is no default."""
        default: str | Cell | None = None
        for key, value in self.entries:
            if key == "":
                default = (given if value is None else value) if default is None else default
            elif key == given:
                return key if value is None else value
        return default


@frozen
class Target:
    """One of the places that a parameter changes."""

    phandle: int
    """0 for the overlay's fragments."""
    text: str
    """The declaration, for messages."""
    kind: Kind
    name: str = ""
    """The property."""
    offset: int = 0
    """Bytes from the start of the property, of an integer."""
    size: int = 0
    """Bytes of an integer: 1, 2, 4 or 8."""
    source: str | Cell | Table | None = None
    """A literal or a table; None: the parameter's value as it is given."""
    fragments: tuple[tuple[str, int], ...] = ()
    """(`+`, `-`, `=` or `!`, number of the fragment)."""

    def value(self, given: str) -> str:
        """The text that is converted for this target; raises `Refused` where a table does not list it."""
        source = self.source.value(given) if isinstance(self.source, Table) else self.source
        if isinstance(self.source, Table) and source is None:
            raise Refused(f"{given!r} is not among the values of {self.text}")
        if isinstance(source, Cell):
            return str(source.number)
        return given if source is None else str(source)


def targets(raw: bytes, where: str) -> tuple[Target, ...]:
    """The targets of a parameter whose property in `__overrides__` is `raw`.

    Raises `Refused` for one that is cut off or declares nothing; `where` begins the message.
    """
    reader = _Reader(raw, where)
    targets: list[Target] = []
    while not reader.done:
        if len(targets) >= _MAX_TARGETS:
            raise Refused(f"{where} has more than {_MAX_TARGETS} targets")
        targets.append(reader.target())
    return tuple(targets)


class _Reader:
    def __init__(self, raw: bytes, where: str) -> None:
        self._raw = raw
        self._where = where
        self._at = 0

    @property
    def done(self) -> bool:
        return self._at >= len(self._raw)

    def target(self) -> Target:
        phandle = self._cell()
        start = self._at
        text = self._string()
        if phandle == 0:
            return Target(0, _shown(text), Kind.FRAGMENTS, fragments=tuple(self._fragments(text)))
        if phandle >> 31:
            raise self._refused(f"the phandle {phandle:#x} of {_shown(text)}")
        match = _NAME.match(text)
        assert match is not None  # noqa: S101 - it matches nothing at all, too
        name, rest = match.group(), text[match.end() :]
        if not name:
            raise self._refused(f"{_shown(text)!r}, which names no property")
        kind, offset, size = Kind.STRING, 0, 0
        mark = rest[0] if rest else 0
        if mark in _SIZES:
            digits = _DIGITS.match(rest, 1)
            number = digits.group() if digits is not None else b""
            kind, size = Kind.INTEGER, _SIZES[mark]
            offset = int(number, 16 if number[:2] in {b"0x", b"0X"} else 10) if number else 0
            if offset > MAX_OFFSET:
                raise self._refused(f"the offset {offset} of {_shown(text)}")
        elif mark in b"?![":
            kind = {ord("?"): Kind.BOOLEAN, ord("!"): Kind.INVERTED, ord("["): Kind.BYTES}.get(mark, kind)
        source: str | Cell | Table | None = None
        end = min((at for at in (text.find(b"="), text.find(b"{")) if at >= 0), default=-1)
        if end >= 0 and text[end] == ord("="):
            source = self._literal(text[end + 1 :], kind)
        elif end >= 0:
            self._at = start + end + 1
            source = self._table()
        return Target(phandle, _shown(text), kind, _text(name), offset, size, source)

    def _literal(self, literal: bytes, kind: Kind) -> str | Cell:
        if literal or kind is Kind.BYTES:
            return _text(literal)
        if kind is not Kind.STRING:
            return Cell(self._cell())
        # The text follows as a string of its own (`"console=",&uart0`); nothing follows an empty one.
        return "" if self.done else _text(self._string())

    def _table(self) -> Table:
        entries: list[tuple[str, str | Cell | None]] = []
        while not self.done:
            byte = self._raw[self._at]
            if byte == ord("}"):
                if self._raw[self._at + 1 : self._at + 2] != b"\0":
                    raise self._refused("characters after a table's closing brace")
                self._at += 2
                break
            key = self._matched(_KEY)
            separator = self._raw[self._at : self._at + 1]
            value: str | Cell | None = None
            if separator == b"=":
                self._at += 1
                value = self._entry_value()
            if separator in {b"", b"\0"}:
                raise self._refused("a table without its closing brace")
            entries.append((_text(key), value))
            if self._raw[self._at : self._at + 1] == b"," and not isinstance(value, Cell):
                self._at += 1
                if self._raw[self._at : self._at + 1] == b"}":
                    entries.append(("", None))  # a comma at the end: an empty pair
        return Table(tuple(entries))

    def _entry_value(self) -> str | Cell:
        following = self._raw[self._at : self._at + 1]
        if following == b"\0":
            self._at += 1
            number = self._cell()
            return Cell(number - (1 << 32) if number >> 31 else number)
        if following == b"'":
            end = self._raw.find(b"'", self._at + 1)
            text = self._raw[self._at + 1 : end]
            if end < 0 or b"\0" in text:
                raise self._refused("a quotation without its end")
            self._at = end + 1
            return _text(text)
        return _text(self._matched(_BARE))

    def _fragments(self, text: bytes) -> Iterator[tuple[str, int]]:
        at = 0
        while at < len(text):
            match = _FRAGMENT.match(text, at)
            if match is None:
                raise self._refused(f"{_shown(text)!r}, which switches no fragment")
            yield match[1].decode(), int(match[2])
            at = match.end()

    def _cell(self) -> int:
        if self._at + 4 > len(self._raw):
            raise self._refused(f"its end after {len(self._raw)} bytes, where a cell should be")
        self._at += 4
        return int.from_bytes(self._raw[self._at - 4 : self._at], "big")

    def _string(self) -> bytes:
        end = self._raw.find(b"\0", self._at)
        if end < 0:
            raise self._refused("a string without its end")
        text = self._raw[self._at : end]
        self._at = end + 1
        return text

    def _matched(self, pattern: re.Pattern[bytes]) -> bytes:
        match = pattern.match(self._raw, self._at)
        assert match is not None  # noqa: S101 - both patterns match nothing at all, too
        self._at = match.end()
        return match.group()

    def _refused(self, what: str) -> Refused:
        return Refused(f"{self._where} has {what}", hint="its declaration in __overrides__ is damaged")


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def _shown(raw: bytes) -> str:
    return raw[:60].decode("utf-8", "backslashreplace")
