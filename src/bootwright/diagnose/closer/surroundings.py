"""Where a report of the kernel happened, by the lines around its head: function, file, task, CPU, taint."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

from attrs import define, field, frozen

from bootwright.diagnose.closer.report_forms import ReportForms, is_of_session, report_forms
from bootwright.diagnose.judging.judge import LOADS_DRIVERS

MOST_LINES = 120
"""Lines behind the head that are looked at; the longest reports (lockdep) have some hundred."""
_MOST_CALLERS = 3
"""Functions that are named of a stack: enough to tell whose work it was."""


@frozen
class Surroundings:
    """What the lines of one report tell; empty texts where they do not."""

    where: str = ""
    """The function, without its offset: of the instruction pointer, or the first of the stack that is none of
    the reporting functions."""
    way: str = ""
    """Whose work it was: the functions that called it, the nearest first, `A ← B ← C`; without helpers that
    any code calls (`rb_erase`, `memset`) and without what every stack begins with (system calls, threads)."""
    module: str = ""
    """The module that holds it; empty also for built-in code."""
    file: str = ""
    """`SOURCE:LINE` of the check that reported."""
    task: str = ""
    pid: str = ""
    uid: str = ""
    """The user it ran as; kernels from 6.12 on tell it."""
    cpu: str = ""
    session: str = ""
    """`yes` where the task is a program that runs only where somebody uses a machine that is up."""
    loading: str = ""
    """The one module that was being loaded, by the program that the task is."""
    taint: str = ""
    """`Not tainted`, or `Tainted: ` and the letters of Documentation/admin-guide/tainted-kernels.rst."""


def surroundings(messages: Sequence[bytes]) -> Surroundings:
    """Read a report; the first message is its head. Messages come without their stamps."""
    reading = _Reading()
    for number, message in enumerate(messages[:MOST_LINES]):
        lines = _parsed(message[:512].strip())
        if number > 1 and reading.ended(lines):
            break
        reading.read(lines)
    return reading.result()


class _Parsed(NamedTuple):
    """What one form makes of a line."""

    form: ReportForms
    ends: bool
    parts: bool
    """Another stack follows: of another task, or of another moment."""
    task: re.Match[bytes] | None
    loading: re.Match[bytes] | None
    place: re.Match[bytes] | None
    frame: re.Match[bytes] | None
    """Where there is no place."""


@lru_cache(maxsize=4096)
def _parsed(text: bytes) -> tuple[_Parsed, ...]:
    """By each of the forms: a report is read for its outcome and for its words, and loops repeat it."""
    return tuple(_parsed_by(form, text) for form in report_forms())


def _parsed_by(form: ReportForms, text: bytes) -> _Parsed:
    place = _first(form.place, text)
    if place is not None and _is(place, form.passed_by):
        place = None
    frame = _first(form.frames, text) if place is None else None
    if frame is not None and _is(frame, form.passed_by):
        frame = None
    ends, parts = _first(form.ends, text) is not None, _first(form.parts, text) is not None
    return _Parsed(form, ends, parts, _first(form.task, text), _first(form.loading, text), place, frame)


@define
class _Reading:
    _values: dict[str, str] = field(factory=dict)
    _frame: dict[str, str] = field(factory=dict)
    _doubtful: dict[str, str] = field(factory=dict)
    _way: dict[str, str] = field(factory=dict)
    """Function → how it is shown."""
    _stack_ended: bool = False

    def ended(self, lines: Iterable[_Parsed]) -> bool:
        # A report in a frame of `=====` has lines like it between its parts.
        if not (self._frame or "where" in self._values):
            return False
        return any(line.ends for line in lines)

    def read(self, lines: Iterable[_Parsed]) -> None:
        for form, _, parts, task, loading, place, frame in lines:
            _note(task, self._values)
            _note(loading, self._values)
            self._stack_ended |= parts and bool(self._frame)
            if place is not None:
                _note(place, self._values)
                self._came_by(place, form)
            if frame is None:
                continue
            if frame.groupdict().get("doubtful") is not None:
                _note(frame, self._doubtful)
                continue
            if not self._frame:
                _note(frame, self._frame)
            self._came_by(frame, form)

    def _came_by(self, match: re.Match[bytes], form: ReportForms) -> None:
        where = match.groupdict().get("where")
        if where is None or self._stack_ended or _is(match, form.helpers) or _is(match, form.roots):
            return
        name = where.decode("utf-8", "replace")
        module = match.groupdict().get("module")
        self._way.setdefault(name, f"{name} [{module.decode()}]" if module else name)

    def result(self) -> Surroundings:
        values = dict(self._values)
        if "where" not in values:
            for key, value in (self._frame or self._doubtful).items():
                if key != "file":
                    values.setdefault(key, value)
        callers = [text for name, text in self._way.items() if name != values.get("where")]
        way = " ← ".join(callers[:_MOST_CALLERS])
        if values.get("task", "") not in LOADS_DRIVERS:
            values.pop("loading", None)
        session = "yes" if is_of_session(values.get("task", "")) else ""
        return Surroundings(**values, way=way, session=session)


def _note(match: re.Match[bytes] | None, values: dict[str, str]) -> None:
    if match is None:
        return
    for name, value in match.groupdict().items():
        if value is not None and name != "doubtful":
            values.setdefault(name, value.decode("utf-8", "replace").strip())


def _is(match: re.Match[bytes], names: Iterable[re.Pattern[str]]) -> bool:
    """Whether the function that was matched has one of these names."""
    where = match.groupdict().get("where")
    if where is None:
        return False
    name = where.decode("utf-8", "replace")
    return any(pattern.fullmatch(name) is not None for pattern in names)


def _first(patterns: Iterable[re.Pattern[bytes]], text: bytes) -> re.Match[bytes] | None:
    return next((match for pattern in patterns if (match := pattern.search(text)) is not None), None)
