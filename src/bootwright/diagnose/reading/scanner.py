"""One pass over the text for all patterns: literals first, on large blocks; patterns on the lines they hit.

The search for literals is one automaton (google-re2) run over whole blocks, so that lines without any
cost no Python at all. Where re2 is not installed, each literal is looked for by itself, which is slower
by an order of magnitude and finds the same. Before that, lines that were seen before are recognised
(`familiar`), which is what most lines of a board in a boot loop are.

A literal that has hit many times in one boot is *saturated*: of the lines holding it only the last in
each block is looked at from then on, so that a log full of one message stays fast.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import compress
from typing import Any, NamedTuple, Protocol

from attrs import frozen

from bootwright.diagnose.reading.patterns import (
    ANYWHERE,
    HAVE_RE2,
    Examiner,
    Pattern,
    Record,
)
from bootwright.diagnose.reading.places import LiteralSearch, automaton, places_by_find
from bootwright.diagnose.reading.shapes.familiar import Familiar, RememberedLines
from bootwright.diagnose.reading.shapes.shape import shapes_of
from bootwright.diagnose.reading.shapes.telling import TellingShapes
from bootwright.diagnose.reading.text import Block, Cleaner
from bootwright.diagnose.reading.voice import Speakers
from bootwright.diagnose.signatures.model import Knowledge

SATURATED = 2000
"""Hits of one literal between two boots after which only the last one in a block is looked at."""
_OFTEN = 16
"""Hits after which a literal that only `once` patterns hold is no longer looked for in this boot."""
_FLOOD = 1500
"""Hits of a saturated literal in one block that take it out of the common search."""
_MOST_TELLING = 0.6
"""Share of lines that have to be examined above which the search does better: it gives up on a flood."""
_FEW = 100
"""Lines that are examined however short the block is."""
_SAMPLE = 100
"""Lines by which a flood is recognised."""
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
        return [index for index, record in enumerate(self.records) if record.may_begin]


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
        self.all = LiteralSearch(self.literals, use_re2=use_re2)
        self.telling = TellingShapes(patterns, use_re2=use_re2)

    def automaton(self, removed: frozenset[int]) -> Any:  # noqa: ANN401
        """The search for all literals but the removed ones; kept, because boots repeat."""
        if not self.use_re2:
            return None
        if removed not in self._automata:
            if len(self._automata) >= 32:
                self._automata.clear()
            wanted = [literal for index, literal in enumerate(self.literals) if index not in removed]
            self._automata[removed] = automaton(wanted, use_re2=True)
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
        self._speakers = Speakers()
        self._remembered = RememberedLines()
        self._counts = [0] * len(tables.literals)
        self._tired: set[int] = set()
        """Saturated: hit so often in this boot that only the last hit of each block is looked at."""
        self._settled: set[int] = set()
        """To be removed with the next block."""
        self._removed: set[int] = set()
        """Of those, the ones that flood the log: no longer searched for with the others."""
        self._active: Any = None
        """The search for all literals that are not removed; None before it is needed."""

    def scan(self, block: Block) -> Sightings:
        """Every line of the block that says something."""
        if block.joins or not self._familiar.worth_trying:
            return self._search(block)
        sightings = self._recognised(block)
        if sightings is None:
            return self._search(block)
        if any(record.begins for record in sightings.records):
            self._another_boot()
        return sightings

    def _recognised(self, block: Block) -> Sightings | None:
        """The same by the shapes of lines, none saturated; None where a search does better."""
        lines, shapes = block.lines, shapes_of(block.text)
        places = self._familiar.may_tell(shapes, self._tables.telling.holding.lines)
        if places is None:
            return None
        spelled = self._spelled(block.text)
        if spelled:
            places = sorted({*places, *spelled})
        if not places:
            return Sightings([], [], [])
        raws = [lines[place] for place in places]
        if max(map(len, raws)) > _LONGEST:
            raws = [raw if len(raw) <= _LONGEST else self._window(raw) for raw in raws]
        most = _MOST_TELLING * len(lines) + _FEW
        records = None
        if not (self._familiar.paused and self._is_flood(raws, most)):
            records = self._remembered.records(raws, self._examined_up_to(most))
        if records is None:
            self._familiar.pause()
            return None
        # A short log is over before it is of use to know more of a shape.
        if block.first_line > 1 and None in records:
            vain = (shapes[place] for place, record in zip(places, records, strict=True) if record is None)
            self._familiar.said_nothing(vain, self._tables.telling.can_match)
        self._familiar.helped()
        return Sightings(
            [block.first_line + place for place in compress(places, records)],
            list(compress(raws, records)),
            list(filter(None, records)),
        )

    def _spelled(self, text: bytes) -> list[int]:
        """Numbers (from 0) of lines that hold a literal that is spelled out, and no shape that may tell."""
        numbers: list[int] = []
        number = counted = 0
        for place in self._tables.telling.spelled_out.places(text):
            start, end = text.rfind(b"\n", 0, place) + 1, text.find(b"\n", place)
            if not self._familiar.tells(shapes_of(text[start : end if end >= 0 else len(text)])[0]):
                # Counting the lines takes longer than finding the literals.
                number += text.count(b"\n", counted, start)
                counted = start
                numbers.append(number)
        return numbers

    def _is_flood(self, raws: list[bytes], most: float) -> bool:
        """Whether more than `most` lines, by some of them, are to be examined, as before a pause."""
        if len(raws) <= most:
            return False
        examiner = self._tables.examiner
        sample = raws[:: max(1, len(raws) // _SAMPLE)]
        examined = examiner.examined
        for raw in sample:
            self._record(raw)
        return (examiner.examined - examined) * len(raws) > most * len(sample)

    def _examined_up_to(self, most: float) -> Callable[[bytes], Record | None]:
        """What gives the record of a line; None once more than `most` were not known yet."""
        examiner = self._tables.examiner
        last = examiner.examined + most
        return lambda raw: self._record(raw) if examiner.examined <= last else None

    def _window(self, raw: bytes) -> bytes:
        """The part of a long line that patterns see; nothing of one without a literal."""
        place = next(iter(self._tables.all.places(raw)), None)
        return _Lines(Block(raw, 0)).at(place)[1] if place is not None else b""

    def _record(self, raw: bytes) -> Record:
        text, kernel, voice = self._speakers.said(raw)
        return self._tables.examiner.examine(text, kernel=kernel, voice=voice)

    # -- text that was not seen before ---------------------------------------------------------

    def _search(self, block: Block) -> Sightings:
        """By the automaton, with saturation."""
        text = block.text
        if self._settled:
            # Once a block: a fresh automaton has to learn its states anew.
            self._removed |= self._settled
            self._settled.clear()
            self._active = None
        self._active = self._active or self._automaton()
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
        return iter(
            places_by_find(
                text, [literal for index, literal in enumerate(self._literals) if index not in resting]
            )
        )


class Scanned(Protocol):
    """Gives the blocks of a log, with what their lines say."""

    @property
    def lines(self) -> int:
        """Lines of the blocks given so far."""

    def feed(self, data: bytes) -> Iterator[tuple[Block, Sightings]]:
        """Blocks of what came so far."""

    def flush(self) -> Iterator[tuple[Block, Sightings]]:
        """What is left at the end."""


@frozen
class ScannedHere:
    """In this process."""

    cleaner: Cleaner
    scanner: Scanner

    @property
    def lines(self) -> int:
        """See `Scanned.lines`."""
        return self.cleaner.lines

    def feed(self, data: bytes) -> Iterator[tuple[Block, Sightings]]:
        """See `Scanned.feed`."""
        for block in self.cleaner.feed(data):
            yield block, self.scanner.scan(block)

    def flush(self) -> Iterator[tuple[Block, Sightings]]:
        """See `Scanned.flush`."""
        for block in self.cleaner.flush():
            yield block, self.scanner.scan(block)


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
