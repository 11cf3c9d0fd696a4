"""Patterns, and what a single message says by them.

A message is examined once: the result is kept, so that a message seen a million times costs one look-up.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from attrs import define, field, frozen

from bootwright.diagnose.reading.grams import LiteralIndex
from bootwright.diagnose.reading.literals import Literal

try:
    import re2
except ImportError:  # pragma: no cover - the fall-back is tested by asking for it
    re2 = None

HAVE_RE2 = re2 is not None
BAD_PATTERN = (re.error, re2.error) if HAVE_RE2 else (re.error,)
"""What compiling a pattern may raise."""
ANYWHERE = re2._Anchor.UNANCHORED if HAVE_RE2 else None  # noqa: SLF001
"""First argument of what `matcher` gives."""
_CACHED = 20_000
"""Messages kept."""
_LONGEST_FACT = 400
"""Characters; why something failed stands at the end of what Go programs print."""
_BEFORE_A_SET = 600
"""Messages whose literals are found without a set of all: as long as making it takes."""

Facts = tuple[tuple[str, str], ...]
"""What a pattern captures, by name."""


@frozen
class Pattern:
    """One thing that a line may say."""

    name: str
    """`signature/event`, or `@component/marker`."""
    expression: str
    literals: frozenset[Literal]
    once: bool = False
    """Seen often in one boot it tells nothing new (a stage is reached once)."""
    begins: bool = False
    """Another boot may begin with it."""
    before_kernel: bool = False
    """Firmware or a loader says it, which is no Linux itself: seen after a kernel, another boot has begun."""
    speakers: frozenset[str] = frozenset()
    """Who may say it (`voice.SPEAKERS`); empty: anybody."""


@define(eq=False)
class Record:
    """What a message says. There is one for each message, so that identity is enough to compare it."""

    matches: tuple[tuple[Pattern, Facts], ...]
    kernel: bool
    """It carries the kernel's time stamp: the kernel runs."""
    literals: tuple[int, ...]
    begins: bool
    voice: str = ""
    """Who said it (`voice.SPEAKERS`), empty where the line does not tell."""
    may_begin: bool = field(init=False)
    """Another boot may begin with it: as its first line, or after a kernel that ran."""

    def __attrs_post_init__(self) -> None:
        self.may_begin = self.begins or any(pattern.before_kernel for pattern, _ in self.matches)


class Compiled(Protocol):
    """A regular expression for bytes, of either engine."""

    def search(self, text: bytes) -> Any:  # noqa: ANN401
        """A match object with `groupdict`, or None."""


def _options() -> Any:  # noqa: ANN401
    # Bytes: one character each.
    chosen = re2.Options()
    chosen.encoding = re2.Options.Encoding.LATIN1
    chosen.log_errors = False
    chosen.max_mem = 32 << 20
    return chosen


def compile_pattern(expression: str, *, use_re2: bool) -> Compiled:
    """The pattern for bytes. re2 runs in linear time; `re` sees lines of bounded length only."""
    return _compiled(expression.encode(), use_re2=use_re2)


def _compiled(expression: bytes, *, use_re2: bool) -> Compiled:
    if use_re2 and HAVE_RE2:
        compiled: Compiled = re2.compile(expression, _options())
        return compiled
    return re.compile(expression)


Ask = Callable[[bytes], list[tuple[str, bytes]] | None]
"""What a pattern captures in a text, by name, where that is not empty; None where it does not match."""


def asking(expression: bytes, *, use_re2: bool) -> Ask:
    """How to ask a text for the pattern, as `compile_pattern` has it."""
    compiled = _compiled(expression, use_re2=use_re2)
    if not (use_re2 and HAVE_RE2):

        def by_re(text: bytes) -> list[tuple[str, bytes]] | None:
            match = compiled.search(text)
            if match is None:
                return None
            return [(_fact(name), value) for name, value in match.groupdict().items() if value]

        return by_re
    # The wrapper's match objects cost more than the search; its inner call gives bare offsets.
    search = compiled._regexp.Match  # type: ignore[attr-defined]  # noqa: SLF001
    groups = [(_fact(name), index) for name, index in compiled.groupindex.items()]  # type: ignore[attr-defined]

    def by_re2(text: bytes) -> list[tuple[str, bytes]] | None:
        spans = search(ANYWHERE, text, 0, len(text))
        if spans[0][0] < 0:
            return None
        captures = []
        for name, index in groups:
            start, end = spans[index]
            if end > start:
                captures.append((name, text[start:end]))
        return captures

    return by_re2


