"""The forms of what a kernel prints around the head of a report: `data/reports/*.toml`."""

from __future__ import annotations

import re
from functools import cache

from attrs import field, frozen

from bootwright.diagnose.reading.expressions import NAMES, PATTERNS
from bootwright.foundation.knowledge import Kind
from bootwright.foundation.structure import STEM


@frozen(kw_only=True)
class ReportForms:
    """`reports/NAME.toml`; the comments of the one that ships say what each key means."""

    name: str = field(default="", metadata=STEM)
    source: str
    begins: tuple[re.Pattern[bytes], ...] = field(default=(), metadata=PATTERNS)
    ends: tuple[re.Pattern[bytes], ...] = field(default=(), metadata=PATTERNS)
    parts: tuple[re.Pattern[bytes], ...] = field(default=(), metadata=PATTERNS)
    task: tuple[re.Pattern[bytes], ...] = field(default=(), metadata=PATTERNS)
    loading: tuple[re.Pattern[bytes], ...] = field(default=(), metadata=PATTERNS)
    place: tuple[re.Pattern[bytes], ...] = field(default=(), metadata=PATTERNS)
    frames: tuple[re.Pattern[bytes], ...] = field(default=(), metadata=PATTERNS)
    passed_by: tuple[re.Pattern[str], ...] = field(default=(), metadata=NAMES)
    helpers: tuple[re.Pattern[str], ...] = field(default=(), metadata=NAMES)
    roots: tuple[re.Pattern[str], ...] = field(default=(), metadata=NAMES)
    sessions: tuple[re.Pattern[str], ...] = field(default=(), metadata=NAMES)


REPORTS = Kind("reports", "forms of kernel reports", ReportForms)


def is_of_session(task: str) -> bool:
    """Whether a task is a program that runs only where somebody uses a machine that is up."""
    return any(name.fullmatch(task) is not None for form in report_forms() for name in form.sessions)


@cache
def report_forms() -> tuple[ReportForms, ...]:
    """All of them. Raises `Malformed` for a file that is not right."""
    return tuple(REPORTS.all().values())
