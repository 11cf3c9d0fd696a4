"""One pass over the text for all patterns: literals first, on large blocks; patterns on the lines they hit.

The search for literals is one automaton (google-re2) run over whole blocks, so that lines without any
cost no Python at all. Where re2 is not installed, each literal is looked for by itself, which is slower
by an order of magnitude and finds the same.

A literal that has hit many times in one boot is *saturated*: of the lines holding it only the last in
each block is looked at from then on, so that a log full of one message stays fast.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol

from attrs import frozen

from bootwright.diagnose import prefix
from bootwright.diagnose.literals import Literal
from bootwright.diagnose.text import Block

try:
    import re2
except ImportError:  # pragma: no cover - the fall-back is tested by asking for it
    re2 = None

SATURATED = 2000
"""Hits of one literal between two resets after which only the last one in a block is looked at."""
_OFTEN = 16
"""Hits after which a literal that only `once` patterns hold is no longer looked for in this boot."""
_FLOOD = 1500
"""Hits of a saturated literal in one block that take it out of the common search."""
_CACHED = 20_000
_LONGEST = 4096
"""Bytes of a line that patterns see: from 1 KiB before the literal where the line is longer."""


@frozen
class Pattern:
    """One thing that a line may say."""

    name: str
    """`signature/event`, or `@component/marker`."""
    expression: str
    literals: frozenset[Literal]
    once: bool = False
    """Seen often in one boot it tells nothing new (a stage is reached once)."""


class Hit(NamedTuple):
    """A line that says it. (A tuple: millions of them are made.)"""

    pattern: Pattern
    line: int
    text: bytes
    """The line without stamps."""
    raw: bytes
    """The line as it stands in the (cleaned) file."""
    facts: tuple[tuple[str, str], ...]
    seconds: float | None
    kernel: bool
    """Whether `seconds` is the kernel's clock: the kernel runs."""
    wall: float | None


_Examined = tuple[tuple[int, ...], tuple[tuple[Pattern, tuple[tuple[str, str], ...]], ...]]
"""The literals a message holds, and the patterns it matches with what they capture."""


class _Compiled(Protocol):
    def search(self, text: bytes) -> Any: ...  # noqa: ANN401


def _options() -> Any:  # noqa: ANN401
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.log_errors = False
    options.max_mem = 32 << 20
    return options


def compile_pattern(expression: str, *, use_re2: bool) -> _Compiled:
    """The pattern for bytes. re2 runs in linear time; `re` sees lines of bounded length only."""
    if use_re2 and re2 is not None:
        compiled: _Compiled = re2.compile(expression.encode(), _options())
        return compiled
    return re.compile(expression.encode())


def printable(text: bytes) -> str:
    """Text that does nothing but show itself: no control, format or direction characters."""
    shown = text.decode(errors="replace")
    if shown.isprintable():
        return shown
    return "".join(char if char.isprintable() or char == "\t" else "�" for char in shown)


