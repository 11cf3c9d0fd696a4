"""What a driver complained of before the kernel reported a fault in it, or a loader before it crashed.

A report names the function that crashed; the errors of the same driver shortly before it say what the driver
was about: a ring that timed out, a reset that failed. Whose errors they are is told by the module that the
report names, and by the functions of its stack: one that speaks by its own name (`__func__`), or by its
driver's, with which the names of a driver's functions begin.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from bootwright.diagnose.judging.gravity import is_grave
from bootwright.diagnose.judging.order.kept_lines import Occurrence
from bootwright.diagnose.judging.shapes import is_dump, speaks_of_error
from bootwright.diagnose.reading import prefix
from bootwright.formats.messages.model import ERROR

LOOKED_AT: Final = 400
"""Lines before a report."""
_SOON: Final = 60.0
"""Seconds before a report; where its lines have no times, the lines alone count."""
_AT_ONCE: Final = 1.0
"""The same for errors that only the beginning of a function's name ties to a report."""
LOADERS_LINES: Final = 8
"""Lines before a crash of firmware or a loader, which do one thing at a time."""
_SHOWN: Final = 3


_FUNCTION: Final = re.compile(rb"\b(?P<name>[A-Za-z_][\w.]{3,})\+0x[0-9a-f]+/0x[0-9a-f]+")
_SPEAKER: Final = re.compile(rb"(?:\[\w+:)?(?P<name>[A-Za-z_][\w.-]{3,60}?)(?::| \S+: |\(\) ?:|\(\): | \[)")
"""Who speaks in a message: a function, or a driver before its device."""


def functions_of(report: Iterable[bytes]) -> frozenset[bytes]:
    """The functions that a report's registers and stack name; its lines come as they stand in the log."""
    return frozenset(
        match["name"].partition(b".")[0]
        for raw in report
        for match in _FUNCTION.finditer(prefix.split(raw).text)
    )


def complaints_before(
    lines: Iterable[tuple[int, bytes]], module: str, functions: frozenset[bytes]
) -> tuple[Occurrence, ...]:
    """Errors of what a report is about before it, the first and the last; its head ends `lines`.

    They are of the driver in `module`, where there is one, or of one of the `functions` of its stack.
    """
    of_driver = re.compile(
        rb"(?:%b[ :]|\[\w+:[\w.]+ \[%b\]\])" % ((re.escape(module).replace("_", "[_-]").encode(),) * 2)
    )

    def longest(text: bytes) -> float:
        """Seconds that an error with this text is before its report at most; 0 where it is not its."""
        if module and of_driver.match(text) is not None:
            return _SOON
        return _of_stack(text, functions)

    messages = [(number, raw, prefix.split(raw)) for number, raw in lines]
    if not messages:
        return ()
    head = messages.pop()[2].seconds
    complaints = [
        Occurrence(number, raw)
        for number, raw, message in messages
        if speaks_of_error(message.text)
        and (within := longest(message.text))
        and (head is None or message.seconds is None or 0 <= head - message.seconds <= within)
        and not is_dump(message.text)
        and is_grave(raw, least=ERROR)
    ]
    return (*complaints[:1], *complaints[1:][-_SHOWN + 1 :])


def _of_stack(text: bytes, functions: frozenset[bytes]) -> float:
    match = _SPEAKER.match(text)
    if match is None:
        return 0.0
    name = match["name"].replace(b"-", b"_")
    if name in functions:
        return _SOON
    return _AT_ONCE if any(function.startswith(name + b"_") for function in functions) else 0.0


def loader_complaints_before(lines: Iterable[tuple[int, bytes]]) -> tuple[Occurrence, ...]:
    """The last error of firmware or a loader among the `lines` before it crashed; empty without one."""
    complaint: tuple[Occurrence, ...] = ()
    for number, raw in lines:
        text = prefix.split(raw).text
        if speaks_of_error(text) and not is_dump(text):
            complaint = (Occurrence(number, raw),)
    return complaint