def matcher(expression: bytes) -> Any:  # noqa: ANN401
    """`(ANYWHERE, text, start, end)` → `[(start, end)]` of the first match, (-1, -1) where there is none.

    re2 only. The wrapper's match objects cost more than the search; its inner call gives bare offsets.
    """
    return re2.compile(expression, _options())._regexp.Match  # noqa: SLF001


def holds(expression: bytes) -> Callable[[bytes], bool]:
    """What tells whether a text holds a match of the expression: of re2 where it is there."""
    if not HAVE_RE2:
        pattern = re.compile(expression)
        return lambda text: pattern.search(text) is not None
    search = matcher(expression)
    return lambda text: bool(search(ANYWHERE, text, 0, len(text))[0][0] >= 0)


def quoted(literal: Literal) -> bytes:
    """The literal as a regular expression."""
    text = re.escape(literal.text)
    return b"(?i:" + text + b")" if literal.any_case else text


def printable(text: bytes) -> str:
    """Text that does nothing but show itself: no control, format or direction characters."""
    shown = text.decode(errors="replace")
    if shown.isprintable():
        return shown
    return "".join(char if char.isprintable() or char == "\t" else "�" for char in shown)


class Examiner:
    """Tells which patterns a message matches, and what they capture."""

    def __init__(self, patterns: Sequence[Pattern], literals: Sequence[Literal], *, use_re2: bool) -> None:
        self._patterns = patterns
        self._use_re2 = use_re2
        number = {literal: index for index, literal in enumerate(literals)}
        self._holders: list[list[int]] = [[] for _ in literals]
        for index, pattern in enumerate(patterns):
            for literal in pattern.literals:
                self._holders[number[literal]].append(index)
        self._once = [all(patterns[holder].once for holder in holders) for holders in self._holders]
        self._asked: dict[int, Ask] = {}
        self._known: dict[tuple[bytes, bool, str], Record] = {}
        self._literals_in = literals_in(literals, use_re2=use_re2)
        self.examined = 0
        """Messages that were looked at, not remembered."""

    def once(self, literal: int) -> bool:
        """Whether only patterns that are asked for once hold the literal."""
        return self._once[literal]

    def examine(self, message: bytes, *, kernel: bool, voice: str = "") -> Record:
        """The record of a message (without its stamps); one without matches says nothing."""
        record = self._known.get((message, kernel, voice))
        if record is None:
            self.examined += 1
            record = self._examine(message, kernel, voice)
            if len(self._known) >= _CACHED:
                self._known.clear()
            self._known[message, kernel, voice] = record
        return record

    def _examine(self, text: bytes, kernel: bool, voice: str) -> Record:
        literals = tuple(self._literals_in(text))
        matches = []
        for index in sorted({holder for literal in literals for holder in self._holders[literal]}):
            ask = self._asked.get(index)
            if ask is None:
                ask = asking(self._patterns[index].expression.encode(), use_re2=self._use_re2)
                self._asked[index] = ask
            captured = ask(text)
            if captured is not None:
                facts = tuple((name, printable(value)[:_LONGEST_FACT].strip()) for name, value in captured)
                matches.append((self._patterns[index], facts))
        begins = any(pattern.begins for pattern, _ in matches)
        return Record(tuple(matches), kernel, literals, begins, voice)


def literals_in(literals: Sequence[Literal], *, use_re2: bool) -> Callable[[bytes], Sequence[int]]:
    """What tells which of the literals, by their numbers in ascending order, a text holds."""
    by_grams = LiteralIndex(literals).held
    return _SetWhenItPays(literals, by_grams).held if use_re2 and HAVE_RE2 and literals else by_grams


class _SetWhenItPays:
    """Made for the first texts it would cost more than it saves: most logs have fewer."""

    def __init__(self, literals: Sequence[Literal], at_first: Callable[[bytes], Sequence[int]]) -> None:
        self._literals = literals
        self._find = at_first
        self._left = _BEFORE_A_SET

    def held(self, text: bytes) -> Sequence[int]:
        self._left -= 1
        if self._left == 0:
            literal_set = re2.Set.SearchSet(_options())
            for literal in self._literals:
                literal_set.Add(quoted(literal))
            literal_set.Compile()
            match = literal_set._set.Match  # noqa: SLF001
            self._find = lambda text: sorted(match(text))
        return self._find(text)


def _fact(name: str | bytes) -> str:
    """`errno2` is `errno` too: a pattern cannot use one name twice. re2 gives names as bytes."""
    text = name.decode() if isinstance(name, bytes) else name
    return text.rstrip("0123456789")
