"""The literals of patterns as they were found before: finding those of five hundred takes longer than a log.

They depend on the pattern, on `literals.py` and on Python's reading of regular expressions; a cache of other
ones is not looked at.
"""

from __future__ import annotations

import contextlib
import sys
import zlib
from functools import cache
from pathlib import Path

from bootwright.diagnose.reading import literals
from bootwright.diagnose.reading.literals import Literal
from bootwright.foundation.cache import KNOWLEDGE
from bootwright.foundation.errors import BootwrightError
from bootwright.foundation.kept import shelf

_FORM = 1
_TABLE = "literals"
_Row = list[tuple[str, bool]]
_asked: dict[str, _Row] = {}
"""Of the patterns asked for by this process: what is kept does not grow with each change of a pattern."""


def literals_of(pattern: str) -> frozenset[Literal]:
    """What `literals.required` says, which raises `re.error`; `keep` afterwards what it said."""
    try:
        row = _asked[pattern] = _known()[pattern]
        return frozenset(Literal(text.encode(), bool(any_case)) for text, any_case in row)
    except (KeyError, ValueError, TypeError, AttributeError):
        required = literals.required(pattern)
        _asked[pattern] = [(literal.text.decode(), literal.any_case) for literal in sorted(required)]
        return required


def keep() -> None:
    """Keep for the next start what was not known at this one. A cache that cannot be written is none."""
    if _asked.keys() - _known().keys():
        with contextlib.suppress(OSError, BootwrightError):
            KNOWLEDGE.write(_place(), shelf.pack({_TABLE: {"": _asked}}, form=_FORM))
        _known.cache_clear()


@cache
def _known() -> dict[str, _Row]:
    kept = shelf.load(_place(), form=_FORM)
    rows = None
    if kept is not None:
        with contextlib.suppress(ValueError, LookupError, TypeError):
            rows = kept.get(_TABLE, "")
    return rows if isinstance(rows, dict) else {}


def _place() -> Path:
    status = Path(literals.__file__).stat()
    finder = f"{literals.__file__} {status.st_size} {status.st_mtime_ns} {sys.version}"
    return KNOWLEDGE.folder() / f"literals-{zlib.crc32(finder.encode('utf-8', 'surrogateescape')):08x}.shelf"
