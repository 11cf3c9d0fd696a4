"""Lines of a shape that says nothing, recognised by one dictionary look-up instead of a search.

A shape is silent where it holds no literal of any pattern with its own digits put to `0` likewise, or where
none of the patterns that it holds a literal of can match a line of that shape. Lines of other shapes are
looked at one by one.

Where most shapes are new, remembering them costs more than it saves: then it is only tried now and again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import compress
from typing import Final

from bootwright.diagnose.reading.patterns import Record

_MOST: Final = 50_000
"""Shapes remembered."""
_MOST_BYTES: Final = 8 << 20
"""Of those shapes."""
_MOST_NEW: Final = 0.5
"""Share of different new shapes in a block above which remembering does not pay."""
_FEW: Final = 100
"""Lines in a block that tells nothing of what the next one is like."""
_LONGEST_PAUSE: Final = 64
"""Blocks."""


_WIDTH: Final = len("[    0.000000]")
_STAMP: Final = b"[00000.000000]"
_TIMES: Final = bytes(0x30 if code == 0x20 or 0x30 <= code <= 0x39 else code for code in range(256))
"""A kernel's time stamp of the usual width (kernel/printk/printk.c print_time, Linux 6.12)."""
_UNKNOWN: Final = False
_MOST_LINES: Final = 20_000
_MOST_BYTES_OF_LINES: Final = 4 << 20
_SILENT: Final = 0
_MAY_TELL: Final = 1
"""It holds a literal."""
_CAN_TELL: Final = 2
"""Some pattern can match a line of it."""


class Familiar:
    """Remembers shapes and whether they are silent."""

    def __init__(self, *, longest: int) -> None:
        """Shapes of `longest` bytes and more are not remembered."""
        self._longest = longest
        self._shapes: dict[bytes, int] = {}
        """Shape → whether a line of it tells something: one of the three above."""
        self._bytes = 0
        self._credit = _MOST
        """New shapes that are learnt on the chance that they come again."""
        self._pause = 0
        self._left = 0
        self._pays_again = True

    @property
    def worth_trying(self) -> bool:
        """Whether to look into it for the next block; each time it is not, the end of the pause is nearer."""
        if self._left:
            self._left -= 1
            return False
        return True

    @property
    def paused(self) -> bool:
        """Whether there was a pause before this block."""
        return self._pause > 0

    def may_tell(
        self, shapes: Sequence[bytes], look_at: Callable[[bytes], Iterable[int]]
    ) -> list[int] | None:
        """Which of some lines, by their shapes, may tell something; None where remembering does not pay.

        `look_at` takes new shapes as one text, and gives the numbers (from 0) of those that are not silent.
        """
        values: list[int | None] = list(map(self._shapes.get, shapes))
        self._pays_again = True
        if None in values:
            unknown = [index for index, value in enumerate(values) if value is None]
            new = dict.fromkeys([shapes[index] for index in unknown], _SILENT)
            if not self._pays(len(new), len(shapes)):
                return None
            names = list(new)
            for number in look_at(b"\n".join(names)):
                new[names[number]] = _MAY_TELL
            for index in unknown:
                values[index] = new[shapes[index]]
            self._remember(new)
        return list(compress(range(len(values)), values))

    def tells(self, shape: bytes) -> bool:
        """Whether a line of that shape is known to be one that may tell something."""
        return bool(self._shapes.get(shape))

    def _remember(self, new: dict[bytes, int]) -> None:
        if len(self._shapes) > _MOST or self._bytes > _MOST_BYTES:
            self._shapes.clear()
            self._bytes = 0
        if max(map(len, new)) >= self._longest:
            new = {shape: tells for shape, tells in new.items() if len(shape) < self._longest}
        self._shapes.update(new)
        self._bytes += sum(map(len, new))

    def _pays(self, new: int, lines: int) -> bool:
        """Whether to learn so many new shapes; if not, a pause begins."""
        if lines <= _FEW or new <= _MOST_NEW * lines:
            self._pays_again = lines > _FEW
            return True
        self._pays_again = False
        self._credit -= new
        if self._credit >= 0:
            return True
        self.pause()
        return False

    def said_nothing(self, shapes: Iterable[bytes], can_tell: Callable[[bytes], bool]) -> None:
        """Lines of these shapes told nothing: ask once of each whether any line of it can."""
        for shape in set(shapes):
            if self._shapes.get(shape) == _MAY_TELL:
                self._shapes[shape] = _CAN_TELL if can_tell(shape) else _SILENT

    def helped(self) -> None:
        """What `may_tell` said last was of use."""
        if self._pays_again:
            self._credit, self._pause = _MOST, 0

    def pause(self) -> None:
        """Leave the next blocks to the search, for longer each time."""
        self._credit = 0
        self._pause = self._left = min(2 * self._pause or 1, _LONGEST_PAUSE)


class RememberedLines:
    """What lines say that were looked at before, those of a kernel whatever its time stamp is."""

    def __init__(self) -> None:
        self._stamped: dict[bytes, Record | None] = {}
        self._plain: dict[bytes, Record | None] = {}
        self._bytes = 0

    def records(
        self, raws: Sequence[bytes], look_at: Callable[[bytes], Record | None]
    ) -> list[Record | None] | None:
        """The record of each line, in the list None for one that says nothing.

        None instead of a list as soon as `look_at` gives that.
        """
        stamped, plain = self._stamped.get, self._plain.get
        known: list[Record | bool | None] = [
            stamped(raw[_WIDTH:], _UNKNOWN)
            if raw[:_WIDTH].translate(_TIMES) == _STAMP
            else plain(raw, _UNKNOWN)
            for raw in raws
        ]
        if _UNKNOWN in known:
            for index in [index for index, record in enumerate(known) if record is _UNKNOWN]:
                record = look_at(raws[index])
                if record is None:
                    return None
                known[index] = self._learn(raws[index], record)
        return known  # type: ignore[return-value]  # none is unknown

    def _learn(self, raw: bytes, record: Record) -> Record | None:
        if len(self._stamped) + len(self._plain) >= _MOST_LINES or self._bytes > _MOST_BYTES_OF_LINES:
            self._stamped.clear()
            self._plain.clear()
            self._bytes = 0
        says = record if record.matches else None
        if raw[:_WIDTH].translate(_TIMES) == _STAMP:
            self._stamped[raw[_WIDTH:]] = says
        else:
            self._plain[raw] = says
        self._bytes += len(raw)
        return says
