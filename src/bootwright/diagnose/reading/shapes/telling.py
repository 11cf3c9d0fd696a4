"""Which shapes lines have that a pattern can match."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

from bootwright.diagnose.reading.literals import Literal
from bootwright.diagnose.reading.patterns import BAD_PATTERN, HAVE_RE2, Ask, Pattern, asking, literals_in
from bootwright.diagnose.reading.places import LiteralSearch
from bootwright.diagnose.reading.shapes.shape import is_verbatim, literal_shape, pattern_shape


class TellingShapes:
    """Looks at shapes by all patterns."""

    def __init__(self, patterns: Sequence[Pattern], *, use_re2: bool) -> None:
        self._patterns = patterns
        self._use_re2 = use_re2 and HAVE_RE2
        holders: dict[Literal, list[int]] = {}
        spelled: set[Literal] = set()
        for index, pattern in enumerate(patterns):
            for literal in pattern.literals:
                shape = literal_shape(literal)
                if shape is None:
                    # A blank at its end, which is everywhere, makes the search slow.
                    spelled.add(literal._replace(text=literal.text.rstrip() or literal.text))
                else:
                    holders.setdefault(shape, []).append(index)
        self._literals = sorted(holders)
        self._holders = [holders[literal] for literal in self._literals]
        self._asked: dict[int, Ask | None] = {}
        self.holding = LiteralSearch(self._literals, use_re2=use_re2)
        """What shapes hold of literals."""
        self.spelled_out = LiteralSearch(sorted(spelled), use_re2=use_re2)
        """Literals that are looked for in the text itself."""

    def can_match(self, shape: bytes) -> bool:
        """Whether a pattern can match a line of that shape, by a literal that is looked for in shapes."""
        if not is_verbatim(shape):
            return True
        numbers = self._set(shape)
        return any(self._can_match(index, shape) for number in numbers for index in self._holders[number])

    @cached_property
    def _set(self) -> Callable[[bytes], Sequence[int]]:
        return literals_in(self._literals, use_re2=self._use_re2)

    def _can_match(self, index: int, shape: bytes) -> bool:
        if index not in self._asked:
            self._asked[index] = self._ask(self._patterns[index].expression)
        ask = self._asked[index]
        return ask is None or ask(shape) is not None

    def _ask(self, expression: str) -> Ask | None:
        """None for a pattern whose shape cannot be told: it can match any."""
        try:
            return asking(pattern_shape(expression), use_re2=self._use_re2)
        except (*BAD_PATTERN, ValueError, RecursionError, OverflowError):
            return None
