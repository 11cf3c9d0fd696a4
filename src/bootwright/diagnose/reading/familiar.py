"""Lines that were seen before, recognised by one dictionary look-up instead of a search.

Lines that come again byte by byte (a file put together from copies) are recognised by one look-up of
the whole line.
A board that restarts again and again, or a soak test, prints the same few thousand lines with other times
before them. A kernel's time stamp of the usual width (`[    1.234567]`, kernel/printk/printk.c
print_time, Linux 6.12) is left out of the comparison; lines with other stamps are compared whole.

Where most lines are new, remembering them costs more than it saves: then it is only tried now and again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import compress, repeat
from typing import Final, TypeAlias

from bootwright.diagnose.reading.patterns import Record

UNKNOWN: Final = False
"""In the place of a record: not seen before."""

Known: TypeAlias = Record | bool | None
"""What is known of a line: its record, None where it says nothing, or `UNKNOWN`."""

_MOST = 50_000
"""Lines remembered, with or without their stamps."""
_MOST_BYTES = 8 << 20
"""Of those lines, each way."""
_MOST_NEW = 0.5
"""Share of different new lines in a block above which remembering does not pay."""
_MOST_TELLING = 0.6
"""Share of lines that say something above which the search does better: it gives up on a flood."""
_FEW = 100
"""Lines in a block that tells nothing of what the next one is like."""
_SAMPLE = 64
_MOST_WHOLE = 0.9
"""Share of sampled lines that must be known as a whole before all are looked up so."""
_LONGEST_PAUSE = 64
"""Blocks."""
_WIDTH = len("[    0.000000]")
_SHAPE = b"[00000.000000]"
_DIGITS = bytes(0x30 if code == 0x20 or 0x30 <= code <= 0x39 else code for code in range(256))


class Familiar:
    """Remembers lines and what they say."""

    def __init__(self, *, longest: int) -> None:
        self._longest = longest
        self._stamped: dict[bytes, Record | None] = {}
        self._plain: dict[bytes, Record | None] = {}
        self._whole: dict[bytes, Record | None] = {}
        """Whole lines, with their stamps."""
        self._whole_credit = _MOST_BYTES
        """Bytes of lines put into `_whole` on the chance that they come again."""
        self._bytes = 0
        """Of what is remembered without stamps."""
        self._credit = _MOST
        """New lines that are learnt on the chance that they come again."""
        self._pause = 0
        self._left = 0

    @property
    def worth_trying(self) -> bool:
        """Whether to look into it for the next block; each time it is not, the end of the pause is nearer."""
        if self._left:
            self._left -= 1
            return False
        return True

    def recall(self, lines: Sequence[bytes]) -> list[Known]:
        """What is known of each line."""
        if self._repeats(lines):
            values: list[Known] = list(map(self._whole.get, lines, repeat(UNKNOWN)))
            if UNKNOWN in values:
                places = [index for index, value in enumerate(values) if value is UNKNOWN]
                for index, value in zip(
                    places, self._recall([lines[index] for index in places]), strict=True
                ):
                    values[index] = value
            return values
        return self._recall(lines)

    def _repeats(self, lines: Sequence[bytes]) -> bool:
        """Whether the lines, by a few of them, have all been seen as they are."""
        sample = lines[:: max(1, len(lines) // _SAMPLE)]
        return sum(map(self._whole.__contains__, sample)) > _MOST_WHOLE * len(sample)

    def _recall(self, lines: Sequence[bytes]) -> list[Known]:
        stamped, plain = self._stamped.get, self._plain.get
        return [
            stamped(line[_WIDTH:], UNKNOWN)
            if line[:_WIDTH].translate(_DIGITS) == _SHAPE
            else plain(line, UNKNOWN)
            for line in lines
        ]

    def learn(
        self,
        lines: Sequence[bytes],
        values: list[Known],
        look_at: Callable[[bytes], Iterable[tuple[int, Record]]],
    ) -> bool:
        """Replace every `UNKNOWN` in `values`: each different line is looked at once.

        `look_at` takes lines as one text and gives (number from 0, record) for some of them. Where this does
        not pay, it is left undone and the answer is False.
        """
        places: dict[tuple[bool, bytes], list[int]] = {}
        for index in [index for index, value in enumerate(values) if value is UNKNOWN]:
            line = lines[index]
            stamped = line[:_WIDTH].translate(_DIGITS) == _SHAPE
            places.setdefault((stamped, line[_WIDTH:] if stamped else line), []).append(index)
        if not self._pays(len(places), len(lines)):
            return False
        records: dict[int, Record] = {}
        for number, record in look_at(b"\n".join([lines[same[0]] for same in places.values()])):
            records[number] = record
            if len(records) > _MOST_TELLING * len(lines) + _FEW:
                self._credit = 0
                return self._pays(len(places), len(lines))
        if len(self._stamped) + len(self._plain) > _MOST or self._bytes > _MOST_BYTES:
            self._stamped.clear()
            self._plain.clear()
            self._bytes = 0
        for number, ((stamped, text), same) in enumerate(places.items()):
            known_record = records.get(number)
            if known_record is not None and not known_record.matches:
                known_record = None
            # Of a longer line only a window was seen.
            if len(text) < self._longest:
                (self._stamped if stamped else self._plain)[text] = known_record
                self._bytes += len(text)
            for index in same:
                values[index] = known_record
        return True

    def _pays(self, new: int, lines: int) -> bool:
        """Whether to learn so many new lines; if not, a pause begins."""
        if lines <= _FEW:
            return True
        if new <= _MOST_NEW * lines:
            self._credit, self._pause = _MOST, 0
            return True
        self._credit -= new
        if self._credit >= 0:
            return True
        self._pause = self._left = min(2 * self._pause or 1, _LONGEST_PAUSE)
        return False

    def telling(
        self, lines: Sequence[bytes], values: Sequence[Known], first_line: int
    ) -> tuple[list[int], list[bytes], list[Record]]:
        """Number, bytes and record of the lines that say something."""
        if self._whole_credit > 0 and max(map(len, lines)) < self._longest:
            self._whole_credit -= sum(map(len, lines))
            self._whole.update(zip(lines, values, strict=True))  # type: ignore[arg-type]  # none is unknown
        return (
            list(compress(range(first_line, first_line + len(lines)), values)),
            list(compress(lines, values)),
            list(compress(values, values)),  # type: ignore[arg-type]  # only records are true
        )
