"""What a judgement may ask the lines of a boot for, where the log is short enough that they were kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol


class Occurrence(NamedTuple):
    """Where an event was seen."""

    line: int
    raw: bytes


class KeptLines(Protocol):
    """The lines of one boot."""

    def around(self, line: int) -> Mapping[str, str]:
        """What the lines around the head of a kernel's report, in `line`, tell of it."""

    def longest_pause(self, first: int, last: int) -> float:
        """Seconds that the kernel was silent at most within these lines."""

    def before(self, line: int, module: str | None) -> Sequence[Occurrence]:
        """What the driver of a report (its module, or ""), or a loader (None), complained of first."""

    def own_words(self, line: int, unit: str) -> Sequence[Occurrence]:
        """What the program of a unit, which failed in a line, complained of before it."""

    def words_for(self, device: str) -> Sequence[str]:
        """What the lines tell of a device: its driver, what that is for, its name; empty where nothing."""
