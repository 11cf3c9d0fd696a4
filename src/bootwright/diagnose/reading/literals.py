"""The text a regular expression cannot match without: what a fast search looks for first.

A pattern is only tried on lines that hold one of its required literals, so that hundreds of patterns
cost one pass over the text.
"""

from __future__ import annotations

import re
from re import _constants as constants  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any, NamedTuple

SHORTEST = 3
"""Bytes; a shorter literal is on nearly every line and would slow the whole pass."""


class Literal(NamedTuple):
    """Bytes to look for, with or without regard to case."""

    text: bytes
    any_case: bool = False


def required(pattern: str) -> frozenset[Literal]:
    """Literals of which every match of `pattern` holds at least one; empty when there is no such set.

    Raises `re.error` where `pattern` is not a regular expression.
    """
    tree = parser.parse(pattern)
    best = _of_sequence(list(tree), bool(tree.state.flags & re.IGNORECASE))
    if best is None or min(len(literal.text) for literal in best) < SHORTEST:
        return frozenset()
    # One that holds another adds nothing.
    return frozenset(
        literal
        for literal in best
        if not any(
            shorter.text in literal.text
            for shorter in best
            if shorter != literal and shorter.any_case == literal.any_case
        )
    )


def _worth(literals: frozenset[Literal]) -> float:
    # A few more alternatives cost little; a short or common one costs much.
    if min(len(literal.text) for literal in literals) < SHORTEST:
        return -1
    return min(_rarity(literal.text) for literal in literals) - 0.01 * len(literals)


_COMMON = frozenset([
    "starting", "started", "failed", "fail", "error", "timeout", "kernel", "boot", "bytes", "usb",
    "link", "reset", "request", "firmware", "mmcblk", "nvme", "find", "address", "disabled", "enabled",
    "loading", "loaded", "device", "devices", "memory", "found", "not", "with", "for", "from", "new",
    "register", "registered", "init", "pci", "could", "unable", "cannot", "can't", "get", "is", "at",
    "to", "waiting", "finished", "reached", "timed", "time", "file", "read", "write", "info", "warning",
    "audit", "cpu", "irq", "mode",
])  # fmt: skip
"""Words that are on many lines of any log: of little use to tell lines apart."""


def _rarity(text: bytes) -> float:
    """The length, less where the text is made of common words only."""
    words = text.decode(errors="replace").lower().split()
    if words and all(word.strip(":,.()[]") in _COMMON for word in words):
        return len(text) / 4
    return float(len(text))


def _of_sequence(items: list[Any], any_case: bool) -> frozenset[Literal] | None:
    """The most telling required set of a concatenation."""
    literal_sets: list[frozenset[Literal]] = []
    run: list[str] = [""]

    def end_run() -> None:
        nonlocal run
        texts = {text.lower() if any_case else text for text in run}
        if all(texts):
            literal_sets.append(frozenset(Literal(text.encode(), any_case) for text in texts))
        run = [""]

    for operator, argument in items:
        choices = _texts(operator, argument)
        if choices is not None and len(run) * len(choices) <= _MOST_PRODUCTS:
            run = [before + after for before in run for after in choices]
            continue
        end_run()
        if choices is not None and len(choices) <= _MOST_PRODUCTS:
            run = choices
            continue
        inner: frozenset[Literal] | None = None
        if operator is constants.SUBPATTERN:
            inner = _of_sequence(list(argument[3]), any_case or bool(argument[1] & re.IGNORECASE))
        elif operator in {constants.MAX_REPEAT, constants.MIN_REPEAT} and argument[0] >= 1:
            inner = _of_sequence(list(argument[2]), any_case)
        elif operator is constants.BRANCH:
            inner = _of_branches(argument[1], any_case)
        if inner:
            literal_sets.append(inner)
    end_run()
    return max(literal_sets, key=_worth, default=None)


_MOST_PRODUCTS = 128
"""Alternatives (`[Ll]ink is [Uu]p` makes four) that one run of text may grow to."""


def _texts(operator: Any, argument: Any) -> list[str] | None:  # noqa: ANN401
    """All texts an item can be, where they are few and fixed; None otherwise."""
    if operator is constants.LITERAL:
        return [chr(argument)]
    if operator is constants.IN:
        if len(argument) <= 3 and all(kind is constants.LITERAL for kind, _ in argument):
            return [chr(code) for _, code in argument]
        return None
    if operator is constants.SUBPATTERN and not argument[1]:
        return _products(list(argument[3]))
    if operator is constants.BRANCH:
        branches = [_products(list(branch)) for branch in argument[1]]
        texts = [text for branch in branches for text in branch or ()]
        return texts if all(branches) and len(texts) <= _MOST_PRODUCTS else None
    if operator is constants.MAX_REPEAT and argument[:2] == (0, 1):
        once = _products(list(argument[2]))
        return ["", *once] if once else None
    return None


def _products(items: list[Any]) -> list[str] | None:
    texts = [""]
    for operator, argument in items:
        choices = _texts(operator, argument)
        if choices is None or len(texts) * len(choices) > _MOST_PRODUCTS:
            return None
        texts = [before + after for before in texts for after in choices]
    return texts


def _of_branches(branches: list[Any], any_case: bool) -> frozenset[Literal] | None:
    together: set[Literal] = set()
    for branch in branches:
        inner = _of_sequence(list(branch), any_case)
        if not inner:
            return None
        together |= inner
    return frozenset(together)
