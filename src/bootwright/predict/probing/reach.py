"""Which functions a walk goes into: those that ask for something, themselves or by what they call."""

from __future__ import annotations

from collections.abc import Iterable

from bootwright.formats.code.linked_code import Code
from bootwright.predict.probing.calls import Calls

DEEPEST = 5
"""Calls within calls that are walked into."""
NEAR = 512 << 10
"""Bytes: an Image's functions are walked into when they are near, as those of one folder are."""
_LONGEST = 64 << 10
"""Bytes of a function that is looked through."""


class Asking:
    """Looks functions up, each once."""

    def __init__(self, code: Code, calls: Calls, registers: Iterable[str] = ()) -> None:
        """`registers` are functions that count as well (`Entry.registers`)."""
        self._code = code
        answered = (calls.by_name, calls.match_data, calls.match_entry, calls.of_resource, registers)
        self._answered = {name for names in answered for name in names}
        self._known: dict[int, bool] = {}

    def asks(self, function: int, depth: int = DEEPEST) -> bool:
        """Whether the function at an address does."""
        known = self._known.get(function)
        if known is not None:
            return known
        self._known[function] = False  # a circle adds nothing
        reached = False
        code = self._code
        for pc in range(function, min(code.end(function), function + _LONGEST), 4):
            word = code.word(pc)
            if word is None:
                break
            if word & 0x7C000000 != 0x14000000:
                continue
            target = code.target(pc, word)
            name = code.name(target)
            if name in self._answered or (
                name is not None
                and depth > 0
                and code.has_body(target)
                and (not code.is_large or abs(target - function) < NEAR)
                and self.asks(target, depth - 1)
            ):
                reached = True
                break
        self._known[function] = reached
        return reached
