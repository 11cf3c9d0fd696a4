"""YAML as the image factory writes it, to the byte: an image's name is the SHA-256 of that.

The factory marshals its schematic with go-yaml (siderolabs/image-factory pkg/schematic: `yaml.Marshal` of
go.yaml.in/yaml/v4, with the defaults of v3): four columns a level, sequences indented below their key, lines
never folded, text of several lines as a literal block, and quotes where a plain scalar would not come back as
text. Where versions of that library differ, or a rule is not known here, `NotKnown` is raised: a wrong id
would be an image that does not exist.
"""

from __future__ import annotations

import calendar
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

_INDENT = 4
_WORDS = frozenset(
    {"", "~", "null", "Null", "NULL", "true", "True", "TRUE", "false", "False", "FALSE", "-0", "-0.0"}
    | {f"{sign}.{word}" for sign in ("", "+", "-") for word in ("inf", "Inf", "INF")}
    | {".nan", ".NaN", ".NAN"}
)
"""Plain scalars that are no text (go-yaml internal/libyaml/resolver.go)."""
_OLD = re.compile(
    r"[yYnN]|yes|Yes|YES|no|No|NO|on|On|ON|off|Off|OFF|<<|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?"
)
"""What YAML 1.1 reads otherwise: quoted, by v3 doubly and by v4 singly."""
_INTEGER = re.compile(r"[-+]?(?:0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|[1-9][0-9]*|0)")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_DATE = re.compile(
    r"(\d{4})-(\d{1,2})-(\d{1,2})"
    r"(?:(?: +|([Tt]))(\d{1,2}):(\d{1,2}):(\d{1,2})(?:[.,](\d+))?(?(4)(?:Z|[-+](\d\d):(\d\d))))?",
    re.ASCII,
)
"""Year, month, day, `T`, hour, minute, second, fraction, zone: the four forms of parseTimestamp."""
_DOTTED = re.compile(r"\.[0-9_]+(?:[eE][-+]?[0-9_]+)?")
_UNSURE = re.compile("[\x85\u2028\u2029\ufeff\ud800-\udfff]")
"""Line breaks of YAML 1.1 and byte order marks: their way through the emitter is not repeated here."""
_UNPRINTABLE = re.compile("[^\n\x20-\x7e\xa0-\ud7ff\ue000-\ufffd]")
_FIRST = frozenset("#,[]{}&*!|>'\"%@`")
_ESCAPES = dict(zip('\0\a\b\t\n\v\f\r\x1b"\\', '0abtnvfre"\\', strict=True))

Canonical: TypeAlias = str | int | bool | Sequence["Canonical"] | Mapping[str, "Canonical"] | None


class Unresolved(str):
    """A plain scalar that is no text, and whose value as the factory would write it is not worked out."""

    __slots__ = ()


class NotKnown(Exception):
    """How the factory writes it is not known here; the message names what."""


def marshal(document: Mapping[str, Canonical]) -> str:
    """The document as YAML, mappings in the order they have; raises `NotKnown`."""
    return "".join(f"{line}\n" for line in _mapping(document, 0))


def is_text(plain: str) -> bool:
    """Whether a plain scalar is text to go-yaml: no null, number, truth value or date.

    Its first character says what it may be (resolveTable of internal/libyaml/resolver.go): what begins with a
    letter or `_` is no number.
    """
    if plain in _WORDS:
        return False
    if plain[0] == ".":  # a float of Go, in which underscores stand between digits only
        return not (_DOTTED.fullmatch(plain) and _is_float(re.sub("(?<=[0-9])_(?=[0-9])", "", plain)))
    if plain[0] not in "+-0123456789":
        return True
    digits = plain.replace("_", "")
    return not (_is_integer(digits) or _is_float(digits) or is_date(plain))


def _is_integer(digits: str) -> bool:
    """Whether Go's strconv.ParseInt or ParseUint takes it, of 64 bits, by its prefix."""
    if not _INTEGER.fullmatch(digits):
        return False
    unsigned = digits.lstrip("+-").lower()
    number = int(unsigned, 8) if re.fullmatch("0[0-7]*", unsigned) else int(unsigned, 0)
    return number < (1 << 64 if digits[0].isdigit() else (1 << 63) + (digits[0] == "-"))


def _is_float(digits: str) -> bool:
    return _FLOAT.fullmatch(digits) is not None and math.isfinite(float(digits))


def is_date(plain: str) -> bool:
    """Whether a plain scalar is a date to go-yaml: parseTimestamp, by Go's time.Parse."""
    match = _DATE.fullmatch(plain)
    if match is None:
        return False
    year, month, day, hour, minute, second = (int(number or 0) for number in match.group(1, 2, 3, 5, 6, 7))
    return (
        1 <= month <= 12
        and 1 <= day <= calendar.monthrange(year, month)[1]
        and (hour < 24 and minute < 60 and second < 60)
    )


