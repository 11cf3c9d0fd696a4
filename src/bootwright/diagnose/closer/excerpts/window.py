"""What a window of the kernel's log was taken for: a piece of a running system's log, with no boot in it.

Nobody cuts a hundred lines out of a log for what they show to work. Where the kernel speaks, nothing is seen
of any stage, and what it says is a report with a stack, or errors more often than a healthy boot has them,
that is what the window was taken for.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Final

from attrs import define, field

from bootwright.diagnose.closer.excerpts.complaints import known_shapes
from bootwright.diagnose.judging.gravity import is_grave, is_kernels
from bootwright.diagnose.judging.order.kept_lines import Occurrence
from bootwright.diagnose.judging.shapes import WAITS, is_dump, shape_of
from bootwright.diagnose.judging.state import BootState
from bootwright.diagnose.reading import prefix
from bootwright.diagnose.reading.patterns import Facts, printable
from bootwright.diagnose.reading.prefix import Message

ABOUT: Final = "@window/about"
ERRORS: Final = "@window/errors"
STACK: Final = "@window/stack"
_MOST_LINES: Final = 1024
"""A longer one is a whole buffer of messages (64 KiB, CONFIG_LOG_BUF_SHIFT=16): nobody chose its lines."""
_FEWEST_LINES: Final = 6
_FEW: Final = 60
"""Lines of which a report was what they were taken for, even if its stack was left out."""
_BEGINS: Final = 1.0
"""Seconds on the kernel's clock before which its start may be what is shown."""
_STARTED: Final = 10.0
"""Seconds until which what is only worth knowing is said by the way, as of slots that are empty."""
_ONE_IN: Final = 30
"""A whole boot carries errors that mean nothing, one line in thirty."""
_FEWEST_ERRORS: Final = 2
_FEWEST_DUMPED: Final = 5
_MOST_SHAPES: Final = 256
_SAMPLE: Final = 64
_ONE_KNOWN_IN: Final = 4
"""Of so many of the first lines one has the form of a kernel's message: drivers of vendors have none."""
_HEAD: Final = 24
"""Lines before the first of a stack in which the head of its report stands."""
_SHOWN: Final = 6
_HEADER: Final = re.compile(
    rb"\s*(?:CPU: \d|Hardware name: |Workqueue: |Call [Tt]race|Modules linked in|-{8}|={8}|\Z)"
)
"""What stands between the message and its stack (lib/dump_stack.c, Linux 6.12)."""
_TEST: Final = re.compile(rb"\w*test\w*: |mtd_nandbiterrs: |dyndbg: ")
"""A test of the kernel's own (drivers/mtd/tests, lib/test_*.c, Linux 6.12) makes the errors it tells of."""
_NAME: Final = re.compile(rb"([\w.-]{2,40})(?: |:)")
"""Who says a message, as most drivers begin theirs."""


