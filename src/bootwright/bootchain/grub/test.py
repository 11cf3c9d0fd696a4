"""GRUB's `test` command over values of which some are not known (grub-core/commands/test.c, GRUB 2.12)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

Value: TypeAlias = str | None
"""A word; None where it depends on what is not known."""

Size: TypeAlias = Callable[[str], int | None]
"""Bytes of a file, -1 where there is none, None where that is not known."""

_COMPARISONS: dict[str, Callable[[int, int], bool]] = {
    "-eq": lambda left, other: left == other,
    "-ne": lambda left, other: left != other,
    "-lt": lambda left, other: left < other,
    "-le": lambda left, other: left <= other,
    "-gt": lambda left, other: left > other,
    "-ge": lambda left, other: left >= other,
}
_MAX_DEPTH = 32


def decide(words: Sequence[Value], size: Size) -> bool | None:
    """Whether the command (`[ … ]`, `test …`, `true`, `false`, with `!` before it) succeeds.

    None where it depends on a value that is not known, or is another command.
    """
    if not words:
        return None
    if words[0] == "!":
        return _negated(decide(words[1:], size)) if len(words) <= _MAX_DEPTH else None
    if words[0] == "[":
        end = len(words) - 1 if words[-1] == "]" else len(words)
        return _either(list(words[1:end]), size, 0)
    if words[0] == "test":
        return _either(list(words[1:]), size, 0)
    return {"true": True, "false": False}.get(words[0] or "")


def _negated(answer: bool | None) -> bool | None:
    return None if answer is None else not answer


def _either(words: list[Value], size: Size, depth: int) -> bool | None:
    """`-o` of `-a` of conditions."""
    if depth > _MAX_DEPTH:
        return None
    answers = [
        _every([_one(part, size, depth) for part in _split(group, "-a")]) for group in _split(words, "-o")
    ]
    return True if True in answers else None if None in answers else False


def _every(answers: list[bool | None]) -> bool | None:
    return False if False in answers else None if None in answers else True


def _split(words: list[Value], at: str) -> list[list[Value]]:
    """The parts between the words `at` that are in no parentheses."""
    parts: list[list[Value]] = [[]]
    level = 0
    for word in words:
        level += (word == "(") - (word == ")")
        if word == at and level == 0:
            parts.append([])
        else:
            parts[-1].append(word)
    return parts


def _one(words: list[Value], size: Size, depth: int) -> bool | None:
    if not words:
        return False
    if words[0] == "!" and len(words) > 1:
        return _negated(_one(words[1:], size, depth + 1)) if depth <= _MAX_DEPTH else None
    if words[0] == "(" and words[-1] == ")":
        return _either(words[1:-1], size, depth + 1)
    if len(words) == 1:
        return None if words[0] is None else bool(words[0])
    if len(words) == 2:
        return _unary(words[0], words[1], size)
    if len(words) == 3:
        return _binary(*words)
    return None


def _unary(operator: Value, word: Value, size: Size) -> bool | None:
    if word is None:
        return None
    if operator in {"-n", "-z"}:
        return bool(word) is (operator == "-n")
    if operator in {"-e", "-f", "-s", "-d"}:
        bytes_of_file = size(word)
        # Whether a folder exists is only known where it holds files: undecided.
        return (
            None
            if bytes_of_file is None or (operator == "-d" and bytes_of_file < 0)
            else bytes_of_file > (operator == "-s") - 1
        )
    return None


def _binary(left: Value, operator: Value, other: Value) -> bool | None:
    if left is None or other is None:
        return None
    if operator in {"=", "=="}:
        return left == other
    if operator == "!=":
        return left != other
    compare = _COMPARISONS.get(operator or "")
    if compare is None:
        return None
    try:
        return compare(int(left, 0), int(other, 0))
    except ValueError:
        return None
