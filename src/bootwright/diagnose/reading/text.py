"""Bytes as captured to whole, clean lines in bounded blocks, with the line numbers of the file.

Terminal escapes, NULs and carriage returns go; lines that a terminal or a mail program wrapped are joined
again; a line without an end is cut into pieces. Nothing is decoded: bytes that are not UTF-8 do no harm here.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate, pairwise
from typing import Final

from attrs import define, field, frozen

from bootwright.diagnose.reading import prefix
from bootwright.diagnose.reading.patterns import holds

BLOCK = 1 << 20
"""Bytes looked at in one go."""

_LINE_END = 256
"""Bytes at the end of a block that are nearly always not all blank."""
_SAMPLE = 1 << 16
"""Bytes that are looked at to see whether a terminal wrapped the lines."""
_LINES_OF_MAIL: Final = 20
_LEAST_BROKEN: Final = 5
_NARROWEST_MAIL: Final = 60
_WIDEST_MAIL: Final = 100
"""Lines, broken ones among them, and columns (RFC 5322 section 2.1.1 asks for 78) of a log in a mail."""
_MOST_PARTS = 16
"""Lines of the terminal that one message may take."""

# ECMA-48 control sequences, OSC strings, charset selections, and what a lone ESC leaves behind.
_SEQUENCE = re.compile(
    rb"(?P<move>\[[0-9;]{0,16}[HfABCDGd])|\[[0-?]{0,32}[ -/]{0,4}[@-~]"
    rb"|\][^\x07\x1b\n]{0,512}\x07?|[()*+#][0-9A-Za-z]|[ -~]"
)
# A paste that lost the ESC byte or shows it as two characters: `[0;32m`, `[0m`, `^[[2J`.
_SHOWN_ESCAPE = re.compile(rb"\^\[\[[0-9;?]{0,12}[A-Za-z]")
_LOST_ESCAPE = re.compile(rb"\[(?:\d{1,2}(?:;\d{1,3}){1,4}|0?)m")
_ENDS_COLOUR = holds(rb"\[0m")
"""Where one of those is, so is the end of a colour."""
_MANY = 1 / 2000
"""Marks of colours in a byte of text above which all of it is looked at, not the lines that have them."""
_NOISE = bytes(code for code in range(32) if code not in (0x08, 0x09, 0x0A, 0x1B)) + b"\x7f"
_NO_BREAK = "\N{NO-BREAK SPACE}".encode()
"""What web pages and mail programs make of the spaces in a time stamp."""
_HAS_NO_BREAK = holds(_NO_BREAK)


@define(eq=False)
class Block:
    """Some whole lines, clean."""

    text: bytes
    first_line: int
    """Number of the first line, from 1."""
    joins: tuple[int, ...] = ()
    """Offsets where a wrapped line was joined: each counts one line more."""
    _split: list[bytes] | None = field(default=None, init=False, repr=False)
    _numbers: list[int] = field(factory=list, init=False, repr=False)
    """Of each line, where some were joined."""
    _newlines: int | None = field(default=None, init=False, repr=False)

    @property
    def lines(self) -> list[bytes]:
        """The lines without their ends; after a last line end comes an empty one."""
        if self._split is None:
            self._split = self.text.split(b"\n")
        return self._split

    @property
    def is_split(self) -> bool:
        """Whether somebody asked for `lines`."""
        return self._split is not None

    @property
    def padded(self) -> bytes:
        """The text with blank lines after those that were joined: its lines count as the file's do."""
        if not self.joins:
            return self.text
        padded = []
        start = 0
        for line in self.lines:
            end = start + len(line) + 1
            padded.append(line + b"\n" * self.extra_lines(start, end))
            start = end
        return b"\n".join(padded)

    @property
    def newlines(self) -> int:
        """Line ends in the text; cheap once `lines` was asked for."""
        if self._newlines is None:
            self._newlines = self.text.count(b"\n") if self._split is None else len(self._split) - 1
        return self._newlines

    @property
    def last_line(self) -> int | None:
        """Number of the last line that is not blank; None where all are."""
        text = self.text
        end = text[-_LINE_END:]
        # Stripping all of the text would copy it.
        stripped = len(text) - len(end) + len(end.rstrip()) if end.strip() else len(text.rstrip())
        if not stripped:
            return None
        before = self.newlines - self.text.count(b"\n", stripped)
        return self.first_line + before + self.extra_lines(0, stripped + 1)

    def before(self, line: int, most: int, earlier: bytes) -> bytes:
        """Up to `most` lines before that line; `earlier` stands before the block."""
        index = self._index(line)
        before = b"\n".join([*self.lines[max(0, index - most) : index], b""])
        return before if index >= most else earlier + before

    def since(self, line: int, most: int) -> bytes:
        """Up to `most` lines from that line on."""
        index = self._index(line)
        return b"\n".join(self.lines[index : index + most])

    def _index(self, line: int) -> int:
        if not self.joins:
            return line - self.first_line
        if not self._numbers:
            starts = accumulate((len(text) + 1 for text in self.lines), initial=0)
            self._numbers = [
                self.first_line + count + self.extra_lines(0, start) for count, start in enumerate(starts)
            ]
        return bisect_left(self._numbers, line)

    def extra_lines(self, start: int, end: int) -> int:
        """Lines of the file between two offsets beyond those with a newline in `text`."""
        if not self.joins:
            return 0
        return bisect_left(self.joins, end) - bisect_left(self.joins, start)


