"""How grave a kernel message is: by the level before it, else by that of its format in known kernels."""

from __future__ import annotations

from typing import Final

from bootwright.diagnose.messages.speaker import speaker
from bootwright.diagnose.reading import levels, prefix

WARNING: Final = 4


def level_of(raw: bytes) -> int | None:
    """0 (emergency) to 7 (debug) of a line as it stands in the log; None where nothing tells."""
    written = levels.level_of(raw)
    if written is not None:
        return written
    said_by = speaker(prefix.split(raw).text)
    return said_by.levels[0] if said_by is not None and said_by.levels else None


def is_grave(raw: bytes, *, least: int = WARNING) -> bool:
    """Whether it is of level `least` or worse, as far as anything tells."""
    level = level_of(raw)
    return level is None or level <= least


def is_kernels(text: bytes) -> bool:
    """Whether a line without stamp has a format of a kernel."""
    return speaker(text) is not None
