"""Failed attempts at what a boot has to get (a kernel, a root file system), whatever their words.

A line with the form of an error that names the thing (`data/boot-needs/*.toml`) is such an attempt. Whether
it was the last one and the thing never came is for the signatures to say: they know which stage shows that.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final

from attrs import define, field, frozen

from bootwright.diagnose.closer.report_forms import PATTERNS
from bootwright.diagnose.judging.shapes import speaks_of_error
from bootwright.diagnose.judging.state import BootState, Occurrence
from bootwright.diagnose.reading.patterns import printable
from bootwright.diagnose.reading.voice import LOADER, OWN_CLOCK
from bootwright.foundation.knowledge import Kind
from bootwright.foundation.structure import STEM, key

PREFIX: Final = "@need/"
_KEPT: Final = 4
"""Attempts shown, the last ones."""


@frozen(kw_only=True)
class BootNeed:
    """A table `[[need]]`."""

    name: str
    words: tuple[re.Pattern[bytes], ...] = field(metadata=PATTERNS)
    """Nouns by which a line names it."""
    speakers: frozenset[str]
    """Who tries to get it (`voice.SPEAKERS`); a line that does not tell its speaker may be theirs."""


@frozen(kw_only=True)
class BootNeeds:
    """`boot-needs/NAME.toml`."""

    name: str = field(default="", metadata=STEM)
    source: str
    needs: tuple[BootNeed, ...] = field(metadata=key("need"))


BOOT_NEEDS = Kind("boot-needs", "what a boot has to get", BootNeeds)


@cache
def boot_needs() -> tuple[BootNeed, ...]:
    """All of them. Raises `Malformed` for a file that is not right."""
    return tuple(need for file in BOOT_NEEDS.all().values() for need in file.needs)


@define
class FailedAttempts:
    """Reads the messages of one boot in order."""

    _attempts: dict[str, list[Occurrence]] = field(factory=dict)
    _counts: dict[str, int] = field(factory=dict)
    _last: dict[str, bytes] = field(factory=dict)

    def read(self, number: int, raw: bytes, text: bytes, voice: str) -> None:
        """Look at a message of `voice`."""
        voice = LOADER if voice in OWN_CLOCK else voice
        for need in boot_needs():
            if voice and voice not in need.speakers:
                continue
            if any(words.search(text) is not None for words in need.words) and speaks_of_error(text):
                attempts = self._attempts.setdefault(need.name, [])
                attempts.append(Occurrence(number, raw))
                del attempts[:-_KEPT]
                self._counts[need.name] = self._counts.get(need.name, 0) + 1
                self._last[need.name] = text

    @property
    def any(self) -> bool:
        """Whether an attempt failed."""
        return bool(self._attempts)

    def tell(self, state: BootState) -> None:
        """Let the state know which attempts failed."""
        for name, attempts in self._attempts.items():
            event = f"{PREFIX}{name}"
            state.tallies.pop(event, None)
            facts = (("what", printable(self._last[name])[:160]),)
            state.count_all(event, facts, attempts, self._counts[name])
