"""How far a system got whose messages are not read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bootwright.diagnose.judging.shapes import speaks_of_error
from bootwright.diagnose.judging.state import BootState
from bootwright.diagnose.model import STAGES
from bootwright.diagnose.reading.tail import LastLine

_LINUX: Final = "@kernel/version"
"""The milestone that shows which kernel runs."""
_ROOT: Final = STAGES.index("root")
_LAST_WORDS: Final = 3
"""Lines at the end that no error stands in where it went on."""


def is_linux(state: BootState) -> bool:
    """Whether a Linux runs that only names another system."""
    return _LINUX in state.tallies


def is_up(state: BootState, lines: Sequence[LastLine]) -> bool:
    """Whether it came up as far as can be told, and has no error to tell of since or at the end.

    It has its root, or its programs log.
    """
    _, ready = state.stage_lines.get("ready", (0, 0))
    after = [line for line in lines if line.number >= ready] if ready else lines[-_LAST_WORDS:]
    return (state.rank >= _ROOT or state.logged) and not any(speaks_of_error(line.text) for line in after)
