"""Where a report of the kernel happened, by the lines around its head: function, file, task, CPU, taint."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from attrs import define, field, frozen

from bootwright.diagnose.closer.report_forms import ReportForms, report_forms

MOST_LINES = 120
"""Lines behind the head that are looked at; the longest reports (lockdep) have some hundred."""


@frozen
class Surroundings:
    """What the lines of one report tell; empty texts where they do not."""

    where: str = ""
    """The function, without its offset: of the instruction pointer, or the first of the stack that is none of
    the reporting functions."""
    caller: str = ""
    """The function on whose behalf it acted, where it is a helper that others call (`rb_erase`, `memset`)."""
    module: str = ""
    """The module that holds it; empty also for built-in code."""
    file: str = ""
    """`SOURCE:LINE` of the check that reported."""
    task: str = ""
    pid: str = ""
    uid: str = ""
    """The user it ran as; kernels from 6.12 on tell it."""
    cpu: str = ""
    taint: str = ""
    """`Not tainted`, or `Tainted: ` and the letters of Documentation/admin-guide/tainted-kernels.rst."""


def surroundings(messages: Sequence[bytes]) -> Surroundings:
    """Read a report; the first message is its head. Messages come without their stamps."""
    reading = _Reading()
    forms = report_forms()
    for number, message in enumerate(messages[:MOST_LINES]):
        text = message[:512].strip()
        if number > 1 and reading.ended(text, forms):
            break
        reading.read(text, forms)
    return reading.result()


@define
class _Reading:
    _values: dict[str, str] = field(factory=dict)
    _frame: dict[str, str] = field(factory=dict)
    _doubtful: dict[str, str] = field(factory=dict)
    _caller: str = ""

    def ended(self, text: bytes, forms: Iterable[ReportForms]) -> bool:
        # A report in a frame of `=====` has lines like it between its parts.
        if not (self._frame or "where" in self._values):
            return False
        return any(pattern.search(text) is not None for form in forms for pattern in form.ends)

    def read(self, text: bytes, forms: Iterable[ReportForms]) -> None:
        for form in forms:
            _note(_first(form.task, text), self._values)
            place = _first(form.place, text)
            if place is not None and not _is(place, form.passed_by):
                _note(place, self._values)
                self._behalf(place, form)
                continue
            frame = _first(form.frames, text)
            if frame is None or _is(frame, form.passed_by):
                continue
            if frame.groupdict().get("doubtful") is not None:
                _note(frame, self._doubtful)
                continue
            if not self._frame:
                _note(frame, self._frame)
            self._behalf(frame, form)

    def _behalf(self, match: re.Match[bytes], form: ReportForms) -> None:
        where = match.groupdict().get("where")
        if not self._caller and where is not None and not _is(match, form.helpers):
            self._caller = where.decode("utf-8", "replace")

    def result(self) -> Surroundings:
        values = dict(self._values)
        if "where" not in values:
            for key, value in (self._frame or self._doubtful).items():
                if key != "file":
                    values.setdefault(key, value)
        caller = self._caller if self._caller != values.get("where") else ""
        return Surroundings(**values, caller=caller)


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
