"""The shape of a text: every digit, decimal or hexadecimal, put to `0`; and what shapes a pattern can match.

Times, addresses, process numbers and counts come in few shapes. What no shape of a line can hold or match, no
line of that shape does, whatever its numbers are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from re import _constants as constants  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any, Final

from bootwright.diagnose.reading.literals import Literal

_HEX: Final = b"0123456789abcdefABCDEF"
_TABLE: Final = bytes(0x30 if code in _HEX else code for code in range(256))
_DATED: Final = b"[talos] 2026/".translate(_TABLE)
_ALL: Final = frozenset(range(256))
_DIGITS: Final = frozenset(b"0123456789")
_SPACES: Final = frozenset(b" \t\n\r\f\v")
_WORD: Final = frozenset(code for code in range(128) if chr(code).isalnum() or code == 0x5F)
_CATEGORIES: Final = {
    constants.CATEGORY_DIGIT: _DIGITS,
    constants.CATEGORY_NOT_DIGIT: _ALL - _DIGITS,
    constants.CATEGORY_SPACE: _SPACES,
    constants.CATEGORY_NOT_SPACE: _ALL - _SPACES,
    constants.CATEGORY_WORD: _WORD,
    constants.CATEGORY_NOT_WORD: _ALL - _WORD,
}


def shapes_of(text: bytes) -> list[bytes]:
    """The shape of each line of a text."""
    return text.translate(_TABLE).split(b"\n")


def is_verbatim(shape: bytes) -> bool:
    """Whether the messages of lines of that shape stand in them as they are.

    Not in JSON, nor where characters are written as `\\x1b`, nor with Talos's date inside (`prefix.split`).
    """
    return not shape.startswith(b"{") and b"\\x" not in shape and _DATED not in shape


def literal_shape(literal: Literal) -> Literal | None:
    """What shapes hold of every line with the literal; None for one to be looked for in the text itself.

    That is little more than hexadecimal digits (`dead`): it would be in every dump of registers.
    """
    shape = literal.text.translate(_TABLE)
    if shape != literal.text and not any(chr(code).isalpha() for code in shape):
        return None
    return Literal(shape, literal.any_case)


def pattern_shape(pattern: str) -> bytes:
    """A regular expression that the shape of every text matches which `pattern` matches, wherever in it.

    It looks for no beginning or end, and not around: a shape of more matches too. Raises `re.error`, and
    `ValueError` for what has no such expression.
    """
    tree = parser.parse(pattern.encode())
    return _sequence(tree, bool(tree.state.flags & re.IGNORECASE))


def _sequence(items: Iterable[Any], any_case: bool) -> bytes:
    return b"".join(_item(operator, argument, any_case) for operator, argument in items)


def _item(operator: Any, argument: Any, any_case: bool) -> bytes:  # noqa: ANN401
    codes = _codes(operator, argument)
    if codes is not None:
        return _class(codes, any_case)
    if operator in {constants.AT, constants.ASSERT, constants.ASSERT_NOT}:
        # Where words begin and end, they do in the shape: a digit of either kind is part of a word.
        return _BOUNDARIES.get(argument, b"") if operator is constants.AT else b""
    if operator is constants.SUBPATTERN:
        _, added, removed, inner = argument
        inner_case = (any_case or bool(added & re.IGNORECASE)) and not removed & re.IGNORECASE
        return b"(?:" + _sequence(inner, inner_case) + b")"
    if operator is constants.BRANCH:
        return b"(?:" + b"|".join(_sequence(branch, any_case) for branch in argument[1]) + b")"
    if operator in {constants.MAX_REPEAT, constants.MIN_REPEAT}:
        least, most, inner = argument
        times = b"%d," % least if most is constants.MAXREPEAT else b"%d,%d" % (least, most)
        return b"(?:" + _sequence(inner, any_case) + b"){" + times + b"}"
    raise ValueError(f"no shape for {operator}")


_BOUNDARIES: Final = {constants.AT_BOUNDARY: rb"\b", constants.AT_NON_BOUNDARY: rb"\B"}


def _codes(operator: Any, argument: Any) -> frozenset[int] | None:  # noqa: ANN401
    """The bytes that a single one can be; None for what is no single byte."""
    if operator is constants.LITERAL:
        return frozenset([argument])
    if operator is constants.NOT_LITERAL:
        return _ALL - {argument}
    if operator is constants.ANY:
        return _ALL - {0x0A}
    if operator is constants.RANGE:
        return frozenset(range(argument[0], argument[1] + 1))
    if operator is constants.CATEGORY:
        return _CATEGORIES[argument]
    if operator is constants.IN:
        negated = argument[0][0] is constants.NEGATE
        members = frozenset().union(*(_codes(*item) or () for item in argument[negated:]))
        return _ALL - members if negated else members
    return None


def _class(codes: frozenset[int], any_case: bool) -> bytes:
    if any_case:
        codes = codes | {code ^ 0x20 for code in codes if chr(code).isalpha() and code < 128}
    shape = frozenset(bytes(codes).translate(_TABLE))
    if len(shape) == 1:
        return re.escape(bytes(shape))
    ordered = sorted(shape)
    starts = [code for code in ordered if code - 1 not in shape]
    ends = [code for code in ordered if code + 1 not in shape]
    return b"[" + b"".join(b"\\x%02x-\\x%02x" % bounds for bounds in zip(starts, ends, strict=True)) + b"]"
