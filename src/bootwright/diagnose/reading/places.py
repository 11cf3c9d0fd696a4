"""Where literals stand in a text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from bootwright.diagnose.reading.grams import LiteralIndex
from bootwright.diagnose.reading.literals import Literal
from bootwright.diagnose.reading.patterns import ANYWHERE, HAVE_RE2, matcher, quoted

_FEW = 4
"""Literals that are found sooner one after the other: of a single one re2 compares many bytes at a time."""
_SHORT = 1 << 16
"""Bytes that are searched without an automaton: as long as making it takes."""


def automaton(literals: Sequence[Literal], *, use_re2: bool) -> Any:  # noqa: ANN401
    """The search (`patterns.matcher`) for any of the literals; None without re2, or where there are none."""
    if not (use_re2 and HAVE_RE2 and literals):
        return None
    # Where two begin at one place the longer is taken, so that a saturated short one hides nothing.
    wanted = sorted(literals, key=lambda literal: -len(literal.text))
    return matcher(b"|".join(quoted(literal) for literal in wanted))


class LiteralSearch:
    """Looks for any of some literals; made ready when it is first needed."""

    def __init__(self, literals: Sequence[Literal], *, use_re2: bool) -> None:
        self._literals = literals
        self._use_re2 = use_re2 and HAVE_RE2 and bool(literals)
        self._searches: list[Any] = []
        self._index: LiteralIndex | None = None
        self._left = _SHORT

    def places(self, text: bytes) -> Iterable[int]:
        """Offsets in ascending order, at least one for each line that holds a literal."""
        if not self._use_re2:
            return places_by_find(text, self._literals)
        if not self._searches and len(text) <= self._left and len(self._literals) > _FEW:
            self._left -= len(text)
            self._index = self._index or LiteralIndex(self._literals)
            return places_by_find(text, [self._literals[number] for number in self._index.held(text)])
        if not self._searches:
            apart = len(self._literals) <= _FEW
            groups = [[literal] for literal in self._literals] if apart else [self._literals]
            self._searches = [automaton(group, use_re2=True) for group in groups]
        if len(self._searches) == 1:
            return _places(text, self._searches[0])
        return sorted({place for search in self._searches for place in _places(text, search)})

    def lines(self, text: bytes) -> list[int]:
        """Numbers (from 0) of the lines that hold a literal."""
        return _lines_of(text, self.places(text))


def _places(text: bytes, search: Any) -> Iterator[int]:  # noqa: ANN401
    """Offsets of what an automaton finds, one for each line that holds any."""
    length, place = len(text), 0
    while True:
        start, stop = search(ANYWHERE, text, place, length)[0]
        if start < 0:
            return
        yield start
        place = text.find(b"\n", stop)
        if place < 0:
            return


def places_by_find(text: bytes, literals: Iterable[Literal]) -> list[int]:
    """Offsets of literals, at least one for each line that holds any."""
    places: set[int] = set()
    lower: bytes | None = None
    for literal in literals:
        if literal.any_case:
            lower = text.lower() if lower is None else lower
        where = lower if literal.any_case and lower is not None else text
        place = where.find(literal.text)
        while place >= 0:
            places.add(place)
            newline = where.find(b"\n", place)
            place = where.find(literal.text, newline) if newline >= 0 else -1
    return sorted(places)


def _lines_of(text: bytes, places: Iterable[int]) -> list[int]:
    """Numbers (from 0) of the lines that offsets in ascending order lie in."""
    numbers: list[int] = []
    number = counted = 0
    for place in places:
        number += text.count(b"\n", counted, place)
        counted = place
        if not numbers or numbers[-1] != number:
            numbers.append(number)
    return numbers
