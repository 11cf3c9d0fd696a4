"""Durations as logs write them: `1m30s`, `2min 3s`, `85 seconds`, `0:01:30`, `120000 msecs`."""

from __future__ import annotations

import re

_UNITS = {
    "d": 86400.0, "day": 86400.0, "days": 86400.0,
    "h": 3600.0, "hour": 3600.0, "hours": 3600.0,
    "m": 60.0, "min": 60.0, "mins": 60.0, "minute": 60.0, "minutes": 60.0,
    "s": 1.0, "sec": 1.0, "secs": 1.0, "second": 1.0, "seconds": 1.0,
    "ms": 1e-3, "msec": 1e-3, "msecs": 1e-3, "us": 1e-6, "µs": 1e-6, "usec": 1e-6, "usecs": 1e-6, "ns": 1e-9,
}  # fmt: skip
_PART = re.compile(r"(\d{1,12}(?:\.\d{1,12})?)\s*([a-zµ]{1,7})\s*")
_CLOCK = re.compile(r"(?:(\d{1,4}):)?(\d{1,2}):(\d{1,2}(?:\.\d{1,9})?)\Z")


def parse_duration(text: str) -> float | None:
    """Seconds, or None where `text` is not a duration. A bare number is not one."""
    lowered = text.strip().lower()
    clock = _CLOCK.match(lowered)
    if clock is not None:
        return int(clock[1] or 0) * 3600 + int(clock[2]) * 60 + float(clock[3])
    total = 0.0
    place = 0
    while place < len(lowered):
        match = _PART.match(lowered, place)
        if match is None or match[2] not in _UNITS:
            return None
        total += float(match[1]) * _UNITS[match[2]]
        place = match.end()
    return total if place else None
