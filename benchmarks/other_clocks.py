"""A log with other clocks: slower, faster, or one that begins with the log; nothing else in it changes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime

CLOCK = re.compile(rb"^(?:<\d+>|[^\[]{1,80} kernel: )?\[ *(\d+\.\d{6})\]")
"""What the kernel's clock shows, in a line of its own or of a system log."""
_DATE = re.compile(
    rb"\b20\d\d-[01]\d-[0-3]\dT[0-2]\d:[0-5]\d:[0-5]\d(?:\.\d{6,9})?"
    rb"|^[A-Z][a-z]{2} [ \d]\d [0-2]\d:[0-5]\d:[0-5]\d(?= \S+ )"
)
"""A logger's: with the year, or as syslog has it."""
_PREFIX = 80
"""Bytes of a line in which its date stands."""
BOOTED = datetime(2026, 11, 20, 10, tzinfo=UTC)
"""When a machine was started of which no line tells."""


def lines_of(data: bytes) -> list[bytes]:
    """Without their ends."""
    return data.replace(b"\r\n", b"\n").split(b"\n")


def with_other_clocks(data: bytes) -> Iterator[bytes]:
    """A hundred times slower, so fast that it is over in a second, and begun with the log."""
    lines = lines_of(data)
    stamps = [CLOCK.match(line) for line in lines]
    dates = [_DATE.search(line, 0, _PREFIX) for line in lines]
    first = next((float(stamp[1]) for stamp in stamps if stamp), 0.0)
    origin = next((_when(date) for date in dates if date), BOOTED)

    def changed(start: float, pace: float) -> bytes:
        out = []
        for line, stamp, date in zip(lines, stamps, dates, strict=True):
            if stamp:
                moved_to = b"%12.6f" % max((float(stamp[1]) - start) * pace, 0.0)
                line = line[: stamp.start(1)] + moved_to + line[stamp.end(1) :]
            if date and (not stamp or date.end() <= stamp.start(1)):
                moved = origin + (_when(date) - origin) * pace
                line = line[: date.start()] + _written(moved, like=date) + line[date.end() :]
            out.append(line)
        return b"\n".join(out)

    # A hundredth of hours is minutes still: the other pace has to make any log a short one.
    last = max((float(stamp[1]) for stamp in stamps if stamp), default=0.0)
    yield from (changed(0.0, 100), changed(0.0, min(0.01, 1 / max(last, 1.0))), changed(first, 1))


def _when(date: re.Match[bytes]) -> datetime:
    text = date[0].decode()
    if _has_year(date):
        return datetime.fromisoformat(text[:26]).replace(tzinfo=UTC)
    return datetime.strptime(f"{_A_LEAP_YEAR} {text}", "%Y %b %d %H:%M:%S").replace(tzinfo=UTC)


def _written(when: datetime, *, like: re.Match[bytes]) -> bytes:
    form = "%Y-%m-%dT%H:%M:%S.%f" if _has_year(like) else f"%b {when.day:2} %H:%M:%S"
    return when.strftime(form).encode()


def _has_year(date: re.Match[bytes]) -> bool:
    return date[0][:1].isdigit()


_A_LEAP_YEAR = 2024
