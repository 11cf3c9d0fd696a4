"""Lines that a terminal or a mail program broke: how long it let them become."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

from attrs import frozen

from bootwright.diagnose.reading import prefix

_LINES_OF_MAIL: Final = 20
_LEAST_BROKEN: Final = 5
_NARROWEST_MAIL: Final = 60
_WIDEST_MAIL: Final = 100
"""Lines, broken ones among them, and columns (RFC 5322 section 2.1.1 asks for 78) of a log in a mail."""


@frozen
class Breaking:
    """How long lines were broken."""

    width: int
    """Columns of a line at most."""
    by_words: bool = False
    """By a mail program, between words; else by a terminal, where the line is full."""

    def may_break(self, before: bytes, line: bytes) -> bool:
        """Whether a line may be the rest of the one before, by what had room there."""
        if not self.by_words:
            return len(before) == self.width
        word, _, _ = line.lstrip().partition(b" ")
        return bool(before.strip()) and len(before.rstrip()) + 1 + len(word) > self.width


def wrap_width(sample: bytes) -> int | None:
    """The terminal width at which the lines of `sample` were broken, or None.

    `sample` is clean (`text.clean`).

    Only where most messages carry a stamp: without stamps, a full line followed by another is just that.
    """
    lines = sample.split(b"\n")
    if len(lines) > 1:
        lines.pop()
    width = max((len(line) for line in lines), default=0)
    if not 40 <= width <= 250 or len(lines) < 4:
        return None
    stamped = [begins_message(line) for line in lines]
    full = continued = 0
    message = False  # whether the line before belongs to a message with a stamp and fills the terminal
    for number, line in enumerate(lines[:-1]):
        message = len(line) == width and (stamped[number] or message)
        full += len(line) == width
        continued += message and not stamped[number + 1] and lines[number + 1] != line
    if continued < 2 or continued < 0.7 * full or sum(stamped) < 0.5 * (len(lines) - continued):
        return None
    return width


def breaking_of(sample: bytes) -> Breaking | None:
    """How the lines of `sample` were broken; None where they are whole."""
    width = wrap_width(sample)
    if width is not None:
        return Breaking(width)
    width = mail_width(sample)
    return Breaking(width, by_words=True) if width is not None else None


def mail_width(sample: bytes) -> int | None:
    """The width to which a mail program broke the lines of `sample` between words, or None.

    Only where most messages carry a stamp, and nearly every line without one begins with a word that had no
    room in the line before.
    """
    lines = [line.rstrip() for line in sample.split(b"\n")[:-1] if line.strip()]
    if len(lines) < _LINES_OF_MAIL:
        return None
    width = max((len(line) for line in lines if b" " in line), default=0)
    if not _NARROWEST_MAIL <= width <= _WIDEST_MAIL:
        return None
    rests = [(before, line) for before, line in pairwise(lines) if not begins_message(line)]
    broken = sum(Breaking(width, by_words=True).may_break(before, line) for before, line in rests)
    if broken < _LEAST_BROKEN or broken < 0.9 * len(rests) or 2 * len(rests) > len(lines):
        return None
    # Lines of one length would be broken by chance.
    short = sum(len(line) < 0.8 * width for line in lines if begins_message(line))
    return width if short >= _LEAST_BROKEN else None


def begins_message(line: bytes) -> bool:
    """Whether the line is no rest of the one before: it has a stamp, or a status as systemd prints it."""
    return line.lstrip().startswith(b"[") or prefix.is_stamped(line)
