"""YAML that a user gives, with bounds: one document, no aliases, no tags, scalars as they stand there.

Types are not guessed: `no`, `1.20` and `0x10` are text until a field says what it wants, as for a decoder
into declared fields (go-yaml, which the image factory reads with).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import yaml

from bootwright.foundation.errors import Malformed

MOST_BYTES = 128 << 10
"""A schematic is a kilobyte; with a machine configuration in it some tens."""
_MOST_DEPTH = 24
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})


class Scalar(str):
    """Text of a scalar; `plain` where it stands there without quotes."""

    __slots__ = ("plain",)

    plain: bool

    def __new__(cls, text: str, *, plain: bool) -> Scalar:
        """The text, and how it is written."""
        scalar = super().__new__(cls, text)
        scalar.plain = plain
        return scalar


Value: TypeAlias = Scalar | list["Value"] | dict[str, "Value"] | None
"""None is a plain null."""


def read_yaml(data: bytes, where: str) -> Value:
    """The one document in `data`; None where it is empty. `where` names it in errors.

    Raises `Malformed` with the offset in bytes: no YAML, more than one document, an alias or a tag, a key
    that stands there twice or is no scalar, nesting that is too deep, more than `MOST_BYTES`.
    """
    if len(data) > MOST_BYTES:
        raise Malformed(where, MOST_BYTES, f"at most {MOST_BYTES >> 10} KiB of YAML", "more")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Malformed(where, error.start, "UTF-8 text", "other bytes") from error
    reader = _Reader(text, where)
    try:
        return reader.document()
    except yaml.reader.ReaderError as error:
        offset = len(text[: error.position].encode())
        raise Malformed(where, offset, "text of printable characters", "another character") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        offset = reader.offset(mark.index) if mark is not None else 0
        raise Malformed(where, offset, "YAML", (error.problem or "something else")[:200]) from error
    except ValueError as error:  # PyYAML, of an escape that is no code point: "\UFFFFFFFF"
        raise Malformed(where, None, "YAML", str(error)[:200]) from error


class _Reader:
    """Makes values of the parser's events, without recursion deeper than `_MOST_DEPTH`."""

    def __init__(self, text: str, where: str) -> None:
        self._text = text
        self._where = where
        self._events: Iterator[yaml.Event] = yaml.parse(text, Loader=yaml.SafeLoader)

    def offset(self, index: int) -> int:
        """Bytes before a character."""
        return len(self._text[:index].encode())

    def _wrong(self, event: yaml.Event, expected: str, found: str, hint: str | None = None) -> Malformed:
        return Malformed(
            self._where,
            self.offset(event.start_mark.index if event.start_mark is not None else 0),
            expected,
            found,
            hint=hint,
        )

    def document(self) -> Value:
        value: Value = None
        documents = 0
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise self._wrong(event, "one document", "a second one", hint="give each its own file")
                value = self._value(next(self._events), 0)
        return value

    def _value(self, event: yaml.Event, depth: int) -> Value:
        if isinstance(event, yaml.AliasEvent):
            raise self._wrong(event, "no aliases", f"*{event.anchor}"[:40], hint="write the value out")
        tag = getattr(event, "tag", None)
        if tag is not None:
            raise self._wrong(event, "no tags", str(tag)[:40], hint="leave the tag out; quote what is text")
        if depth > _MOST_DEPTH:
            raise self._wrong(event, f"nesting of at most {_MOST_DEPTH} levels", "more")
        if isinstance(event, yaml.ScalarEvent):
            plain = event.style is None or event.style == ""
            return None if plain and event.value in _NULLS else Scalar(event.value, plain=plain)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(depth)
        return self._mapping(depth)

    def _sequence(self, depth: int) -> list[Value]:
        values: list[Value] = []
        for event in self._events:
            if isinstance(event, yaml.SequenceEndEvent):
                break
            values.append(self._value(event, depth + 1))
        return values

    def _mapping(self, depth: int) -> dict[str, Value]:
        values: dict[str, Value] = {}
        for event in self._events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            key = self._value(event, depth + 1)
            if not isinstance(key, Scalar):
                raise self._wrong(event, "a key that is text", "another one")
            if key.plain and key == "<<":
                raise self._wrong(event, "no merge keys", "<<", hint="write the values out")
            if key in values:
                raise self._wrong(event, "each key once", f"{key[:40]!r} again")
            values[str(key)] = self._value(next(self._events), depth + 1)
        return values
