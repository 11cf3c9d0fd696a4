"""Versions that can be ordered: `6.12.107`, `v1.12.1`, `6.18-rc3`, `2026.10`."""

from __future__ import annotations

import re
from functools import total_ordering

from attrs import field, frozen

_FORM = re.compile(r"v?(\d{1,9}(?:\.\d{1,9}){1,5})(?:-?rc(\d{1,6}))?\Z")
_FINAL = 1 << 30


@total_ordering
@frozen(eq=False)
class Version:
    """A dotted version; a release candidate sorts before its release.

    Trailing zeros do not count: 6.18 and 6.18.0 are the same version.
    """

    text: str
    key: tuple[tuple[int, ...], int] = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> Version | None:
        """The version in `text`, or None where it does not look like one (a lone number does not)."""
        match = _FORM.match(text.strip())
        if match is None:
            return None
        numbers = [int(part) for part in match[1].split(".")]
        while len(numbers) > 1 and numbers[-1] == 0:
            numbers.pop()
        candidate = int(match[2]) if match[2] else _FINAL
        return cls(text=text.strip(), key=(tuple(numbers), candidate))

    @classmethod
    def from_toml(cls, value: object) -> Version:
        """The version that a knowledge file names; raises `ValueError`."""
        version = cls.parse(value) if isinstance(value, str) else None
        if version is None:
            raise ValueError('a version such as "6.18.5"')
        return version

    def series(self, parts: int = 2) -> str:
        """The first `parts` numbers, as in `6.12` of `6.12.107`."""
        numbers = (*self.key[0], *(0,) * parts)[:parts]
        return ".".join(str(number) for number in numbers)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Version) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    def __lt__(self, other: Version) -> bool:
        return self.key < other.key

    def __str__(self) -> str:
        return self.text
