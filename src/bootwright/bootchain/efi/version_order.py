"""How versions are ordered by the Version Format Specification (UAPI.10), as systemd-boot does it."""

from __future__ import annotations

import re

_SEGMENT = re.compile(r"[0-9]+|[A-Za-z]+|[~^.-]")


def compare(first: str, other: str) -> int:
    """Below 0 where `one` is older, above 0 where it is newer, 0 where they are equal.

    Characters that are no ASCII letter, digit or one of `.-~^` only separate. `~` sorts below everything,
    the end of the string included; then comes the end; then `-`, `^`, `.`; then letters, then numbers.
    Step by step as strverscmp_improved does it (src/fundamental/string-util-fundamental.c, systemd 257).
    """
    sides = (_Side(_SEGMENT.findall(first)), _Side(_SEGMENT.findall(other)))
    left, right = sides
    while True:
        order = _marked("~", *sides)
        if order:
            return order
        if not left.next or not right.next:
            return bool(left.next) - bool(right.next)
        order = _marked("-", *sides) or _marked("^", *sides) or _marked(".", *sides)
        order = order or _segments(left.segment(), right.segment())
        if order:
            return order


class _Side:
    """What is left of a version."""

    def __init__(self, parts: list[str]) -> None:
        self._parts = parts
        self._at = 0

    @property
    def next(self) -> str:
        """The next part, empty at the end."""
        return self._parts[self._at] if self._at < len(self._parts) else ""

    def step(self) -> None:
        """Go on behind it."""
        self._at += 1

    def segment(self) -> str:
        """Take the letters or digits that come next; empty where none do."""
        part = self.next
        if not part.isalnum():
            return ""
        self._at += 1
        return part


def _marked(mark: str, left: _Side, right: _Side) -> int:
    """The side with the mark is the older one; where both have it, go on behind it."""
    if mark not in {left.next, right.next}:
        return 0
    if left.next != right.next:
        return -1 if left.next == mark else 1
    left.step()
    right.step()
    return 0


def _segments(left: str, right: str) -> int:
    if left.isdigit() != right.isdigit():
        return 1 if left.isdigit() else -1
    if left.isdigit():
        left, right = left.lstrip("0"), right.lstrip("0")
        if len(left) != len(right):
            return 1 if len(left) > len(right) else -1
    return (left > right) - (left < right)
