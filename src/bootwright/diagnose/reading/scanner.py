"""One pass over the text for all patterns: literals first, on large blocks; patterns on the lines they hit.

The search for literals is one automaton (google-re2) run over whole blocks, so that lines without any
cost no Python at all. Where re2 is not installed, each literal is looked for by itself, which is slower
by an order of magnitude and finds the same. Before that, lines that were seen before are recognised
(`familiar`), which is what most lines of a board in a boot loop are.

A literal that has hit many times in one boot is *saturated*: of the lines holding it only the last in
each block is looked at from then on, so that a log full of one message stays fast.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from bootwright.diagnose.reading import prefix
from bootwright.diagnose.reading.familiar import UNKNOWN, Familiar
from bootwright.diagnose.reading.patterns import (
    ANYWHERE,
    HAVE_RE2,
    Examiner,
    Pattern,
    Record,
    matcher,
    quoted,
)
from bootwright.diagnose.reading.text import Block
from bootwright.diagnose.reading.voice import voice_of
from bootwright.diagnose.signatures.model import Knowledge

SATURATED = 2000
"""Hits of one literal between two boots after which only the last one in a block is looked at."""
_OFTEN = 16
"""Hits after which a literal that only `once` patterns hold is no longer looked for in this boot."""
_FLOOD = 1500
"""Hits of a saturated literal in one block that take it out of the common search."""
_LONGEST = 4096
"""Bytes of a line that patterns see: from 1 KiB before the literal where the line is longer."""


class Sightings(NamedTuple):
    """Lines that say something, in order: number, bytes as they stand in the (cleaned) file, and what."""

    lines: list[int]
    raws: list[bytes]
    records: list[Record]

    @property
    def begins(self) -> list[int]:
        """Which of them another boot may begin with."""
        return [index for index, record in enumerate(self.records) if record.begins]


class _Tables:
    """What scanners of one knowledge share: literals, automata, what messages say."""

    def __init__(self, patterns: Sequence[Pattern], *, use_re2: bool) -> None:
        self.use_re2 = use_re2
        self.literals = sorted({literal for pattern in patterns for literal in pattern.literals})
        self.examiner = Examiner(patterns, self.literals, use_re2=use_re2)
        numbered = list(enumerate(self.literals))
        self.numbers = {literal.text: index for index, literal in numbered if not literal.any_case}
        self.numbers_any_case = {literal.text: index for index, literal in numbered if literal.any_case}
        self.once = [self.examiner.once(index) for index, _ in numbered]
        self.limits = [_OFTEN if once else SATURATED for once in self.once]
        self._automata: dict[frozenset[int], Any] = {}

    def automaton(self, removed: frozenset[int]) -> Any:  # noqa: ANN401
        """The search for all literals but the removed ones; kept, because boots repeat."""
        if not self.use_re2:
            return None
        if removed not in self._automata:
            if len(self._automata) >= 32:
                self._automata.clear()
            # Where two begin at one place the longer is taken, so that a saturated short one hides nothing.
            wanted = sorted(
                (literal for index, literal in enumerate(self.literals) if index not in removed),
                key=lambda literal: -len(literal.text),
            )
            self._automata[removed] = matcher(b"|".join(quoted(literal) for literal in wanted))
        return self._automata[removed]


@lru_cache(maxsize=4)
def _tables(knowledge: Knowledge, *, use_re2: bool) -> _Tables:
    return _Tables(knowledge.patterns, use_re2=use_re2)


class Scanner:
    """Finds every pattern in blocks of text."""

    def __init__(self, knowledge: Knowledge, *, use_re2: bool = True) -> None:
        tables = self._tables = _tables(knowledge, use_re2=use_re2 and HAVE_RE2)
        self._use_re2 = tables.use_re2
        self._literals = tables.literals
        self._familiar = Familiar(longest=_LONGEST)
        self._counts = [0] * len(tables.literals)
        self._tired: set[int] = set()
        """Saturated: hit so often in this boot that only the last hit of each block is looked at."""
        self._settled: set[int] = set()
        """To be removed with the next block."""
        self._removed: set[int] = set()
        """Of those, the ones that flood the log: no longer searched for with the others."""
        self._active = self._automaton()

    def scan(self, block: Block) -> Sightings:
        """Every line of the block that says something."""
        if block.joins or not self._familiar.worth_trying:
            return self._search(block)
        lines = block.lines
        values = self._familiar.recall(lines)
        if UNKNOWN in values and not self._familiar.learn(lines, values, self._look_at):
            return self._search(block)
        sightings = Sightings(*self._familiar.telling(lines, values, block.first_line))
        if max(map(len, sightings.raws), default=0) > _LONGEST:
            # Which part of them to show, only a search tells.
            return self._search(block)
        if sightings.begins:
            self._another_boot()
        return sightings

    def _look_at(self, text: bytes) -> Iterator[tuple[int, Record]]:
        """Number (from 0) and record of each line of a text that holds a literal, saturated or not."""
        places = (
            self._places(text) if self._use_re2 else self._places_by_find(text, range(len(self._literals)))
        )
        walk = _Lines(Block(text, 0))
        end = -1
        for place in places:
            if place >= end:
                line, raw, end = walk.at(place)
                yield line, self._record(raw)

    def _record(self, raw: bytes) -> Record:
        message = prefix.split(raw)
        return self._tables.examiner.examine(message.text, kernel=message.kernel, voice=voice_of(message))

    # -- text that was not seen before ---------------------------------------------------------

    def _search(self, block: Block) -> Sightings:
        """By the automaton, with saturation."""
        text = block.text
        if self._settled:
            # Once a block: a fresh automaton has to learn its states anew.
            self._removed |= self._settled
            self._settled.clear()
            self._active = self._automaton()
        late: dict[int, int] = {}
        sightings = Sightings([], [], [])
        walk = _Lines(block)
        end = -1
        for place in self._candidates(text, late) if self._use_re2 else self._found(text, late):
            if place < end:
                continue
            line, raw, end = walk.at(place)
            record = self._record(raw)
            self._count(record)
            if record.matches:
                sightings.lines.append(line)
                sightings.raws.append(raw)
                sightings.records.append(record)
                if record.begins:
                    self._find_removed(text, late, end)
                    self._another_boot()
        self._find_removed(text, late, len(text))
        return self._with_late(block, sightings, late.values()) if late else sightings

    def _count(self, record: Record) -> None:
        counts = self._counts
        for literal in record.literals:
            counts[literal] += 1
            if counts[literal] == self._tables.limits[literal]:
                (self._settled if self._tables.once[literal] else self._tired).add(literal)

    def _another_boot(self) -> None:
        """Forget which literals are saturated."""
        self._tired.clear()
        self._settled.clear()
        self._counts = [0] * len(self._literals)
        if self._removed:
            self._removed.clear()
            self._active = self._automaton()

    def _with_late(self, block: Block, sightings: Sightings, places: Iterable[int]) -> Sightings:
        """Put the last hits of saturated literals among the others."""
        entries = {entry[0]: entry for entry in zip(*sightings, strict=True)}
        walk = _Lines(block)
        for place in sorted(places):
            line, raw, _ = walk.at(place)
            if line not in entries:
                record = self._record(raw)
                if record.matches:
                    entries[line] = (line, raw, record)
        ordered = [entries[line] for line in sorted(entries)]
        return Sightings(*(list(column) for column in zip(*ordered, strict=True))) if ordered else sightings

    # -- the search for literals ---------------------------------------------------------------

    def _automaton(self) -> Any:  # noqa: ANN401
        return self._tables.automaton(frozenset(self._removed))

    def _places(self, text: bytes) -> Iterator[int]:
        """Offsets of literals, one for each line that holds any."""
        search = self._tables.automaton(frozenset())
        length, place = len(text), 0
        while True:
            start, stop = search(ANYWHERE, text, place, length)[0]
            if start < 0:
                return
            yield start
            place = text.find(b"\n", stop)
            if place < 0:
                return

    def _candidates(self, text: bytes, late: dict[int, int]) -> Iterator[int]:
        """Offsets of literals, at least one for each line that holds one that is not saturated.

        Into `late` goes the last offset of each saturated literal.
        """
        length = len(text)
        tired = self._tired
        counts: dict[int, int] = {}
        place = 0
        while True:
            start, stop = self._active(ANYWHERE, text, place, length)[0]
            if start < 0:
                return
            if tired:
                hit = text[start:stop]
                literal = self._tables.numbers.get(hit)
                if literal is None:
                    literal = self._tables.numbers_any_case[hit.lower()]
                if literal in tired:
                    late[literal] = start
                    place = start + 1
                    times = counts[literal] = counts.get(literal, 0) + 1
                    if times == _FLOOD:
                        self._removed.add(literal)
                        self._active = self._automaton()
                    continue
            yield start
            place = text.find(b"\n", stop)
            if place < 0:
                return

    def _find_removed(self, text: bytes, late: dict[int, int], end: int) -> None:
        """The last hit before `end` of each literal that is not looked for with the others."""
        for literal in self._removed:
            if not self._tables.once[literal]:
                self._find_last(text, literal, late, end)

    def _find_last(self, text: bytes, literal: int, late: dict[int, int], end: int) -> None:
        wanted = self._literals[literal]
        place = (text.lower() if wanted.any_case else text).rfind(wanted.text, 0, end)
        if place >= 0:
            late[literal] = place

    def _found(self, text: bytes, late: dict[int, int]) -> Iterator[int]:
        """What `_candidates` gives, without re2."""
        resting = self._removed | self._tired
        for literal in resting:
            if not self._tables.once[literal]:
                self._find_last(text, literal, late, len(text))
        return self._places_by_find(
            text, [index for index in range(len(self._literals)) if index not in resting]
        )

    def _places_by_find(self, text: bytes, literals: Iterable[int]) -> Iterator[int]:
        places: set[int] = set()
        lower: bytes | None = None
        for index in literals:
            literal = self._literals[index]
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
