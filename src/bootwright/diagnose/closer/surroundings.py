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
    module: str = ""
    """The module that holds it; empty also for built-in code."""
    file: str = ""
    """`SOURCE:LINE` of the check that reported."""
    task: str = ""
    pid: str = ""
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

    def ended(self, text: bytes, forms: Iterable[ReportForms]) -> bool:
        # A report in a frame of `=====` has lines like it between its parts.
        if not (self._frame or "where" in self._values):
            return False
        return any(pattern.search(text) is not None for form in forms for pattern in form.ends)

    def read(self, text: bytes, forms: Iterable[ReportForms]) -> None:
        for form in forms:
            self._note(_first(form.task, text), self._values)
            place = _first(form.place, text)
            if place is not None and not self._passed_by(place, form):
                self._note(place, self._values)
            elif not self._frame:
                frame = _first(form.frames, text)
                if frame is not None and not self._passed_by(frame, form):
                    doubtful = frame.groupdict().get("doubtful") is not None
                    self._note(frame, self._doubtful if doubtful else self._frame)

    def result(self) -> Surroundings:
        values = dict(self._values)
        if "where" not in values:
            for key, value in (self._frame or self._doubtful).items():
                if key != "file":
                    values.setdefault(key, value)
        values.pop("doubtful", None)
        return Surroundings(**values)

    @staticmethod
    def _note(match: re.Match[bytes] | None, values: dict[str, str]) -> None:
        if match is None:
            return
        for name, value in match.groupdict().items():
            if value is not None and name != "doubtful":
                values.setdefault(name, value.decode("utf-8", "replace").strip())

    @staticmethod
    def _passed_by(match: re.Match[bytes], form: ReportForms) -> bool:
        where = match.groupdict().get("where")
        return where is not None and any(pattern.fullmatch(where) is not None for pattern in form.passed_by)


def _first(patterns: Iterable[re.Pattern[bytes]], text: bytes) -> re.Match[bytes] | None:
    return next((match for pattern in patterns if (match := pattern.search(text)) is not None), None)