@define
class KernelWindow:
    """Reads the messages of one boot in order."""

    _lines: int = 0
    _kernels: int = 0
    """Lines with the kernel's time."""
    _first_seconds: float | None = None
    _errors: Counter[bytes] = field(factory=Counter)
    """How often each form of an error came."""
    _places: dict[bytes, Occurrence] = field(factory=dict)
    """The first of each."""
    _last: Occurrence | None = None
    """The last error."""
    _dumped: list[Occurrence] = field(factory=list)
    """Lines of stacks and registers."""
    _before_stack: Occurrence | None = None
    """What was said last before the first stack."""
    _said: Occurrence | None = None
    _begin: Occurrence | None = None
    _end: Occurrence | None = None
    _texts: list[bytes] = field(factory=list)
    """Of the first lines."""
    _speakers: Counter[bytes] = field(factory=Counter)
    """How many lines begin with each name."""

    def read(self, number: int, raw: bytes, message: Message, *, wrong: bool, kernels: bool) -> None:
        """Look at a further line; `kernels`: it is the kernel's; `wrong`: it looks wrong."""
        if not message.text or self._lines > _MOST_LINES:
            return
        self._lines += 1
        if not kernels or message.seconds is None:
            return
        self._kernels += 1
        self._end = place = Occurrence(number, raw)
        if len(self._texts) < _SAMPLE:
            self._texts.append(message.text)
        if self._first_seconds is None:
            self._first_seconds, self._begin = message.seconds, place
        if self._first_seconds < _BEGINS:
            return  # The most logs: a boot from its start, whose errors need no closer look here.
        if is_dump(message.text):
            if not self._dumped:
                self._before_stack = self._said
            self._dumped.append(place)
            return
        if _HEADER.match(message.text) is None:
            self._said = place
        speaker = _NAME.match(message.text)
        if speaker is not None and (speaker[1] in self._speakers or len(self._speakers) < _MOST_SHAPES):
            self._speakers[speaker[1]] += 1
        if (
            wrong
            and _TEST.match(message.text) is None
            and WAITS.search(message.text) is None
            and is_grave(raw)
        ):
            shape = shape_of(message.text)
            if shape in self._places or len(self._places) < _MOST_SHAPES:
                self._errors[shape] += 1
                self._places.setdefault(shape, place)
                self._last = place

    @property
    def any(self) -> bool:
        """Whether it is such a window with something to be taken for."""
        return (
            _FEWEST_LINES <= self._lines <= _MOST_LINES
            and self._kernels * 2 > self._lines
            and (self._first_seconds or 0.0) >= _BEGINS
            and (self._has_stack or self._prevail(self._errors) or self._lines <= _FEW)
        )

    @property
    def _has_stack(self) -> bool:
        return len(self._dumped) >= _FEWEST_DUMPED

    def _prevail(self, errors: Counter[bytes]) -> bool:
        """Whether they are more errors than a boot has that is well, or one driver says most of it."""
        count = errors.total()
        if count < _FEWEST_ERRORS or count * _ONE_IN >= self._lines or not self._speakers:
            return count >= _FEWEST_ERRORS
        name, lines = self._speakers.most_common(1)[0]
        its = sum(times for shape, times in errors.items() if shape.startswith(name))
        return lines * 2 > self._kernels and its >= _FEWEST_ERRORS

    @property
    def _is_the_kernels(self) -> bool:
        """Whether it is the kernel that speaks, and not programs that write into its log."""
        known = sum(is_dump(text) or is_kernels(text) for text in self._texts)
        return known * _ONE_KNOWN_IN >= len(self._texts)

    def _holds_no_boot(self, state: BootState) -> bool:
        """Whether nothing of any stage is in it; at a shell's prompt before it somebody asked for it."""
        begun = self._begin.line if self._begin is not None else 0
        return all(name == "ready" and last <= begun for name, (_, last) in state.stage_lines.items())

    def tell(self, state: BootState) -> None:
        """Let the state know what the window is about."""
        for event in (ABOUT, ERRORS, STACK):
            state.tallies.pop(event, None)
        if not (self.any and self._holds_no_boot(state) and (self._has_stack or self._is_the_kernels)):
            return
        known = known_shapes(state)
        unknown = Counter({shape: times for shape, times in self._errors.items() if shape not in known})
        about = []
        if self._has_stack:
            first, enough = self._dumped[0], self._dumped[_FEWEST_DUMPED - 1]
            about += [first.line - _HEAD, self._dumped[-1].line]
            head = self._before_stack or first
            state.count_all(STACK, _what(head), [head, first, enough], len(self._dumped))
        if self._last is not None and self._prevail(self._errors):
            places = sorted(self._places.values(), key=lambda place: place.line)
            if self._prevail(unknown):
                chosen = self._places[max(unknown, key=unknown.__getitem__)]
                shown = sorted({chosen, *places[:_SHOWN], self._last})
                state.count_all(ERRORS, _what(chosen), shown, unknown.total(), chosen=True)
            elif (self._first_seconds or 0.0) >= _STARTED:
                about += [places[0].line, self._last.line]
        if self._end is None:
            return
        facts: Facts = ()
        if about:
            facts = (("from", str(min(about))), ("to", str(max(about))))
        elif self._lines <= _FEW:
            facts = (("from", "0"), ("to", str(self._end.line)), ("of", "reports"))
        if facts:
            state.count_all(ABOUT, facts, [self._end], self._lines)


def _what(place: Occurrence) -> Facts:
    return (("what", printable(prefix.split(place.raw).text)[:160]),)
