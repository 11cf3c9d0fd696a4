"""Whether a first line of firmware, loader or kernel means that the machine has started again.

It does not where the kernel's clock goes on after it: coreboot prints the banner of its SMM handler while the
kernel runs, and `cat /proc/version` shows the kernel's.
"""

from __future__ import annotations

import re
from typing import Final

_STAMP: Final = re.compile(rb"[^\[\n]{0,80}\[ *(\d{1,8}\.\d{1,9})\](?!\[? *\d{1,4}\.\d{6})")
_NEAR: Final = 12
"""Lines before and after the line among which the kernel's clock is looked for."""
_RUNNING: Final = 0.5
"""Seconds: a clock that has got so far did not start with this line."""


def clock_goes_on(text: bytes, offset: int) -> bool:
    """Whether the kernel's clock goes on over the line at `offset` in `text`."""
    before = _before(text, offset)
    return before > 0.0 and _after(text, offset) >= max(before, _RUNNING)


def _before(text: bytes, end: int) -> float:
    """Seconds that the last line with a time shows, 0 where none is near."""
    for _ in range(_NEAR):
        if end <= 0:
            break
        start = text.rfind(b"\n", 0, end - 1) + 1
        match = _STAMP.match(text, start)
        if match is not None:
            return float(match[1])
        end = start
    return 0.0


def _after(text: bytes, place: int) -> float:
    for _ in range(_NEAR):
        place = text.find(b"\n", place) + 1
        if place == 0:
            break
        match = _STAMP.match(text, place)
        if match is not None:
            return float(match[1])
    return 0.0
