"""Which of many literals a short text holds: an automaton of them takes longer to make than a short log.

A literal is looked for only in a text that holds four certain bytes of it; the bytes in the middle tell most,
since many literals begin (`Failed to `) and end alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bootwright.diagnose.reading.literals import Literal

_GRAM: Final = 4
"""Bytes; a literal that is shorter is looked for in every text."""
_Index = dict[bytes, list[tuple[bytes, int]]]


class LiteralIndex:
    """The literals by some bytes of each."""

    def __init__(self, literals: Sequence[Literal]) -> None:
        self._exact: _Index = {}
        self._any_case: _Index = {}
        self._short: list[tuple[Literal, int]] = []
        for number, literal in enumerate(literals):
            text, any_case = literal
            middle = (len(text) - _GRAM) // 2
            if middle < 0:
                self._short.append((literal, number))
                continue
            index = self._any_case if any_case else self._exact
            index.setdefault(text[middle : middle + _GRAM], []).append((text, number))

    def held(self, text: bytes) -> list[int]:
        """Numbers of the literals that a text holds, in ascending order."""
        lower = text.lower()
        numbers = [
            number for (short, any_case), number in self._short if short in (lower if any_case else text)
        ]
        for where, index in ((text, self._exact), (lower, self._any_case)):
            if index:
                grams = {where[place : place + _GRAM] for place in range(len(where) - _GRAM + 1)}
                numbers += [
                    number
                    for gram in index.keys() & grams
                    for literal, number in index[gram]
                    if literal in where
                ]
        numbers.sort()
        return numbers
