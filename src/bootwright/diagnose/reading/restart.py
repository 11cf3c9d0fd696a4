"""Whether a first line of firmware, loader or kernel means that the machine has started again.

It does not where the kernel's clock goes on after it: coreboot prints the banner of its SMM handler while the
kernel runs, and `cat /proc/version` shows the kernel's.
"""

from __future__ import annotations

import re
from typing import Final

_STAMP: Final = re.compile(rb"^[^\[\n]{0,80}\[ *(\d{1,8}\.\d{1,9})\](?!\[? *\d{1,4}\.\d{6})", re.MULTILINE)
_NEAR: Final = 1 << 14
"""Bytes before and after the line in which the kernel's clock is looked for."""
_RUNNING: Final = 0.5
"""Seconds: a clock that has got so far did not start with this line."""


def goes_on(text: bytes, offset: int, length: int) -> bool:
    """Whether the kernel's clock goes on over the line at `offset` in `text`."""
    after = _STAMP.search(text, offset, min(len(text), offset + length + _NEAR))
    if after is None or float(after[1]) < _RUNNING:
        return False
    start = text.rfind(b"\n", 0, max(0, offset - _NEAR)) + 1
    before = 0.0
    for match in _STAMP.finditer(text, start, offset):
        before = float(match[1])
    return 0.0 < before <= float(after[1])
