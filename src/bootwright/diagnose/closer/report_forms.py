"""The forms of what a kernel prints around the head of a report: `data/reports/*.toml`."""

from __future__ import annotations

import re
from functools import cache

from attrs import field, frozen

from bootwright.foundation.knowledge import Kind
from bootwright.foundation.structure import LONE, STEM, written


def _compiled(texts: tuple[str, ...]) -> tuple[re.Pattern[bytes], ...]:
    return tuple(re.compile(pattern.pattern.encode()) for pattern in _names(texts))


def _names(texts: tuple[str, ...]) -> tuple[re.Pattern[str], ...]:
    patterns = []
    for text in texts:
        try:
            patterns.append(re.compile(text))
        except (re.error, RecursionError, OverflowError) as error:
            raise ValueError("a regular expression", f"{text!r} ({error})") from error
    return tuple(patterns)


PATTERNS = {**LONE, **written(tuple[str, ...], _compiled)}
"""Metadata of a field that takes regular expressions for bytes."""
NAMES = {**LONE, **written(tuple[str, ...], _names)}


@frozen(kw_only=True)
class ReportForms:
    """`reports/NAME.toml`; the comments of the one that ships say what each key means."""

    name: str = field(default="", metadata=STEM)
    source: str
    begins: tuple[re.Pattern[bytes], ...] = field(default=(), metadata=PATTERNS)
    ends: tuple[re.Pattern[bytes], ...] = field(default=(), metadata=PATTERNS)
    task: tuple[re.Pattern[bytes], ...] = field(default=(), metadata=PATTERNS)
    place: tuple[re.Pattern[bytes], ...] = field(default=(), metadata=PATTERNS)
    frames: tuple[re.Pattern[bytes], ...] = field(default=(), metadata=PATTERNS)
    passed_by: tuple[re.Pattern[str], ...] = field(default=(), metadata=NAMES)
    helpers: tuple[re.Pattern[str], ...] = field(default=(), metadata=NAMES)


REPORTS = Kind("reports", "forms of kernel reports", ReportForms)


@cache
def report_forms() -> tuple[ReportForms, ...]:
    """All of them. Raises `Malformed` for a file that is not right."""
    return tuple(REPORTS.all().values())
