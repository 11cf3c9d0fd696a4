"""What a boot has to get, and the nouns that name it: `data/boot-needs/*.toml`."""

from __future__ import annotations

import re
from functools import cache

from attrs import field, frozen

from bootwright.diagnose.reading.expressions import PATTERNS
from bootwright.foundation.knowledge import Kind
from bootwright.foundation.structure import STEM, key


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


def names_need(text: bytes) -> bool:
    """Whether a message (without its stamps) is about something that a boot has to get."""
    return any(words.search(text) is not None for need in boot_needs() for words in need.words)
