"""Lines that a terminal or a mail program broke: how long it let them become."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Final

from attrs import frozen

from bootwright.diagnose.reading import prefix

_NEARLY_ALL: Final = 0.9
_LONGEST_STAMP: Final = 20
"""Columns of a kernel's time and what may follow it, in which a mail program breaks no line."""
_LINES_OF_MAIL: Final = 20
_LEAST_BROKEN: Final = 5
_NARROWEST_MAIL: Final = 60
_WIDEST_MAIL: Final = 100
"""Lines, broken ones among them, and columns (RFC 5322 section 2.1.1 asks for 78) of a log in a mail."""
_NARROW: Final = 78
"""Columns that a terminal has at least, but that of a telephone, which is narrower than any mail."""


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
    terminal, mail = wrap_width(sample), mail_width(sample)
    if terminal is None:
        return Breaking(mail, by_words=True) if mail is not None else None
    if mail is not None and _goes_on_early(sample, terminal):
        return Breaking(mail, by_words=True)
    return Breaking(terminal, by_words=_NARROWEST_MAIL <= terminal < _NARROW)


def _goes_on_early(sample: bytes, width: int) -> bool:
    """Whether lines that were not full go on too: no terminal breaks those, a mail program does."""
    lines = sample.split(b"\n")
    early = sum(
        len(before) != width and bool(line.strip()) and not begins_message(line)
        for before, line in pairwise(lines)
    )
    return early >= _LEAST_BROKEN


def mail_width(sample: bytes) -> int | None:
    """The width to which a mail program broke the lines of `sample` between words, or None.

    Each line that goes on says between which widths it was broken: what stands before it had room, its first
    word had none. Only where most messages carry a stamp, nearly all that go on agree, and nearly no longer
    line was left whole.
    """
    lines = [line.rstrip() for line in sample.split(b"\n")[:-1] if line.strip()]
    begins = [begins_message(line) for line in lines]
    rests = [place for place in range(1, len(lines)) if not begins[place]]
    if len(lines) < _LINES_OF_MAIL or len(rests) < _LEAST_BROKEN or 2 * len(rests) > len(lines):
        return None
    agree: Counter[int] = Counter()
    for place in rests:
        before, (word, _, _) = len(lines[place - 1]), lines[place].lstrip().partition(b" ")
        agree.update(range(max(before, _NARROWEST_MAIL), min(before + len(word), _WIDEST_MAIL) + 1))
    whole = Counter(len(line) for line in lines if b" " in line[_LONGEST_STAMP:_NARROWEST_MAIL])
    longer = {width: sum(count for length, count in whole.items() if length > width) for width in agree}
    width = max(agree, key=lambda width: (agree[width] - longer[width], -width), default=0)
    broken = agree[width]
    if broken < max(_LEAST_BROKEN, _NEARLY_ALL * len(rests)) or longer[width] > (1 - _NEARLY_ALL) * broken:
        return None
    # Lines of one length would be broken by chance.
    short = sum(len(line) < 0.8 * width for line, whole_one in zip(lines, begins, strict=True) if whole_one)
    return width if short >= _LEAST_BROKEN else None


def begins_message(line: bytes) -> bool:
    """Whether the line is no rest of the one before: it has a stamp, or a status as systemd prints it."""
    return line.lstrip().startswith(b"[") or prefix.is_stamped(line)
