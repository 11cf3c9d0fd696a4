"""Reports of the kernel whose words no signature knows: an error and, right behind it, a stack or registers.

Kernels name new troubles in new words, and print the stack of where it happened as they always did. What a
kernel calls a warning, or prints a stack for by choice without calling it an error, is no such report.
"""

from __future__ import annotations

import re
from collections import deque
from typing import Final, NamedTuple

from attrs import define, field

from bootwright.diagnose.closer.excerpts.complaints import known_shapes
from bootwright.diagnose.judging.dumps import GOES_ON
from bootwright.diagnose.judging.gravity import is_grave, is_kernels, level_of
from bootwright.diagnose.judging.order.kept_lines import Occurrence
from bootwright.diagnose.judging.shapes import is_dump, looks_wrong, shape_of
from bootwright.diagnose.judging.state import BootState
from bootwright.diagnose.reading.patterns import printable
from bootwright.diagnose.reading.prefix import Message
from bootwright.diagnose.reading.voice import crashed_program
from bootwright.formats.messages.model import ERROR

REPORT: Final = "@report/unknown"
_WINDOW: Final = 12
"""Lines before the stack among which the head is: modules, CPU and hardware stand between."""
_LOOKED_AT: Final = 120
"""The same with what other processors say at that moment, as far as their lines are information."""
_FEWEST: Final = 6
"""Lines of a stack, registers or memory that make a report; a driver's own dump is shorter."""
_GAP: Final = 3
"""Lines of something else within them, information of other processors not counted."""
_KEPT: Final = 4
_BUG: Final = b"BUG"
"""What the kernel calls itself wrong, by whatever stack it shows that."""
_NAMES_TASK: Final = re.compile(rb"(?i:\bpid ?[:=] ?\d)|\b[Cc]omm[:=]? ")
"""lib/dump_stack.c dump_stack_print_info, kernel/sched/core.c sched_show_task (Linux 6.12)."""
_AROUND: Final = re.compile(
    rb"(?i)(?:call trace|backtrace|stack:|modules linked in|hardware name|cpu: |task[: ]|pid: |tainted"
    rb"|workqueue: )"
)
"""What stands between an error and its stack; an old kernel gives `Call trace:` the gravest level."""
_WARNING: Final = (b"WARNING:", b"---", b"===")
"""With what a report in a frame begins: those that are no warning have their error behind it."""
_SAME_MOMENT: Final = 0.5
"""Seconds; a slow serial console takes some hundredths for a line."""


class _Line(NamedTuple):
    number: int
    raw: bytes
    message: Message

    @property
    def place(self) -> Occurrence:
        return Occurrence(self.number, self.raw)

    @property
    def text(self) -> bytes:
        return self.message.text


@define
class _Report:
    head: _Line
    shapes: frozenset[bytes]
    """Of all errors just before the stack: what a signature knows one of, it has judged."""
    stack: tuple[Occurrence, Occurrence]
    """The first of its lines, and the one that makes enough of them: up to there it is proved."""


@define
class KernelReports:
    """Reads the messages of one boot in order."""

    _before: deque[_Line] = field(factory=lambda: deque(maxlen=_LOOKED_AT))
    _dump: list[_Line] = field(factory=list)
    _between: int = 0
    _chosen: bool = False
    """The stack is one that a kernel prints by choice."""
    _stamped: bool = False
    """The kernel's lines have times."""
    _reports: list[_Report] = field(factory=list)
    _count: int = 0

    def read(self, number: int, raw: bytes, message: Message) -> None:
        """Look at a message of the kernel, or of nobody known."""
        text = message.text
        if not text:
            return
        line = _Line(number, raw, message)
        self._stamped = self._stamped or message.seconds is not None
        if is_dump(text):
            if self._dump and not _at_once(self._dump[-1], line):
                self._end()
            self._between = 0
            self._chosen |= GOES_ON.search(text) is not None
            self._dump.append(line)
            if len(self._dump) == _FEWEST:
                self._report()
            return
        if self._dump:
            self._between += is_grave(raw)
            if self._between <= _GAP and _at_once(self._dump[-1], line):
                return
            self._end()
        self._before.append(line)

    def _end(self) -> None:
        self._before.clear()
        self._dump.clear()
        self._between, self._chosen = 0, False

    def _report(self) -> None:
        heads = self._heads()
        lines = (*self._before, *self._dump)
        if not heads or not any(_NAMES_TASK.search(line.text) is not None for line in lines):
            return
        if any(crashed_program(line.text) is not None for line in self._before):
            return
        self._count += 1
        if len(self._reports) < _KEPT:
            shapes = frozenset(shape_of(line.text) for line in heads)
            self._reports.append(_Report(heads[-1], shapes, (self._dump[0].place, self._dump[-1].place)))

    def _heads(self) -> list[_Line]:
        """The errors that the stack may belong to: said at the same moment, and with no warning since."""
        heads: list[_Line] = []
        counted = 0
        for line in reversed(self._before):
            counted += is_grave(line.raw)
            if counted > _WINDOW or line.text.startswith(_WARNING) or not _at_once(line, self._dump[0]):
                break
            if self._is_head(line):
                heads.insert(0, line)
        return heads

    def _is_head(self, line: _Line) -> bool:
        """Whether it is an error by its level, or by its form where nothing tells that."""
        if _AROUND.match(line.text) is not None:
            return False
        level = level_of(line.raw)
        if level is not None:
            return level <= ERROR
        if self._stamped and line.message.seconds is None and not is_kernels(line.text):
            return False  # the rest of a line that something wrapped, or a program's
        return looks_wrong(line.text) and (not self._chosen or line.text.startswith(_BUG))

    @property
    def any(self) -> bool:
        """Whether there was a report."""
        return bool(self._reports)

    def tell(self, state: BootState) -> None:
        """Let the state know of those that no signature knows."""
        state.tallies.pop(REPORT, None)
        if not self._reports:
            return
        known = known_shapes(state)
        unknown = [report for report in self._reports if known.isdisjoint(report.shapes)]
        if unknown:
            facts = (("what", printable(unknown[0].head.text)[:160]),)
            places = [place for report in unknown for place in (report.head.place, *report.stack)]
            state.count_all(REPORT, facts, places, len(unknown))


def _at_once(head: _Line, dump: _Line) -> bool:
    began, ended = head.message.seconds, dump.message.seconds
    return began is None or ended is None or 0 <= ended - began <= _SAME_MOMENT
