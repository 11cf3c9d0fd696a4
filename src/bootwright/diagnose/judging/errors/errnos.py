"""Error numbers and their names, understood both ways: `-22`, `EINVAL`, `(-EINVAL)`, `invalid argument`.

Numbers are those of include/uapi/asm-generic/errno.h and, above 511, of include/linux/errno.h
(Linux 6.12), which user space never sees but kernel logs print.
"""

from __future__ import annotations

import re

from attrs import frozen

from bootwright.formats.kernel.errnos import ALIASES, ERRNOS, INTERNAL

_NUMBER = re.compile(r"[-(]*(?:0x)?(-?\d{1,4})\)?\Z")
_HEX64 = re.compile(r"0x(f{8,12}[0-9a-f]{4})\Z", re.IGNORECASE)


@frozen
class Errno:
    """An error number of the kernel, positive."""

    number: int
    name: str
    meaning: str

    def __str__(self) -> str:
        return f"-{self.number} ({self.name}, {self.meaning})"


def _known() -> dict[int, Errno]:
    return {number: Errno(number, *entry) for number, entry in {**ERRNOS, **INTERNAL}.items()}


_BY_NUMBER = _known()
_BY_NAME = {
    **{entry.name: entry for entry in _BY_NUMBER.values()},
    **{alias: _BY_NUMBER[number] for alias, number in ALIASES.items()},
}
_BY_MEANING = {entry.meaning: entry for entry in _BY_NUMBER.values()}


def parse_errno(text: str) -> Errno | None:
    """The error that `text` names by number, name or message; None where it names none.

    Zero is no error. A 64-bit two's complement (`0xffffffffffffffea`) is understood too.
    """
    bare = text.strip().strip("()[],.:;").strip()
    by_name = _BY_NAME.get(bare.lstrip("-").upper())
    if by_name is not None:
        return by_name
    wide = _HEX64.match(bare)
    if wide is not None:
        return _BY_NUMBER.get((1 << 4 * len(wide[1])) - int(wide[1], 16))
    number = _NUMBER.match(bare)
    if number is not None:
        return _BY_NUMBER.get(abs(int(number[1])))
    return _BY_MEANING.get(bare.lower())
