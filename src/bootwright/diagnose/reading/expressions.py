"""Fields of knowledge files that hold regular expressions."""

from __future__ import annotations

import re
from typing import AnyStr

from bootwright.foundation.structure import LONE, written


def _compiled(texts: tuple[str, ...]) -> tuple[re.Pattern[bytes], ...]:
    return tuple(_one(text, text.encode()) for text in texts)


def _names(texts: tuple[str, ...]) -> tuple[re.Pattern[str], ...]:
    return tuple(_one(text, text) for text in texts)


def _one(text: str, expression: AnyStr) -> re.Pattern[AnyStr]:
    try:
        return re.compile(expression)
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError("a regular expression", f"{text!r} ({error})") from error


PATTERNS = {**LONE, **written(tuple[str, ...], _compiled)}
"""Metadata of a field that takes regular expressions for bytes."""
NAMES = {**LONE, **written(tuple[str, ...], _names)}
