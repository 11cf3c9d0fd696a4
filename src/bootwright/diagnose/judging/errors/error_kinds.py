"""Whether an error passes by itself: `data/error-kinds/*.toml`.

A boot says `connection refused` for seconds until the other side is up; `certificate signed by unknown
authority` it says until somebody mends it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache, cached_property, lru_cache
from typing import Final

from attrs import field, frozen

from bootwright.diagnose.judging.errors.errnos import parse_errno
from bootwright.diagnose.reading.expressions import NAMES
from bootwright.diagnose.signatures.model import ERROR_KINDS
from bootwright.foundation.knowledge import Kind
from bootwright.foundation.structure import LONE, STEM, key, written

_FACTS: Final = ("error", "why", "what")
"""Facts that hold the text of an error, the most telling first."""
_BEGIN: Final = 40
"""Characters by which an error is found again in its message."""
_REMEMBERED: Final = 1 << 10


def _kind(text: str) -> str:
    if text not in ERROR_KINDS:
        raise ValueError(f"one of {', '.join(ERROR_KINDS)}", text)
    return text


def _errnos(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if parse_errno(name) is None:
            raise ValueError("names of errno", name)
    return names


@frozen(kw_only=True, slots=False)
class ErrorWords:
    """A table `[[words]]`."""

    kind: str = field(metadata=written(str, _kind))
    """One of `ERROR_KINDS`."""
    said_by: str
    """Whose words these are."""
    errnos: tuple[str, ...] = field(default=(), metadata={**LONE, **written(tuple[str, ...], _errnos)})
    """Names such as `EACCES`; their messages are looked for."""
    patterns: tuple[re.Pattern[str], ...] = field(default=(), metadata=NAMES)
    """What the error says, in any case of letters unless it asks for one."""

    @cached_property
    def searched(self) -> tuple[re.Pattern[str], ...]:
        """`patterns`, and one of the messages of `errnos`."""
        messages = [re.escape(entry.meaning) for entry in map(parse_errno, self.errnos) if entry is not None]
        return (*self.patterns, *([re.compile(rf"(?i)\b(?:{'|'.join(messages)})\b")] if messages else ()))


@frozen(kw_only=True)
class ErrorKindsFile:
    """`error-kinds/NAME.toml`."""

    name: str = field(default="", metadata=STEM)
    source: str
    words: tuple[ErrorWords, ...] = field(metadata=key("words"))


ERROR_KIND_FILES = Kind("error-kinds", "which errors pass by themselves", ErrorKindsFile)


@cache
def _words() -> tuple[ErrorWords, ...]:
    """All of them. Raises `Malformed` for a file that is not right."""
    return tuple(words for file in ERROR_KIND_FILES.all().values() for words in file.words)


@lru_cache(maxsize=_REMEMBERED)
def kind_of_error(text: str) -> str:
    """One of `ERROR_KINDS`, or empty where nothing tells.

    Programs put what they did first and why it failed last (`pulling X: resolving Y: not found`): the words
    that end last decide.
    """
    last_end, kind = -1, ""
    for words in _words():
        for pattern in words.searched:
            for match in pattern.finditer(text):
                if match.end() > last_end:
                    last_end, kind = match.end(), words.kind
    return kind


def kind_in(facts: Mapping[str, str], message: str) -> str:
    """The kind of the error that an event tells of in `message`; empty where it tells of none.

    Facts are cut off where they are long, and why something failed stands at the end.
    """
    text = next((facts[name] for name in _FACTS if name in facts), "")
    start = message.find(text[:_BEGIN]) if text else -1
    return kind_of_error(message[start:] if start >= 0 else text)
