"""What of a log is nobody else's business, and a diagnosis without it, to hand to others.

MAC addresses, serial numbers, tokens and host names are recognised by patterns (`data/secrets/`, one file a
kind); each is replaced by what it is and a number, the same for the same value, so that the text can still be
followed. A pattern knows the forms that logs have; a secret in a form of its own stays.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator
from enum import Enum
from functools import cache
from typing import Any, Literal, TypeVar

import attrs
from attrs import field, frozen

from bootwright.diagnose.model import Diagnosis
from bootwright.diagnose.reading.numbered import Read, lines_of
from bootwright.diagnose.reading.text import Cleaner
from bootwright.foundation.knowledge import Kind
from bootwright.foundation.structure import STEM

T = TypeVar("T")
_MOST_KNOWN = 10_000
"""Values remembered of one set of logs."""


@frozen
class Example:
    """A text, and what is left of it."""

    log: str
    struck: str


def _with_secret(patterns: tuple[re.Pattern[str], ...]) -> tuple[re.Pattern[str], ...]:
    for pattern in patterns:
        if "secret" not in pattern.groupindex:
            raise ValueError("a group named `secret` in each pattern", pattern.pattern)
    return patterns


@frozen
class SecretForm:
    """One kind of secret."""

    name: str = field(metadata=STEM)
    shown: str
    """What stands in its place, such as `MAC address`."""
    source: str
    patterns: tuple[re.Pattern[str], ...] = field(converter=_with_secret)
    """Each has a group `secret`; `^` and `$` are those of a line."""
    everywhere: bool = False
    """Whether a value known from one line is struck out wherever it stands as a word."""
    harmless: tuple[str, ...] = ()
    """Values that are none, in any case of letters."""
    same: Literal["text", "mac"] = "text"
    """How two spellings of one value are known: by their letters in any case, or as the address they are.
    Of an address known from one line, other spellings are struck out as well."""
    example: tuple[Example, ...] = ()


SECRETS = Kind("secrets", "a kind of secret", SecretForm)


class Secrets:
    """Learns secrets from logs, then strikes them out of texts."""

    def __init__(self) -> None:
        self._forms = _forms()
        self._numbers: dict[tuple[str, str], int] = {}
        self._words: dict[str, str] = {}
        self._everywhere: re.Pattern[str] | None = None

    def learn(self, line: str) -> None:
        """Look at one line of a log, without its end."""
        for form in self._forms:
            for pattern in form.patterns if form.everywhere or form.same == "mac" else ():
                for match in pattern.finditer(line):
                    value = match["secret"]
                    if not _harmless(form, value) and len(self._words) < _MOST_KNOWN:
                        for word in _spellings(value) if form.same == "mac" else (value,):
                            if word not in self._words:
                                self._words[word] = self._mark(form, value)
                                self._everywhere = None

    def overhearing(self, read: Read) -> Read:
        """`read` itself, with a look at every line that goes through it."""
        cleaner = Cleaner()

        def overheard(size: int) -> bytes:
            data = read(size)
            for block in cleaner.feed(data) if data else cleaner.flush():
                for _, line in lines_of(block):
                    self.learn(line)
            return data

        return overheard

    def struck_out(self, text: str) -> str:
        """A text, of any number of lines, without the secrets that are known or can be recognised in it."""
        for line in text.split("\n"):
            self.learn(line)
        if self._words:
            if self._everywhere is None:
                longest_first = sorted(self._words, key=lambda word: (-len(word), word))
                words = "|".join(map(re.escape, longest_first))
                self._everywhere = re.compile(rf"(?<![\w.-])(?:{words})(?![\w-])")
            text = self._everywhere.sub(lambda match: self._words[match[0]], text)
        for form in self._forms:
            if not form.everywhere:
                for pattern in form.patterns:
                    text = pattern.sub(self._replaced(form), text)
        return text

    def without(self, diagnosis: Diagnosis) -> Diagnosis:
        """The same diagnosis with every text struck out."""
        return self._struck(diagnosis)

    def _struck(self, value: T) -> T:
        made: Any = value
        if isinstance(value, str) and not isinstance(value, Enum):
            made = self.struck_out(value)
        elif isinstance(value, tuple):
            made = tuple(self._struck(item) for item in value)
        elif attrs.has(type(value)):
            made = attrs.evolve(made, **{name: self._struck(item) for name, item in _fields(made)})
        result: T = made
        return result

    def _replaced(self, form: SecretForm) -> Callable[[re.Match[str]], str]:
        def replaced(match: re.Match[str]) -> str:
            value = match["secret"]
            # What an earlier pattern put there is none.
            if _harmless(form, value) or value.startswith("["):
                return match[0]
            start, end = (at - match.start() for at in match.span("secret"))
            return match[0][:start] + self._mark(form, value) + match[0][end:]

        return replaced

    def _mark(self, form: SecretForm, value: str) -> str:
        known = sum(name == form.name for name, _ in self._numbers)
        key = _address(value) if form.same == "mac" else value.lower()
        number = self._numbers.setdefault((form.name, key), known + 1)
        return f"[{form.shown} {number}]"


@cache
def _forms() -> tuple[SecretForm, ...]:
    return tuple(SECRETS.all().values())


def _harmless(form: SecretForm, value: str) -> bool:
    return value.lower() in form.harmless


def _address(value: str) -> str:
    """The hexadecimal digits of an EUI-48 or EUI-64, also of one that an IPv6 address was made of (RFC 4291,
    appendix A)."""
    if "::" in value:
        identifier = ipaddress.IPv6Address(value).packed[8:]
        return (bytes([identifier[0] ^ 2]) + identifier[1:3] + identifier[5:]).hex()
    return re.sub("[:.-]", "", value).lower()


def _spellings(value: str) -> tuple[str, ...]:
    """Those of an address that only one who knows it recognises: without anything between the digits."""
    digits = _address(value)
    return digits, digits.upper()


def _fields(value: Any) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - an instance of any attrs class
    return ((item.name, getattr(value, item.name)) for item in attrs.fields(type(value)))