@frozen
class Wrapping:
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


class Cleaner:
    """Takes bytes as they come, gives blocks of whole lines."""

    def __init__(self) -> None:
        self._rest = b""
        self._line = 1
        self._wrapping: Wrapping | None = None
        self._sample = b""
        self._next_look = 1

    @property
    def lines(self) -> int:
        """Lines given so far."""
        return self._line - 1

    def feed(self, data: bytes) -> Iterator[Block]:
        """Blocks of the whole lines in what came so far."""
        if len(self._sample) < _SAMPLE:
            self._sample += data[: _SAMPLE - len(self._sample)]
            # Looked at again only when it has doubled, or small pieces would cost the square of their number.
            if len(self._sample) >= self._next_look:
                self._next_look = 2 * len(self._sample)
                self._wrapping = wrapping_of(self._sample)
        data = self._rest + data if self._rest else data
        place = 0
        while True:
            end = len(data) if len(data) - place <= BLOCK else place + BLOCK
            cut = data.rfind(b"\n", place, end) + 1
            if cut == 0 and end - place == BLOCK:
                # A line longer than a block is cut where the block ends.
                cut = end
            if self._wrapping is not None and cut and end == len(data):
                cut = self._whole(data, place, cut, self._wrapping)
            if cut <= place:
                break
            yield from self._block(data[place:cut])
            place = cut
        self._rest = data[place:]

    def _whole(self, data: bytes, place: int, cut: int, wrapping: Wrapping) -> int:
        """Where the last line begins whose rest may still come."""
        for _ in range(_MOST_PARTS):
            start = max(place, data.rfind(b"\n", place, cut - 1) + 1)
            line = clean(data[start : cut - 1])
            if not wrapping.by_words and len(line) != wrapping.width:
                break
            cut = start
            if cut <= place or (wrapping.by_words and _begins_message(line)):
                break
        return cut

    def flush(self) -> Iterator[Block]:
        """What is left without a line end: the prompt a console waits at, the end of a file."""
        rest, self._rest = self._rest, b""
        if rest:
            yield from self._block(rest)

    def _block(self, data: bytes) -> Iterator[Block]:
        if b"\n" not in data and b"\r" in data:
            data = data.replace(b"\r", b"\n")
        text = clean(data)
        wrapping = self._wrapping
        block = Block(text, self._line) if wrapping is None else _joined(text, self._line, wrapping)
        yield block
        # Counted afterwards, when whoever took the block may have split it already.
        self._line += block.newlines + len(block.joins)
        # The rest of a line that was cut because it is too long is not another one.
        self._line += len(data) < BLOCK and not data.endswith(b"\n")


def clean(data: bytes) -> bytes:
    """The same lines without escapes, NULs and carriage returns; line ends stay where they are."""
    if b"\x1b" in data:
        data = _without_escapes(data)
    # A rare byte first: looking for one costs a fraction of looking for several in a row.
    if b"^" in data and b"^[[" in data:
        data = _SHOWN_ESCAPE.sub(b"", data)
    if _NO_BREAK[:1] in data and _HAS_NO_BREAK(data):
        data = data.replace(_NO_BREAK, b" ")
    if _ENDS_COLOUR(data):
        data = _without_lost_escapes(data)
    if b"\x08" in data:
        data = _changed(data, (b"\x08",), _typed_over)
    # Looking is cheaper than translating; what else there may be of control characters is shown as �.
    if b"\r" in data or b"\0" in data or b"\x07" in data or b"\x7f" in data:
        return data.translate(None, _NOISE)
    return data


