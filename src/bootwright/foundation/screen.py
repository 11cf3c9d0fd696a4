"""How wide a text for a person is, and how high the screen that it is read on: every command asks here."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TextIO

LINE_WIDTH = 100
"""Columns of a text where nothing says how wide it may be: a log has no width of its own."""
MOST_COLUMNS = 120
"""Longer lines are hard to read, however wide the terminal is."""
_LEAST_COLUMNS = 40


def screen_size(stream: TextIO | None = None) -> tuple[int, int]:
    """(columns, lines) of the terminal behind `stream` (standard output); 0 for what nothing says.

    `$COLUMNS` and `$LINES` come first, as they do for a shell's own programs.
    """
    stream = sys.stdout if stream is None else stream
    columns, lines = 0, 0
    if stream.isatty():
        with contextlib.suppress(OSError, ValueError):
            columns, lines = os.get_terminal_size(stream.fileno())
    return _number("COLUMNS") or columns, _number("LINES") or lines


def line_width(otherwise: int = LINE_WIDTH) -> int:
    """Columns of a line of text: of the screen, within what can be read; `otherwise` where nothing says."""
    columns, _ = screen_size()
    return max(_LEAST_COLUMNS, min(columns or otherwise, MOST_COLUMNS))


def _number(variable: str) -> int:
    """What an environment variable says; 0 where it says no number."""
    text = os.environ.get(variable, "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 6 else 0
