"""Fields of knowledge files that hold regular expressions."""

from __future__ import annotations

import re

from bootwright.foundation.structure import LONE, written


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