def _mapping(mapping: Mapping[str, Canonical], indent: int) -> Iterator[str]:
    for key, value in mapping.items():
        if not re.fullmatch("[A-Za-z]+", key) or _OLD.fullmatch(key) or not is_text(key):
            raise NotKnown(f"where the key {key[:40]!r} is sorted to")
        yield from _entry(f"{' ' * indent}{key}:", value, indent, indent + _INDENT)


def _sequence(values: Sequence[Canonical], indent: int) -> Iterator[str]:
    for value in values:
        head = f"{' ' * indent}-"
        if isinstance(value, Mapping) and value:
            # The first key stands beside the dash, the others below it.
            first, *others = _mapping(value, indent + 2)
            yield f"{head} {first.lstrip(' ')}"
            yield from others
        elif isinstance(value, Sequence) and not isinstance(value, str) and value:
            raise NotKnown("a list in a list")
        else:
            yield from _entry(head, value, indent, indent + 2)


def _entry(head: str, value: Canonical, indent: int, below: int) -> Iterator[str]:
    if isinstance(value, Unresolved):
        raise NotKnown(f"how {value[:40]!r} is written, which is no text")
    if isinstance(value, bool):
        yield f"{head} {'true' if value else 'false'}"
    elif value is None:
        yield f"{head} null"
    elif isinstance(value, int):
        yield f"{head} {value}"
    elif isinstance(value, str):
        first, *lines = _scalar(value)
        if first.startswith(f"|{_INDENT}") and not head.endswith(":"):
            raise NotKnown("how a text in a list is written that begins with a space and has several lines")
        yield f"{head} {first}"
        # Lines of a block stand one level below their key, in whole levels; empty ones have no columns.
        block = _INDENT * ((indent + _INDENT) // _INDENT) if head.endswith(":") else below
        yield from (f"{' ' * block}{line}" if line else "" for line in lines)
    elif isinstance(value, Mapping):
        if value:
            yield head
            yield from _mapping(value, _INDENT * ((indent + _INDENT) // _INDENT))
        else:
            yield f"{head} {{}}"
    elif value:
        yield head
        yield from _sequence(value, _INDENT * ((indent + _INDENT) // _INDENT))
    else:
        yield f"{head} []"


def _scalar(text: str) -> list[str]:
    """The lines of a scalar: what stands beside its key, and below."""
    if _UNSURE.search(text):
        raise NotKnown("a line break or mark of Unicode in a text")
    if _OLD.fullmatch(text):
        raise NotKnown(f"how {text!r} is quoted, which YAML 1.1 takes for something else")
    date = _DATE.fullmatch(text)
    if date is not None and (len(date[8] or "") > 9 or int(date[9] or 0) > 24 or int(date[10] or 0) > 60):
        raise NotKnown(f"whether {text!r} is a date, which depends on the version of Go")
    if "\n" in text:
        return _block(text)
    if not is_text(text) or "\t" in text or _UNPRINTABLE.search(text):
        return [_double(text)]
    return [text if _plain_allowed(text) else "'" + text.replace("'", "''") + "'"]


def _plain_allowed(text: str) -> bool:
    """Emitter.analyzeScalar: whether a text of one line can stand without quotes outside of flow."""
    if text != text.strip(" ") or text[0] in _FIRST or text.startswith(("---", "...")):
        return False
    if text[0] in "?-" and text[1:2] in ("", " "):
        return False
    return not re.search(r":(?: |$)| #", text)


def _block(text: str) -> list[str]:
    """A literal block, or where none is allowed in double quotes."""
    if text[0] == "\n" or not text.strip() or re.search("[\x1c-\x1f]", text):
        raise NotKnown("a text that begins with an empty line")
    if text[-1] == " " or " \n" in text or _UNPRINTABLE.search(text.replace("\t", "")):
        return [_double(text)]
    kept = len(text) - len(text.rstrip("\n"))
    hint = (str(_INDENT) if text[0] == " " else "") + ("-" if not kept else "+" if kept > 1 else "")
    return [f"|{hint}", *text.removesuffix("\n").split("\n")]


def _double(text: str) -> str:
    return '"' + "".join(_escaped(char) for char in text) + '"'


def _escaped(char: str) -> str:
    if char in _ESCAPES:
        return f"\\{_ESCAPES[char]}"
    if not _UNPRINTABLE.match(char):
        return char
    number = ord(char)
    return (
        f"\\x{number:02X}"
        if number <= 0xFF
        else f"\\u{number:04X}"
        if number <= 0xFFFF
        else f"\\U{number:08X}"
    )
