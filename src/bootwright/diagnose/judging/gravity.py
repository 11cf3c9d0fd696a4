"""How grave a kernel message is: by the level before it, else by that of its format in known kernels."""

from __future__ import annotations

import re
from typing import Final

from bootwright.diagnose.messages.speaker import speaker
from bootwright.diagnose.reading import prefix

_NAMES: Final = ("emerg", "alert", "crit", "err", "warn", "notice", "info", "debug")
"""As `dmesg -x` and `talosctl dmesg` write them (include/linux/kern_levels.h); three letters tell."""
_WRITTEN: Final = re.compile(
    rb"<(?P<priority>\d{1,3})>|\A(?P<extended>\d{1,3}),\d{1,12},\d{1,16},"
    rb"|(?:kern|user|daemon)\s*:\s*(?P<name>[a-z]{3,7})\s*:"
)
_LONGEST: Final = 120
"""Bytes of a line in which its level may stand."""
WARNING: Final = 4


def level_of(raw: bytes) -> int | None:
    """0 (emergency) to 7 (debug) of a line as it stands in the log; None where nothing tells."""
    match = _WRITTEN.search(raw, 0, _LONGEST)
    if match is not None:
        number = match["priority"] or match["extended"]
        if number is not None:
            return int(number) & 7
        name = match["name"].decode()
        return next((level for level, known in enumerate(_NAMES) if known[:3] == name[:3]), None)
    said_by = speaker(prefix.split(raw).text)
    return said_by.levels[0] if said_by is not None and said_by.levels else None


def is_grave(raw: bytes) -> bool:
    """Whether it is a warning or worse, as far as anything tells."""
    level = level_of(raw)
    return level is None or level <= WARNING


def is_kernels(text: bytes) -> bool:
    """Whether a line without stamp has a format of a kernel."""
    return speaker(text) is not None