def _without_escapes(data: bytes) -> bytes:
    out: list[bytes] = []
    place = 0
    at = data.find(b"\x1b")
    while at >= 0:
        out.append(data[place:at])
        place = at + 1
        match = _SEQUENCE.match(data, place)
        if match is not None:
            if match["move"]:
                out.append(b" ")
            place = match.end()
        at = data.find(b"\x1b", place)
    out.append(data[place:])
    return b"".join(out)


def _without_lost_escapes(data: bytes) -> bytes:
    # Looking at every bracket of a log costs more than finding the few lines that hold a colour.
    marks = (b"[0m", b"[m", b";")
    if sum(map(data.count, marks)) > _MANY * len(data):
        return _LOST_ESCAPE.sub(b"", data)
    return _changed(data, marks, lambda line: _LOST_ESCAPE.sub(b"", line))


def _changed(data: bytes, marks: Iterable[bytes], change: Callable[[bytes], bytes]) -> bytes:
    """The text with only those lines changed that hold one of the marks."""
    ends: dict[int, int] = {}
    for mark in marks:
        at = data.find(mark)
        while at >= 0:
            start = data.rfind(b"\n", 0, at) + 1
            end = data.find(b"\n", at)
            ends[start] = end = len(data) if end < 0 else end
            at = data.find(mark, end)
    out: list[bytes] = []
    place = 0
    for start, end in sorted(ends.items()):
        out += (data[place:start], change(data[start:end]))
        place = end
    return b"".join((*out, data[place:]))


def _typed_over(line: bytes) -> bytes:
    shown = bytearray()
    for piece in line.split(b"\x08"):
        if shown:
            shown.pop()
        shown += piece
    return bytes(shown)


def wrap_width(sample: bytes) -> int | None:
    """The terminal width at which the lines of `sample` were wrapped, or None.

    Only where most messages carry a stamp: without stamps, a full line followed by another is just that.
    """
    lines = clean(sample).split(b"\n")
    if len(lines) > 1:
        lines.pop()
    width = max((len(line) for line in lines), default=0)
    if not 40 <= width <= 250 or len(lines) < 4:
        return None
    stamped = [_begins_message(line) for line in lines]
    full = continued = 0
    message = False  # whether the line before belongs to a message with a stamp and fills the terminal
    for number, line in enumerate(lines[:-1]):
        message = len(line) == width and (stamped[number] or message)
        full += len(line) == width
        continued += message and not stamped[number + 1] and lines[number + 1] != line
    if continued < 2 or continued < 0.7 * full or sum(stamped) < 0.5 * (len(lines) - continued):
        return None
    return width


def wrapping_of(sample: bytes) -> Wrapping | None:
    """How the lines of `sample` were broken; None where they are whole."""
    width = wrap_width(sample)
    if width is not None:
        return Wrapping(width)
    width = mail_width(sample)
    return Wrapping(width, by_words=True) if width is not None else None


def mail_width(sample: bytes) -> int | None:
    """The width to which a mail program broke the lines of `sample` between words, or None.

    Only where most messages carry a stamp, and nearly every line without one begins with a word that had no
    room in the line before.
    """
    lines = [line.rstrip() for line in clean(sample).split(b"\n")[:-1] if line.strip()]
    if len(lines) < _LINES_OF_MAIL:
        return None
    width = max((len(line) for line in lines if b" " in line), default=0)
    if not _NARROWEST_MAIL <= width <= _WIDEST_MAIL:
        return None
    rests = [(before, line) for before, line in pairwise(lines) if not _begins_message(line)]
    broken = sum(Wrapping(width, by_words=True).may_break(before, line) for before, line in rests)
    if broken < _LEAST_BROKEN or broken < 0.9 * len(rests) or 2 * len(rests) > len(lines):
        return None
    # Lines of one length would be broken by chance.
    short = sum(len(line) < 0.8 * width for line in lines if _begins_message(line))
    return width if short >= _LEAST_BROKEN else None


def _begins_message(line: bytes) -> bool:
    """Whether the line is no rest of the one before: it has a stamp, or a status as systemd prints it."""
    return line.lstrip().startswith(b"[") or prefix.is_stamped(line)


def _joined(text: bytes, first: int, wrapping: Wrapping) -> Block:
    out = bytearray()
    joins: list[int] = []
    before: bytes | None = None
    for line in text.split(b"\n"):
        if before is not None:
            goes_on = line and line != before and wrapping.may_break(before, line)
            if goes_on and not _begins_message(line):
                joins.append(len(out))
                out += b" " if wrapping.by_words else b""
            else:
                out += b"\n"
        out += line
        before = line
    return Block(bytes(out), first, tuple(joins))
