"""What a judgement may ask the lines of a boot for, where the log is short enough that they were kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from bootwright.diagnose.reading import prefix


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


def span(raws: Iterable[bytes]) -> float | None:
    """Seconds from the first to the last of these lines, by the clock of who spoke or a wall clock.

    A journal has a wall clock alone. None: no two of them tell a time.
    """
    messages = [prefix.split(raw) for raw in raws]
    for times in ([message.seconds for message in messages], [message.wall for message in messages]):
        known = [seconds for seconds in times if seconds is not None]
        if len(known) > 1:
            return max(known) - min(known)
    return None
