"""Text that somebody wrote, in place of what a machine printed: changes, instructions, a settings file.

Its words are those of logs, so only its form tells: items, headings, quotations, sentences to a reader, keys
with values below keys. A line with a time is a machine's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import islice
from typing import Final

from bootwright.diagnose.reading import prefix
from bootwright.diagnose.reading.prefix import Message

_ITEM: Final = re.compile(rb"\s{0,8}(?:[-+]|\d{1,2}[.)]) {1,3}[`*_]{0,2}[A-Za-z]")
_HEADING: Final = re.compile(rb"#{1,6} \w")
_TO_A_READER: Final = re.compile(
    rb"(?:> ?)?(?:If|When|Please|You|To|Then|Also|and|or|but)\b[^=\[\]]* [^=\[\]]*\Z"
    rb"|[^:=\[\]]*\b[Yy]ou\b[^:=\[\]]*\Z"
)
_QUOTATION: Final = re.compile(rb">+ ?[A-Z][^:=\[\]]* [^:=\[\]]*\Z")
_KEY: Final = re.compile(rb"\s*(?:- )?[\w.-]{1,40}:\s*\Z")
_VALUE: Final = re.compile(rb"\s+(?:- )?[\w.-]{1,40}: \S|\s*- \S")
_FEWEST: Final = 3
_MOST: Final = 60
"""Lines that show a form; that are looked at."""
QUESTION: Final = re.compile(
    rb"(?:Are|Is|Do|Does|Did|Can|Could|Should|Would|Will|Has|Have|What|Why|How|Where|Which|Who|Any(?:one|body)?)\b"
    rb"[^:=\[\]?]* [^:=\[\]?]*\?(?:\s|\Z)"
)
"""A whole sentence that asks: programs ask behind what they say, or for an answer at a prompt."""
COMMAND: Final = re.compile(rb"[$] \S")
"""A command at a prompt without a name, as people write before what it printed."""


def is_text(raws: Iterable[bytes]) -> bool:
    """Whether these lines, all that was given, have the form of a text or of settings; a few at most do."""
    lines = [raw for raw in islice(raws, _MOST + 1) if raw.strip()]
    if not _FEWEST <= len(lines) <= _MOST or any(is_stamped(prefix.split(line)) for line in lines):
        return False
    keys = sum(_KEY.match(line) is not None for line in lines)
    if keys and all(_KEY.match(line) or _VALUE.match(line) for line in lines):
        return True
    written = sum(
        any(form.match(line) is not None for form in (_ITEM, _HEADING, _TO_A_READER, _QUOTATION))
        for line in lines
    )
    return written >= _FEWEST and written * 2 >= len(lines)


def is_stamped(message: Message) -> bool:
    """Whether a message has a time, or a word that it is the kernel's."""
    return message.kernel or message.seconds is not None or message.wall is not None
