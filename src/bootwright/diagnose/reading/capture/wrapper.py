"""What a capturing tool puts before every line, whichever tool it is: found by its shape, and taken off.

`prefix.split` knows the forms of loggers by name. Test frameworks, CI services, container engines, terminal
programs and people number, date and name lines in ways nobody can list. What they have in common: nearly all
lines of the file begin alike but for the numbers in it, and what comes behind it is a log, by the kernel's
clock or the first line of a loader or kernel. Both are asked for, or a driver whose lines somebody picked out
would lose its name. Two forms tell by themselves, also before a few lines: numbers that rise from line to
line (`grep -n`, `cat -n`, `nl`), and a date before each of which a good part names nobody (`ts`), as every
line of a system log does.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Final

from bootwright.diagnose.reading import prefix

_LEAST_LINES: Final = 8
_MOST_LINES: Final = 400
"""Lines of the sample without which nothing shows what they have in common; that are looked at."""
_ALIKE: Final = 0.75
"""Share of the lines that begin alike: a tool's own report may stand before and behind what it captured."""
_STAMPED: Final = 3
"""Lines of a kernel's clock behind it that show that a log is wrapped."""
_LONGEST: Final = 120
"""Bytes of a line that may be the tool's."""
_TOKEN: Final = re.compile(
    rb"(?P<number>\d+)|(?P<word>[A-Za-z_]+)|(?P<space>[ \t]+)|(?P<mark>[^\sA-Za-z_\d])"
)
_LEVELS: Final = frozenset(
    b"trace debug info notice warn warning error err crit critical fatal emerg alert stdout stderr".split()
)
"""Words that change from line to line where a tool says how grave each one is, or where it came from."""
_CLOCK: Final = re.compile(rb"\[ *\d{1,7}\.\d{4,6}\]")

_FEWEST: Final = 3
"""Lines without which numbers or dates before them are their own."""
_COUNTED: Final = re.compile(rb"(?m)^[ \t]*(\d{1,7})(?::(?!\d\d\b)|\t|[ \t]*\r?$)")
_DATED: Final = re.compile(rb"(?m)^[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?: |$)")
_NAMES_NOBODY: Final = 0.25
"""Share of dated lines without the name of a program that no system log has."""

Banner = Callable[[bytes], bool]
"""Whether a line is the first one of a loader or kernel."""


def wrapper_of(sample: bytes, *, banner: Banner | None = None) -> re.Pattern[bytes] | None:
    """What matches the wrapper at the beginning of each of the lines of `sample`; None where they have none.

    `sample` is clean (`text.clean`); its last line may be cut off. Without `banner` only a kernel's clock
    tells that a log is wrapped.
    """
    lines = [line for line in sample.split(b"\n")[:-1] if line.strip()][:_MOST_LINES]
    if len(lines) < _LEAST_LINES:
        return _told_by_itself(lines)
    tokens = _common(lines)
    patterns = [
        re.compile(rb"(?m)^[ \t]*" + b"".join(tokens[: length + 1]) + rb"[ \t]?")
        for length in range(len(tokens))
    ]
    # The shortest: dates and names that a system log has of its own are alike in all lines too.
    unseen = [line for line in lines if not prefix.split(line, dated=False).kernel] if patterns else []
    stamped = [_before_kernel(unseen, pattern) for pattern in patterns] if len(unseen) >= _STAMPED else []
    most = max(stamped, default=0)
    if most >= _STAMPED:
        return next(pattern for pattern, count in zip(patterns, stamped, strict=True) if count == most)
    behind = (
        pattern for pattern in patterns if banner is not None and _before_banner(lines, pattern, banner)
    )
    return next(behind, None) or _told_by_itself(lines)


def _told_by_itself(lines: Sequence[bytes]) -> re.Pattern[bytes] | None:
    """What matches the numbers or dates before each of the lines."""
    if len(lines) < _FEWEST:
        return None
    numbers = [int(match[1]) for line in lines if (match := _COUNTED.match(line)) is not None]
    if len(numbers) == len(lines) and all(first < then for first, then in pairwise(numbers)):
        return _COUNTED
    if all(_DATED.match(line) is not None for line in lines):
        nobody = sum(prefix.split(line, dated=False).text == line.strip() for line in lines)
        # In a system log the same host stands there.
        said_first = Counter(_DATED.sub(b"", line).split(b" ")[0] for line in lines)
        same = max(said_first.values())
        return _DATED if nobody >= _NAMES_NOBODY * len(lines) and same < _ALIKE * len(lines) else None
    return None


def _common(lines: Sequence[bytes]) -> list[bytes]:
    """Expressions of the tokens with which nearly all lines begin, in their order."""
    rests = [(line.lstrip(b" \t")[:_LONGEST], 0) for line in lines]
    least = _ALIKE * len(lines)
    tokens: list[bytes] = []
    while True:
        matches = [match for line, place in rests if (match := _TOKEN.match(line, place)) is not None]
        kinds = Counter(_kind(match) for match in matches)
        kind, count = max(kinds.items(), key=lambda entry: entry[1], default=(b"", 0))
        if count < least:
            return tokens
        tokens.append(kind)
        rests = [(match.string, match.end()) for match in matches if _kind(match) == kind]


def _kind(match: re.Match[bytes]) -> bytes:
    """The expression of all tokens that count as the same one."""
    match match.lastgroup:
        case "number":
            return rb"\d+"
        case "space":
            return rb"[ \t]+"
        case "word" if match[0].lower() in _LEVELS:
            return rb"[A-Za-z]+"
        case _:
            return re.escape(match[0])


def _before_kernel(lines: Sequence[bytes], pattern: re.Pattern[bytes]) -> int:
    """How many of them are a kernel's by their stamps behind the wrapper."""
    rests = (line[match.end() :] for line in lines if (match := pattern.match(line)))
    return sum(_CLOCK.search(rest) is not None and prefix.split(rest, dated=False).kernel for rest in rests)


def _before_banner(lines: Sequence[bytes], pattern: re.Pattern[bytes], banner: Banner) -> bool:
    """Whether a loader or a kernel begins behind the wrapper, unseen with it."""
    return any(
        (match := pattern.match(line)) is not None
        and banner(line[match.end() :].lstrip())
        and not banner(prefix.split(line, dated=False).text)
        for line in lines
    )
