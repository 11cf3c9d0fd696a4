"""The last lines of a log, kept while it is read: how a log ends says how the boot ended."""

from __future__ import annotations

from attrs import define, frozen

from bootwright.diagnose.reading import prefix
from bootwright.diagnose.reading.text import Block
from bootwright.diagnose.reading.voice import voice_of

_KEPT = 1 << 16
"""Bytes."""
_LONGEST = 512
"""Bytes of a line that are looked at."""
_MOST = 600
"""Lines."""


@frozen
class LastLine:
    """One of them."""

    number: int
    raw: bytes
    text: bytes
    """Without its stamps."""
    voice: str
    seconds: float | None
    """On the kernel's clock; None where it has no such time."""
    wall: float | None
    """Seconds of wall-clock time; None likewise."""

    def seconds_to(self, later: LastLine) -> float | None:
        """By the kernel's clock or a wall clock; None where neither is in both lines."""
        if self.seconds is not None and later.seconds is not None:
            return later.seconds - self.seconds
        if self.wall is not None and later.wall is not None:
            return later.wall - self.wall
        return None


@define
class Tail:
    """The end of what was read so far."""

    _text: bytes = b""
    _first: int = 1

    def extend(self, block: Block) -> None:
        """More was read."""
        text = block.padded
        if len(text) < _KEPT:
            if self._text:
                joined = self._text + text
                cut = joined.find(b"\n", len(joined) - _KEPT) + 1 if len(joined) > _KEPT else 0
                self._first = self._first + joined.count(b"\n", 0, cut) if cut else self._first
                self._text = joined[cut:]
            else:
                self._text, self._first = text, block.first_line
        else:
            cut = text.find(b"\n", len(text) - _KEPT) + 1
            self._text = text[cut:]
            newlines = text.count(b"\n") if block.joins else block.newlines
            self._first = block.first_line + newlines - self._text.count(b"\n")

    def lines(self, since: int) -> list[LastLine]:
        """Lines that are not blank, from number `since` on, at most 600 of them."""
        raws = self._text.split(b"\n")
        start = max(0, since - self._first, len(raws) - 2 * _MOST)
        kept = [
            (self._first + index, raws[index][:_LONGEST])
            for index in range(start, len(raws))
            if raws[index].strip()
        ][-_MOST:]
        lines = []
        quoted = False
        for number, raw in kept:
            message = prefix.split(raw)
            text = message.text if message.text or quoted else _alone(raw)
            lines.append(LastLine(number, raw, text, voice_of(message), message.seconds, message.wall))
            quoted = raw.lstrip().startswith(b">")
        return lines


def _alone(raw: bytes) -> bytes:
    """A prompt of `>` alone, which behind a quoted line is the quotation of an empty one."""
    stripped = raw.strip()
    return stripped if stripped in {b">", b">>"} else b""
