"""The literals of patterns as they were found before: finding those of five hundred takes longer than a log.

They depend on the pattern, on `literals.py` and on Python's reading of regular expressions; a cache of other
ones is not looked at. Of other expressions, most of which no log asks for, it is kept that they are some.
"""

from __future__ import annotations

import contextlib
import re
import sys
import zlib
from functools import cache
from pathlib import Path
from typing import Any

from bootwright.diagnose.reading import literals
from bootwright.diagnose.reading.literals import Literal
from bootwright.foundation.cache import KNOWLEDGE
from bootwright.foundation.errors import BootwrightError
from bootwright.foundation.kept import shelf

_FORM = 2
_TABLE = "literals"
_EXPRESSIONS = "expressions"
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


_checked: dict[str, bool] = {}
"""The expressions that were asked for likewise."""


def check_expression(text: str) -> None:
    """Raises what `re.compile` raises for a text that is no regular expression."""
    if text not in _known_expressions():
        re.compile(text)
    _checked[text] = True


def keep() -> None:
    """Keep for the next start what was not known at this one. A cache that cannot be written is none."""
    if _asked.keys() - _known().keys() or _checked.keys() - _known_expressions().keys():
        tables: shelf.Tables = {_TABLE: {"": _asked}, _EXPRESSIONS: {"": _checked}}
        with contextlib.suppress(OSError, BootwrightError):
            KNOWLEDGE.write(_place(), shelf.pack(tables, form=_FORM))
        for kept in (_kept, _known, _known_expressions):
            kept.cache_clear()


@cache
def _known() -> dict[str, _Row]:
    return _rows(_TABLE)


@cache
def _known_expressions() -> dict[str, bool]:
    return _rows(_EXPRESSIONS)


@cache
def _kept() -> shelf.Shelf | None:
    return shelf.load(_place(), form=_FORM)


def _rows(table: str) -> dict[str, Any]:
    kept, rows = _kept(), None
    if kept is not None:
        with contextlib.suppress(ValueError, LookupError, TypeError):
            rows = kept.get(table, "")
    return rows if isinstance(rows, dict) else {}


def _place() -> Path:
    status = Path(literals.__file__).stat()
    finder = f"{literals.__file__} {status.st_size} {status.st_mtime_ns} {sys.version}"
    return KNOWLEDGE.folder() / f"literals-{zlib.crc32(finder.encode('utf-8', 'surrogateescape')):08x}.shelf"