class Scanner:
    """Finds every pattern in blocks of text."""

    def __init__(self, patterns: Sequence[Pattern], *, use_re2: bool = True) -> None:
        self._patterns = patterns
        self._use_re2 = use_re2 and re2 is not None
        self._literals = sorted({literal for pattern in patterns for literal in pattern.literals})
        number = {literal: index for index, literal in enumerate(self._literals)}
        self._holders: list[list[int]] = [[] for _ in self._literals]
        for index, pattern in enumerate(patterns):
            for literal in pattern.literals:
                self._holders[number[literal]].append(index)
        self._compiled: dict[int, _Compiled] = {}
        self._cache: dict[bytes, _Examined] = {}
        self._once = [all(patterns[each].once for each in holders) for holders in self._holders]
        self._limits = [_OFTEN if once else SATURATED for once in self._once]
        self._numbers = {literal.text: index for literal, index in number.items() if not literal.any_case}
        self._numbers_any_case = {
            literal.text: index for literal, index in number.items() if literal.any_case
        }
        self._counts = [0] * len(self._literals)
        self._tired: set[int] = set()
        """Saturated: hit so often in this boot that only the last hit of each block is looked at."""
        self._settled: set[int] = set()
        """To be removed with the next block."""
        self._removed: set[int] = set()
        """Of those, the ones that flood the log: no longer searched for with the others."""
        self._automata: dict[frozenset[int], Any] = {}
        self._active = self._automaton()
        self._which = self._literal_set()

    @property
    def patterns(self) -> Sequence[Pattern]:
        """What it looks for."""
        return self._patterns

    def reset(self) -> None:
        """Forget which literals are saturated: another boot begins."""
        if self._tired:
            self._tired.clear()
        self._counts = [0] * len(self._literals)
        self._settled.clear()
        if self._removed:
            self._removed.clear()
            self._active = self._automaton()

    def scan(self, block: Block) -> Iterator[Hit]:
        """Every hit in the block, in order of lines; those of saturated literals last."""
        text = block.text
        if self._settled:
            # Once a block: a fresh automaton has to learn its states anew.
            self._removed |= self._settled
            self._settled.clear()
            self._active = self._automaton()
        late: dict[int, int] = {}
        lines = _Lines(block)
        end = -1
        for place in self._candidates(text, late) if self._use_re2 else self._places_by_find(text, late):
            if place < end:
                continue
            line, raw, end = lines.at(place)
            yield from self._hits(line, raw)
        lines = _Lines(block)
        end = -1
        for place in sorted(late.values()):
            if place >= end:
                line, raw, end = lines.at(place)
                yield from self._hits(line, raw)

    def _hits(self, line: int, raw: bytes) -> list[Hit]:
        message, seconds, kernel, wall = prefix.split(raw)
        known = self._cache.get(message)
        if known is None:
            known = self._examine(message)
            if len(self._cache) >= _CACHED:
                self._cache.clear()
            self._cache[message] = known
        literals, matches = known
        counts = self._counts
        for literal in literals:
            counts[literal] += 1
            if counts[literal] == self._limits[literal]:
                if self._once[literal]:
                    self._settled.add(literal)
                else:
                    self._tired.add(literal)
        return [Hit(pattern, line, message, raw, facts, seconds, kernel, wall) for pattern, facts in matches]

    def _examine(self, text: bytes) -> _Examined:
        literals = self._literals_in(text)
        matches = []
        for index in sorted({holder for literal in literals for holder in self._holders[literal]}):
            compiled = self._compiled.get(index)
            if compiled is None:
                compiled = compile_pattern(self._patterns[index].expression, use_re2=self._use_re2)
                self._compiled[index] = compiled
            match = compiled.search(text)
            if match is not None:
                facts = tuple(
                    (_fact(name), printable(value)[:200].strip())
                    for name, value in match.groupdict().items()
                    if value
                )
                matches.append((self._patterns[index], facts))
        return literals, tuple(matches)

    # -- the search for literals ---------------------------------------------------------------

    def _automaton(self) -> Any:  # noqa: ANN401
        """The search for all literals but the removed ones; kept, because boots repeat."""
        if not self._use_re2:
            return None
        key = frozenset(self._removed)
        if key not in self._automata:
            if len(self._automata) >= 32:
                self._automata.clear()
            # Where two begin at one place the longer is taken, so that a saturated short one hides nothing.
            wanted = sorted(
                (literal for index, literal in enumerate(self._literals) if index not in key),
                key=lambda literal: -len(literal.text),
            )
            union = b"|".join(_quoted(literal) for literal in wanted)
            # The wrapper's match objects cost more than the search; its inner call gives bare offsets.
            self._automata[key] = re2.compile(union, _options())._regexp.Match  # noqa: SLF001
        return self._automata[key]

    def _literal_set(self) -> Any:  # noqa: ANN401
        if not self._use_re2:
            return None
        found = re2.Set.SearchSet(_options())
        for literal in self._literals:
            found.Add(_quoted(literal))
        found.Compile()
        return found

    def _literals_in(self, text: bytes) -> tuple[int, ...]:
        if self._which is not None:
            return tuple(sorted(self._which.Match(text) or ()))
        lower = text.lower()
        return tuple(
            index
            for index, literal in enumerate(self._literals)
            if literal.text in (lower if literal.any_case else text)
        )

    def _candidates(self, text: bytes, late: dict[int, int]) -> Iterator[int]:
        """Offsets of literals, at least one for each line that holds one that is not saturated.

        Into `late` goes the last offset of each saturated literal.
        """
        anywhere = re2._Anchor.UNANCHORED  # noqa: SLF001
        length = len(text)
        tired = self._tired
        seen: dict[int, int] = {}
        place = 0
        while True:
            start, stop = self._active(anywhere, text, place, length)[0]
            if start < 0:
                break
            if tired:
                found = text[start:stop]
                literal = self._numbers.get(found)
                if literal is None:
                    literal = self._numbers_any_case[found.lower()]
                if literal in tired:
                    late[literal] = start
                    place = start + 1
                    times = seen[literal] = seen.get(literal, 0) + 1
                    if times == _FLOOD:
                        self._removed.add(literal)
                        self._active = self._automaton()
                    continue
            yield start
            place = text.find(b"\n", stop)
            if place < 0:
                break
        for literal in self._removed:
            if not self._once[literal]:
                self._find_last(text, literal, late)

    def _find_last(self, text: bytes, literal: int, late: dict[int, int]) -> None:
        wanted = self._literals[literal]
        place = (text.lower() if wanted.any_case else text).rfind(wanted.text)
        if place >= 0:
            late[literal] = place

    def _places_by_find(self, text: bytes, late: dict[int, int]) -> Iterator[int]:
        places: set[int] = set()
        lower: bytes | None = None
        for index, literal in enumerate(self._literals):
            if index in self._removed or index in self._tired:
                if not self._once[index]:
                    self._find_last(text, index, late)
                continue
            if literal.any_case:
                lower = text.lower() if lower is None else lower
            where = lower if literal.any_case and lower is not None else text
            place = where.find(literal.text)
            while place >= 0:
                places.add(place)
                newline = where.find(b"\n", place)
                place = where.find(literal.text, newline) if newline >= 0 else -1
        yield from sorted(places)


class _Lines:
    """Lines of a block by offset; to be asked in ascending order."""

    def __init__(self, block: Block) -> None:
        self._block = block
        self._text = block.text
        self._line = block.first_line
        self._counted = 0

    def at(self, place: int) -> tuple[int, bytes, int]:
        """Number and bytes of the line at `place`, and where it ends."""
        text = self._text
        start = text.rfind(b"\n", 0, place) + 1
        end = text.find(b"\n", place)
        if end < 0:
            end = len(text)
        self._line += text.count(b"\n", self._counted, start)
        if self._block.joins:
            self._line += self._block.extra_lines(self._counted, start)
        self._counted = start
        if end - start > _LONGEST:
            low = max(start, place - 1024)
            return self._line, text[low : min(end, low + _LONGEST)], end
        return self._line, text[start:end], end


def _quoted(literal: Literal) -> bytes:
    quoted = re.escape(literal.text)
    return b"(?i:" + quoted + b")" if literal.any_case else quoted


def _fact(name: str | bytes) -> str:
    """`errno2` is `errno` too: a pattern cannot use one name twice. re2 gives names as bytes."""
    text = name.decode() if isinstance(name, bytes) else name
    return text.rstrip("0123456789")
