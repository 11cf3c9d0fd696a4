"""A build's log: the error that came first, and what it is for want of."""

from __future__ import annotations

import re
from functools import cache

from attrs import field, frozen

from bootwright.foundation.knowledge import Kind
from bootwright.foundation.structure import STEM

# What compilers, linkers, modpost and make say (gcc 12, clang 19, binutils 2.40, make 4.3); `***` is make's
# own word that something before has failed, and counts only where nothing else does.
_ERRORS = (
    re.compile(r"^(?P<text>[^\s:][^:\n]*:\d+:(?:\d+:)? (?:[Ff]atal )?[Ee]rror: .*)$", re.MULTILINE),
    re.compile(r"^(?P<text>(?:.*: undefined reference to .*|ERROR: modpost: .*|FAILED.*))$", re.MULTILINE),
    re.compile(r"^(?P<text>(?:\S*ld(?:\.lld)?: error: .*|\S*: (?:fatal )?error: .*))$", re.MULTILINE),
    # scripts/kconfig: `fs/Kconfig:12: syntax error`; its warnings stop nothing.
    re.compile(r"^(?:\S+: )?(?P<text>\S*Kconfig[\w.-]*:\d+:(?! ?warning).*)$", re.MULTILINE),
    re.compile(r"^(?P<text>/bin/\w+: .*: (?:command )?not found)$", re.MULTILINE),
    re.compile(r"^(?P<text>.*: No such file or directory)$", re.MULTILINE),
)  # fmt: skip
_STOPPED = re.compile(r"^(?P<text>make(?:\[\d+\])?: \*\*\* .*|Makefile:\d+: \*\*\* .*)$", re.MULTILINE)
_MOST = 300


def first_error(log: str) -> str | None:
    """The first line of a log that says what is wrong; None where none does."""
    errors = [match for pattern in _ERRORS if (match := pattern.search(log)) is not None]
    first = min(errors, key=lambda match: match.start(), default=None) or _STOPPED.search(log)
    return first["text"].strip()[:_MOST] if first is not None else None


@frozen
class BuildFailure:
    """One file of `data/build-failures/`: words in a log, and what they are for want of."""

    name: str = field(metadata=STEM)
    pattern: re.Pattern[str]
    hint: str
    source: str


FAILURES = Kind("build-failures", "a failure of builds", BuildFailure)


def hint_for(log: str) -> str | None:
    """What to do about a log, where it is known."""
    return next((known.hint for known in _known() if known.pattern.search(log)), None)


@cache
def _known() -> tuple[BuildFailure, ...]:
    return tuple(FAILURES.all().values())
