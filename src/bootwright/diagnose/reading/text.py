"""Bytes as captured to whole, clean lines in bounded blocks, with the line numbers of the file.

Terminal escapes, NULs, carriage returns and what a capturing tool put before every line go; lines that a
terminal or a mail program broke are joined again, and errors with reasons that stand below them; a line
without an end is cut into pieces. Nothing is decoded: bytes that are not UTF-8 do no harm here.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate

from attrs import define, field

from bootwright.diagnose.reading.capture.breaking import Breaking, begins_message, breaking_of
from bootwright.diagnose.reading.capture.reasons import is_head, reason_in, with_reasons
from bootwright.diagnose.reading.capture.wrapper import Banner, wrapper_of
from bootwright.diagnose.reading.patterns import holds

BLOCK = 1 << 20
"""Bytes looked at in one go."""

_LINE_END = 256
"""Bytes at the end of a block that are nearly always not all blank."""
_SAMPLE = 1 << 16
"""Bytes that are looked at to see what was done to the lines."""
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
_ESCAPE_AS_A_CHARACTER = tuple(
    f"{character}[".encode() for character in "\N{LEFTWARDS ARROW}\N{SYMBOL FOR ESCAPE}"
)
"""What a DOS code page, or a program that shows control characters, makes of ESC."""
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


class Cleaner:
    """Takes bytes as they come, gives blocks of whole lines."""

    def __init__(self, banner: Banner | None = None) -> None:
        """`banner` helps to see what a tool put before every line (`wrapper.wrapper_of`)."""
        self._rest = b""
        self._line = 1
        self._banner = banner
        self._wrapper: re.Pattern[bytes] | None = None
        self._breaking: Breaking | None = None
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
                sample = clean(self._sample)
                self._wrapper = wrapper_of(sample, banner=self._banner)
                self._breaking = breaking_of(self._unwrapped(sample))
        data = self._rest + data if self._rest else data
        place = 0
        while True:
            end = len(data) if len(data) - place <= BLOCK else place + BLOCK
            cut = data.rfind(b"\n", place, end) + 1
            if cut == 0 and end - place == BLOCK:
                # A line longer than a block is cut where the block ends.
                cut = end
            if self._breaking is not None and cut and end == len(data):
                cut = self._whole(data, place, cut, self._breaking)
            if cut > place:
                held = self._with_reason(data, place, cut)
                cut = held if held > place or len(data) - place <= BLOCK else cut
            if cut <= place:
                break
            yield from self._block(data[place:cut])
            place = cut
        self._rest = data[place:]

    def _whole(self, data: bytes, place: int, cut: int, breaking: Breaking) -> int:
        """Where the last line begins whose rest may still come."""
        for _ in range(_MOST_PARTS):
            start = max(place, data.rfind(b"\n", place, cut - 1) + 1)
            line = self._unwrapped(clean(data[start : cut - 1]))
            if not breaking.by_words and len(line) != breaking.width:
                break
            cut = start
            if cut <= place or (breaking.by_words and begins_message(line)):
                break
        return cut

    def _with_reason(self, data: bytes, place: int, cut: int) -> int:
        """Where an error begins whose reasons may still come; `cut` where the last line is none of one."""
        end = cut
        for _ in range(_MOST_PARTS):
            start = max(place, data.rfind(b"\n", place, end - 1) + 1)
            line = self._unwrapped(clean(data[start : end - 1]))
            if is_head(line):
                cut = start
            elif reason_in(line) is None:
                break
            if start <= place:
                break
            end = start
        return cut

    def flush(self) -> Iterator[Block]:
        """What is left without a line end: the prompt a console waits at, the end of a file."""
        rest, self._rest = self._rest, b""
        if rest:
            yield from self._block(rest)

    def _block(self, data: bytes) -> Iterator[Block]:
        if b"\n" not in data and b"\r" in data:
            data = data.replace(b"\r", b"\n")
        text = self._unwrapped(clean(data))
        breaking = self._breaking
        joins: tuple[int, ...] = ()
        if breaking is not None:
            text, joins = _joined(text, breaking)
        text, joins = with_reasons(text, joins)
        block = Block(text, self._line, joins)
        yield block
        # Counted afterwards, when whoever took the block may have split it already.
        self._line += block.newlines + len(block.joins)
        # The rest of a line that was cut because it is too long is not another one.
        self._line += len(data) < BLOCK and not data.endswith(b"\n")

    def _unwrapped(self, text: bytes) -> bytes:
        return text if self._wrapper is None else self._wrapper.sub(b"", text)


def clean(data: bytes) -> bytes:
    """The same lines without escapes, NULs and carriage returns; line ends stay where they are."""
    # A rare byte first: looking for one costs a fraction of looking for several in a row.
    if _ESCAPE_AS_A_CHARACTER[0][:1] in data:
        for shown in _ESCAPE_AS_A_CHARACTER:
            data = data.replace(shown, b"\x1b[")
    if b"\x1b" in data:
        data = _without_escapes(data)
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


def _joined(text: bytes, breaking: Breaking) -> tuple[bytes, tuple[int, ...]]:
    """The text with its broken lines joined, and where they were."""
    out = bytearray()
    joins: list[int] = []
    before: bytes | None = None
    for line in text.split(b"\n"):
        if before is not None:
            goes_on = line and line != before and breaking.may_break(before, line)
            if goes_on and not begins_message(line):
                joins.append(len(out))
                # A mail program that lets others break lines anew leaves the space (RFC 3676).
                out += b" " if breaking.by_words and not out.endswith(b" ") else b""
            else:
                out += b"\n"
        out += line
        before = line
    return bytes(out), tuple(joins)
