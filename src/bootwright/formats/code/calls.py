"""Which functions of the driver core a built-in driver calls, read from the machine code of its Image.

A module's imports say how it makes devices of child nodes and what it provides; a built-in driver has no
imports. Its probe function's direct calls (A64 `BL` and `B`, Arm ARM C6.2.25 and C6.2.33) are followed
through the functions near it. Limits: calls through pointers are not seen, and a path deeper than
`_DEPTH` or further away than `_NEAR` is not followed, so that a call found is there, and one not found may
still be.
"""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_right
from collections.abc import Iterable

from bootwright.formats.kernel.kallsyms import Symbols
from bootwright.formats.modules.module_facts import CALLS

_DEPTH = 4
_NEAR = 512 << 10
"""Bytes. Objects of one subsystem folder are linked side by side; helpers of the core are megabytes away."""
_MOST_FUNCTIONS = 400
_LONGEST_FUNCTION = 32 << 10
_MOST_CALLS = 2_000_000
"""Calls followed in one Image, all drivers together; Debian's 7.3 has 42,000."""


class CallFinder:
    """Follows calls in one Image; functions looked at once are remembered."""

    def __init__(self, image: bytes, symbols: Symbols) -> None:
        self._image = image
        self._base = symbols.base
        self._starts: list[int] = []
        wanted: dict[int, str] = {}
        known = set(CALLS)
        for address, kind, name in symbols:
            if kind in "tTW":
                if not self._starts or self._starts[-1] != address:
                    self._starts.append(address)
                plain = name.removeprefix("__").removeprefix("devm_")
                for form in (name, name.removeprefix("__"), plain, f"__{plain}"):
                    if form in known:
                        wanted[address] = form
        self._wanted = wanted
        self._targets: dict[int, tuple[int, ...]] = {}
        self._left = _MOST_CALLS

    def calls(self, entry_points: Iterable[int]) -> tuple[str, ...]:
        """Names out of `CALLS` that are called from the functions at these addresses."""
        names: dict[str, None] = {}
        seen: set[int] = set()
        level = [address for address in entry_points if self._is_function(address)]
        origins = level
        for _ in range(_DEPTH):
            following: list[int] = []
            for function in level:
                if function in seen:
                    continue
                seen.add(function)
                self._left -= len(self._called_by(function))
                for target in self._called_by(function):
                    name = self._wanted.get(target)
                    if name is not None:
                        names[name] = None
                    elif target not in seen and any(abs(target - origin) < _NEAR for origin in origins):
                        following.append(target)
            if len(seen) > _MOST_FUNCTIONS or self._left < 0:
                break
            level = following
        return tuple(sorted(names))

    def _is_function(self, address: int) -> bool:
        index = bisect_right(self._starts, address) - 1
        return index >= 0 and self._starts[index] == address

    def _called_by(self, function: int) -> tuple[int, ...]:
        known = self._targets.get(function)
        if known is not None:
            return known
        index = bisect_right(self._starts, function)
        end = self._starts[index] if index < len(self._starts) else function
        end = min(end, function + _LONGEST_FUNCTION)
        at = function - self._base
        raw = self._image[at : at + ((end - function) & ~3)] if at >= 0 else b""
        words = array("I", raw[: len(raw) & ~3])
        if sys.byteorder == "big":
            words.byteswap()
        targets: dict[int, None] = {}
        for position, word in enumerate(words):
            if word & 0x7C000000 == 0x14000000:  # B and BL: a signed offset of 26 bits, in words
                offset = (word & 0x3FFFFFF) - ((word & 0x2000000) << 1)
                target = function + 4 * (position + offset)
                if not function <= target < end:
                    targets[target] = None
        self._targets[function] = tuple(targets)
        return self._targets[function]
