"""Errors that go on in the lines after them: several in one, as Go programs print them.

`1 error occurred:` and below it, indented, `* why` (hashicorp/go-multierror format.go); `1 error(s)
occurred:` with reasons that have no bullet (siderolabs/go-retry retry.go). Loggers that write by lines give
each line a stamp of its own, and syslog daemons write the tab as `#011`.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from typing import Final

from bootwright.diagnose.reading import prefix

_MOST_REASONS: Final = 16
"""Lines that one error goes on in at most."""
_OCCURRED: Final = b"occurred:"
_HEAD: Final = re.compile(rb"\berrors?(?:\(s\))? occurred:[ \t\r]*$")
_REASON: Final = re.compile(
    rb"""(?:\s*(?:\[talos\]|[\w@./-]{1,64}\[\d{1,10}\]:)|\s?[\w@./-]{1,64}:(?=\t|\s\s|\#011))?
    (?P<gap>(?:\s|\#011|\\x09)*)(?P<reason>(?:\*\ )?\S.*)""",
    re.VERBOSE | re.DOTALL,
)
_WIDE: Final = 3
"""Spaces before a reason whose tab somebody made spaces of; the stamp before it takes one or two."""


def is_head(line: bytes) -> bool:
    """Whether the reason of the error in that clean line stands in the next one."""
    return _OCCURRED in line and _HEAD.search(line) is not None


def reason_in(line: bytes) -> bytes | None:
    """The reason that a line goes on with, without stamp and indentation; None where it is no such line."""
    text = prefix.split(line, dated=False).text
    if not text or line.startswith(b"{"):
        return None
    start = line.rfind(text)
    while start > 0 and line[start - 1 : start].isspace():
        start -= 1
    match = _REASON.match(line, max(start, 0))
    if match is None:
        return None
    gap, reason = match["gap"], match["reason"]
    indented = gap.strip(b" ") or len(gap) >= _WIDE or reason.startswith(b"* ")
    return reason if indented else None


def with_reasons(text: bytes, joins: tuple[int, ...]) -> tuple[bytes, tuple[int, ...]]:
    """The text with reasons put behind their error, a tab between them; and where lines were joined.

    `joins` are the offsets where lines of the text were joined before.
    """
    out: list[bytes] = []
    moved: list[int] = []
    size = place = known = 0  # bytes written, bytes read, joins of before that were taken over
    for end in _ends_of_heads(text):
        if end < place:
            continue
        reasons = _reasons_after(text, end)
        if not reasons:
            continue
        upto = bisect_left(joins, end)
        moved += [join - place + size for join in joins[known:upto]]
        out.append(text[place:end].rstrip())
        size += len(out[-1])
        for reason, after in reasons:
            moved.append(size)
            out.append((b" " if out[-1].endswith(b":") else b"\t") + reason.rstrip())
            size += len(out[-1])
            known, place = bisect_left(joins, after), after
            # A reason that was broken counts its lines too.
            moved += [size - 1] * (known - upto)
            upto = known
    if not out:
        return text, joins
    moved += [join - place + size for join in joins[known:]]
    return b"".join((*out, text[place:])), tuple(moved)


def _ends_of_heads(text: bytes) -> Iterator[int]:
    """Where the lines end that are heads and that another line follows, in order."""
    # Few lines hold the word: `re` would look at each byte, which takes as long as all else in a flood.
    place = text.find(_OCCURRED)
    while place >= 0:
        end = text.find(b"\n", place)
        if end < 0:
            return
        if _HEAD.search(text[text.rfind(b"\n", 0, place) + 1 : end]) is not None:
            yield end
        place = text.find(_OCCURRED, end)


def _reasons_after(text: bytes, end: int) -> list[tuple[bytes, int]]:
    """The reasons in the lines after the one that ends at `end`, and where their lines end."""
    reasons: list[tuple[bytes, int]] = []
    while len(reasons) < _MOST_REASONS and end < len(text):
        after = text.find(b"\n", end + 1)
        after = after if after >= 0 else len(text)
        reason = reason_in(text[end + 1 : after])
        if reason is None:
            break
        reasons.append((reason, after))
        end = after
    return reasons


_SEVERAL: Final = re.compile(r"\berrors?(?:\(s\))? occurred:")
_COUNT: Final = re.compile(r"\b\d{1,4} errors?(?:\(s\))? occurred:(?:\s|\\[nt])*(?:\* )?(?=\S)")
_NEXT: Final = re.compile(r"(?:\t|\\n(?:\\t)?)(?:\* )?")
_ENDS: Final = re.compile(r"(?:\s|\\[nt])+$")


def in_one_sentence(error: str) -> str:
    """An error with reasons, in JSON too, in the words of a sentence: without their number and bullets."""
    if _SEVERAL.search(error) is None:
        return error
    return _NEXT.sub("; ", _COUNT.sub("", _ENDS.sub("", error)))
