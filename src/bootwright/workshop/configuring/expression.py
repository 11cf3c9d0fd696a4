"""Conditions of Kconfig: read, and judged by the values of a configuration.

Grammar: Documentation/kbuild/kconfig-language.rst, "Menu dependencies" (Linux 6.12): symbols, constants, `=`,
`!=`, `<`, `>`, `<=`, `>=`, `!`, `&&`, `||`, parentheses; n, m and y are 0, 1 and 2. What a macro such as
`$(cc-option,…)` gives, only running it tells: it is unknown here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TypeAlias

from attrs import frozen

Level: TypeAlias = int
"""0, 1 or 2 for n, m and y."""
_LEVELS = {"n": 0, "m": 1, "y": 2}
LETTERS = ("n", "m", "y")
_MOST_DEPTH = 50
_NUMBER = re.compile(r"-?\d+|0[xX][0-9a-fA-F]+")


@frozen
class Atom:
    """A symbol, a constant or a macro."""

    text: str
    quoted: bool = False

    @property
    def macro(self) -> bool:
        """Whether only the build can tell what it is."""
        return "$(" in self.text

    def __str__(self) -> str:
        return f'"{self.text}"' if self.quoted else self.text


@frozen
class Not:
    """The opposite."""

    of: Expression

    def __str__(self) -> str:
        return f"!{_bracketed(self.of)}"


@frozen
class Compare:
    """Two values side by side."""

    left: Atom
    relation: str
    right: Atom

    def __str__(self) -> str:
        return f"{self.left}{self.relation}{self.right}"


@frozen
class All:
    """The least of some."""

    of: tuple[Expression, ...]

    def __str__(self) -> str:
        return " && ".join(_bracketed(part) if isinstance(part, Some) else str(part) for part in self.of)


@frozen
class Some:
    """The greatest of some."""

    of: tuple[Expression, ...]

    def __str__(self) -> str:
        return " || ".join(str(part) for part in self.of)


Expression: TypeAlias = Atom | Not | Compare | All | Some


def _bracketed(expression: Expression) -> str:
    return f"({expression})" if isinstance(expression, All | Some | Compare) else str(expression)


class NotRead(Exception):
    """Text that is no condition."""


_TOKEN = re.compile(
    r"""\s*(?:(?P<quoted>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<operator>&&|\|\||!=|<=|>=|[()!=<>])"""
    r"""|(?P<macro>\$\()|(?P<name>(?:[A-Za-z0-9_./-]|\$(?!\())+))"""
)


def parse(text: str) -> Expression:
    """The condition in a text; raises `NotRead`."""
    reader = _Reader(list(_tokens(text)))
    expression = reader.some(0)
    if reader.at < len(reader.tokens):
        raise NotRead(text)
    return expression


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    at = 0
    while text[at:].strip():
        match = _TOKEN.match(text, at)
        if match is None:
            raise NotRead(text)
        kind = match.lastgroup or ""
        if kind == "macro":
            end = _closing(text, match.end())
            yield "name", text[match.start("macro") : end]
            at = end
            continue
        yield kind, match[kind]
        at = match.end()


def _closing(text: str, at: int) -> int:
    """Behind the bracket that closes the one before `at`."""
    depth = 1
    while at < len(text):
        depth += {"(": 1, ")": -1}.get(text[at], 0)
        at += 1
        if depth == 0:
            return at
    raise NotRead(text)


class _Reader:
    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self.tokens = tokens
        self.at = 0

    def some(self, depth: int) -> Expression:
        return self._joined("||", lambda: self._joined("&&", lambda: self._one(depth), All), Some)

    def _joined(
        self,
        operator: str,
        part: Callable[[], Expression],
        kind: type[All] | type[Some],
    ) -> Expression:
        parts = [part()]
        while self._next() == ("operator", operator):
            self.at += 1
            parts.append(part())
        return parts[0] if len(parts) == 1 else kind(tuple(parts))

    def _one(self, depth: int) -> Expression:
        if depth > _MOST_DEPTH:
            raise NotRead("too deep")
        token = self._take()
        if token == ("operator", "!"):
            return Not(self._one(depth + 1))
        if token == ("operator", "("):
            inner = self.some(depth + 1)
            if self._take() != ("operator", ")"):
                raise NotRead("a bracket that is not closed")
            return inner
        left = _atom(token)
        following = self._next()
        if following is not None and following[1] in {"=", "!=", "<", ">", "<=", ">="}:
            self.at += 1
            return Compare(left, following[1], _atom(self._take()))
        return left

    def _next(self) -> tuple[str, str] | None:
        return self.tokens[self.at] if self.at < len(self.tokens) else None

    def _take(self) -> tuple[str, str]:
        token = self._next()
        if token is None:
            raise NotRead("the end of the line")
        self.at += 1
        return token


def _atom(token: tuple[str, str]) -> Atom:
    kind, text = token
    if kind == "operator":
        raise NotRead(text)
    return Atom(text[1:-1], quoted=True) if kind == "quoted" else Atom(text)


def level(expression: Expression, value: Callable[[str], str]) -> Level | None:
    """How true it is; None where that hangs on a macro. `value` gives a symbol's, `n` where it has none."""
    match expression:
        case Atom():
            if expression.macro:
                return None
            text = expression.text if expression.quoted else _value(expression, value)
            return _LEVELS.get(text, 0)
        case Not():
            inner = level(expression.of, value)
            return None if inner is None else 2 - inner
        case Compare():
            return _compared(expression, value)
        case All():
            levels = [level(part, value) for part in expression.of]
            known = [part_level for part_level in levels if part_level is not None]
            return None if len(known) < len(levels) and 0 not in known else min(known)
        case Some():
            levels = [level(part, value) for part in expression.of]
            known = [part_level for part_level in levels if part_level is not None]
            return None if len(known) < len(levels) and 2 not in known else max(known)


def _value(atom: Atom, value: Callable[[str], str]) -> str:
    return atom.text if atom.quoted or _constant(atom.text) else value(atom.text)


def _constant(text: str) -> bool:
    """Whether a word without quotes is no symbol: n, m, y, or a number."""
    return text in _LEVELS or _NUMBER.fullmatch(text) is not None


def _compared(expression: Compare, value: Callable[[str], str]) -> Level | None:
    if expression.left.macro or expression.right.macro:
        return None
    left, right = (_value(atom, value) for atom in (expression.left, expression.right))
    left, right = (text.strip('"') for text in (left, right))
    relation = expression.relation
    if relation in {"=", "!="}:
        return 2 if (left == right) == (relation == "=") else 0
    try:
        number, other = int(left, 0), int(right, 0)
    except ValueError:
        # expr.c expr_compare_type (Linux 6.12): what are no two numbers compares as text.
        return 2 if _ordered(left > right, left < right, relation) else 0
    return 2 if _ordered(number > other, number < other, relation) else 0


def _ordered(greater: bool, less: bool, relation: str) -> bool:
    return {"<": less, ">": greater, "<=": not greater, ">=": not less}[relation]


def unmet(expression: Expression, value: Callable[[str], str], wanted: Level) -> Iterator[Expression]:
    """The smallest parts that each keep it below `wanted`; those that hang on a macro too."""
    reached = level(expression, value)
    if reached is not None and reached >= wanted:
        return
    if isinstance(expression, All):
        for part in expression.of:
            yield from unmet(part, value, wanted)
    else:
        yield expression


def symbols(expression: Expression) -> Iterator[str]:
    """The symbols named in it."""
    match expression:
        case Atom():
            if not expression.quoted and not expression.macro and not _constant(expression.text):
                yield expression.text
        case Not():
            yield from symbols(expression.of)
        case Compare():
            yield from symbols(expression.left)
            yield from symbols(expression.right)
        case All() | Some():
            for part in expression.of:
                yield from symbols(part)
