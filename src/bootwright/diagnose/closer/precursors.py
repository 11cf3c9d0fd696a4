"""What a driver complained of before the kernel reported a fault in it, or a loader before it crashed.

A report names the function that crashed; the errors of the same driver shortly before it say what the driver
was about: a ring that timed out, a reset that failed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from bootwright.diagnose.judging.shapes import is_dump, speaks_of_error
from bootwright.diagnose.judging.state import Occurrence
from bootwright.diagnose.reading import prefix

LOOKED_AT: Final = 400
"""Lines before a report."""
_SOON: Final = 60.0
"""Seconds before a report; where its lines have no times, the lines alone count."""
LOADERS_LINES: Final = 8
"""Lines before a crash of firmware or a loader, which do one thing at a time."""
_SHOWN: Final = 3


def complaints_before(lines: Iterable[tuple[int, bytes]], module: str) -> tuple[Occurrence, ...]:
    """Errors of the driver in `module` before a report, whose head ends `lines`: the first and the last."""
    of_driver = re.compile(
        rb"(?:%b[ :]|\[\w+:[\w.]+ \[%b\]\])" % ((re.escape(module).replace("_", "[_-]").encode(),) * 2)
    )
    messages = [(number, raw, prefix.split(raw)) for number, raw in lines]
    if not messages:
        return ()
    head = messages.pop()[2].seconds
    complaints = [
        Occurrence(number, raw)
        for number, raw, message in messages
        if of_driver.match(message.text) is not None
        and (head is None or message.seconds is None or 0 <= head - message.seconds <= _SOON)
        and speaks_of_error(message.text)
        and not is_dump(message.text)
    ]
    return (*complaints[:1], *complaints[1:][-_SHOWN + 1 :])


def loader_complaints_before(lines: Iterable[tuple[int, bytes]]) -> tuple[Occurrence, ...]:
    """The last error of firmware or a loader among the `lines` before it crashed; empty without one."""
    complaint: tuple[Occurrence, ...] = ()
    for number, raw in lines:
        text = prefix.split(raw).text
        if speaks_of_error(text) and not is_dump(text):
            complaint = (Occurrence(number, raw),)
    return complaint
