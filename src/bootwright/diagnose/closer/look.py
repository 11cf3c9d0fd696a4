"""The closer look at one boot after another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

import attrs
from attrs import define, field

from bootwright.diagnose.closer.devices import DeviceErrors
from bootwright.diagnose.closer.excerpts.complaints import Complaints
from bootwright.diagnose.closer.excerpts.elisions import Elisions
from bootwright.diagnose.closer.excerpts.window import KernelWindow
from bootwright.diagnose.closer.identities import words_for
from bootwright.diagnose.closer.kept import KeptText
from bootwright.diagnose.closer.links import LinkChanges
from bootwright.diagnose.closer.needs import FailedAttempts
from bootwright.diagnose.closer.noted import noted
from bootwright.diagnose.closer.precursors import (
    LOADERS_LINES,
    LOOKED_AT,
    complaints_before,
    functions_of,
    loader_complaints_before,
)
from bootwright.diagnose.closer.programs import ProgramLines
from bootwright.diagnose.closer.reports import KernelReports
from bootwright.diagnose.closer.surroundings import MOST_LINES, surroundings
from bootwright.diagnose.closer.troubles import DeviceTroubles
from bootwright.diagnose.closer.unanswered import UnansweredCommands
from bootwright.diagnose.closer.units import own_words as units
from bootwright.diagnose.judging.order.kept_lines import Occurrence
from bootwright.diagnose.judging.shapes import is_dump
from bootwright.diagnose.judging.state import BootState
from bootwright.diagnose.messages.speaker import speaker
from bootwright.diagnose.reading import prefix
from bootwright.diagnose.reading.text import Block
from bootwright.diagnose.reading.voice import KERNEL, PROGRAM, UNKNOWN, voice_of

_PREPARED_AT_ONCE = 128
"""Lines."""


class _Look(Protocol):
    """What one of them sees in a boot."""

    @property
    def any(self) -> bool:
        """Whether it sees more than single lines say."""

    def tell(self, state: BootState) -> None:
        """Let the state of that boot know it."""


@define(eq=False)
class CloserLook:
    """Keeps the text of a short log, and looks at each of its boots."""

    _text: KeptText = field(factory=KeptText)
    _devices: DeviceErrors = field(factory=DeviceErrors)
    _unanswered: UnansweredCommands = field(factory=UnansweredCommands)
    _attempts: FailedAttempts = field(factory=FailedAttempts)
    _programs: ProgramLines = field(factory=ProgramLines)
    _links: LinkChanges = field(factory=LinkChanges)
    _complaints: Complaints = field(factory=Complaints)
    _elisions: Elisions = field(factory=Elisions)
    _reports: KernelReports = field(factory=KernelReports)
    _troubles: DeviceTroubles = field(factory=DeviceTroubles)
    _window: KernelWindow = field(factory=KernelWindow)
    _boot: int = 0
    """First line of the boot that these are about."""
    _read: int = 0
    """The last line they have seen."""
    _last_words: Occurrence | None = None
    """The last line of the kernel's."""
    _around: dict[int, tuple[int, dict[str, str]]] = field(factory=dict)
    """Line → how long the text was, and what `around` said: it is asked for the outcome and for the words."""
    _named: dict[str, tuple[int, tuple[str, ...]]] = field(factory=dict)
    """Device → the same of `words_for`."""

    def extend(self, block: Block) -> None:
        """More was read."""
        self._text.extend(block)

    def prepare(self, block: Block) -> Iterator[None]:
        """Find out of the lines of a log's first block what they are by themselves, while nobody waits.

        It is remembered for when their boots are looked at. Every some lines the caller may leave it at that.
        """
        for number, raw in enumerate(block.lines if self._text.empty else ()):
            if number % _PREPARED_AT_ONCE == 0:
                yield
            message = prefix.split(raw)
            program = voice_of(message) == PROGRAM
            note = noted(message.text, by_program=program)
            if not program:
                is_dump(message.text)
            if note.wrong:
                speaker(message.text)

    def shows_more(self, first_line: int, last_line: int) -> bool:
        """Read on in the boot that begins at `first_line`; whether it shows more than single lines say."""
        if not self._text.whole:
            return False
        if first_line != self._boot:
            self._devices, self._attempts = DeviceErrors(), FailedAttempts()
            self._programs, self._links, self._complaints = ProgramLines(), LinkChanges(), Complaints()
            self._reports, self._unanswered = KernelReports(), UnansweredCommands()
            self._troubles, self._elisions, self._window = DeviceTroubles(), Elisions(), KernelWindow()
            self._boot, self._read = first_line, first_line - 1
            self._around.clear()
            self._named.clear()
            self._last_words = None
        for number, raw in self._text.lines(self._read + 1, last_line):
            self._line(number, raw)
        self._read = max(self._read, last_line)
        return any(look.any for look in self._looks)

    @property
    def last_words(self) -> Occurrence | None:
        """The last line of the kernel's in the boot that was read last; None without text."""
        return self._last_words if self._text.whole else None

    def tell(self, state: BootState) -> None:
        """Let the state of the boot that was read last know it."""
        for look in self._looks:
            look.tell(state)

    @property
    def _looks(self) -> tuple[_Look, ...]:
        return (
            self._devices,
            self._unanswered,
            self._attempts,
            self._programs,
            self._links,
            self._complaints,
            self._elisions,
            self._reports,
            self._troubles,
            self._window,
        )

    def lend(self, state: BootState) -> None:
        """Let the state of a boot ask for what only the text tells."""
        state.kept = self

    def _line(self, number: int, raw: bytes) -> None:
        message = prefix.split(raw)
        voice = voice_of(message)
        text = message.text
        note = noted(text, by_program=voice == PROGRAM)
        if voice in {KERNEL, UNKNOWN}:
            self._devices.read(number, raw, text, note.device, wrong=note.wrong)
            if note.unanswered:
                self._unanswered.read(number, raw, text)
            else:
                self._unanswered.passes(text)
            self._troubles.passes(number, message.wall if message.seconds is None else message.seconds)
            self._troubles.read(number, raw, text, note, kernels=voice == KERNEL)
            self._reports.read(number, raw, message)
            if voice == KERNEL:
                self._last_words = Occurrence(number, raw)
        else:
            self._devices.pass_over(number)
        if note.needs:
            self._attempts.read(number, raw, text, voice, note.needs)
        self._programs.read(number, raw, message, voice)
        if note.link:
            self._links.read(number, raw, text, message.seconds, message.wall)
        self._complaints.read(number, raw, message, voice, elision=note.elision)
        self._window.read(number, raw, message, wrong=note.wrong, kernels=voice == KERNEL)
        if note.elision:
            self._elisions.read(number)

    def around(self, line: int) -> Mapping[str, str]:
        """What the lines around the head of a report tell (names of `Surroundings`); nothing without text."""
        size, facts = self._around.get(line, (-1, {}))
        if size != self._text.size:
            facts = self._facts_around(line)
            self._around[line] = self._text.size, facts
        return facts

    def _facts_around(self, line: int) -> dict[str, str]:
        messages = [prefix.split(raw).text for _, raw in self._text.lines(line, line + MOST_LINES)]
        facts = attrs.asdict(surroundings(messages))
        return {name: value for name, value in facts.items() if value}

    def longest_pause(self, first: int, last: int) -> float:
        """Seconds that the kernel was silent at most within these lines; 0 without text or times."""
        longest, before = 0.0, None
        for _, raw in self._text.lines(first, last):
            seconds = prefix.split(raw, dated=False).seconds
            if seconds is not None:
                longest = max(longest, seconds - before) if before is not None else longest
                before = seconds
        return longest

    def before(self, line: int, module: str | None) -> Sequence[Occurrence]:
        """What its driver complained of before the report of the kernel whose head is in `line`.

        `module` is the driver's, empty where it is built in. None: what the firmware or loader did, which
        crashed in `line`.
        """
        if module is None:
            first = max(line - LOADERS_LINES, self._boot)
            return loader_complaints_before(self._text.lines(first, line - 1))
        first = max(line - LOOKED_AT, self._boot)
        functions = functions_of(raw for _, raw in self._text.lines(line, line + MOST_LINES))
        return complaints_before(self._text.lines(first, line), module, functions)

    def words_for(self, device: str) -> Sequence[str]:
        """What the lines tell of a device: its driver, what that is for, its name; empty where nothing."""
        size, words = self._named.get(device, (-1, ()))
        if size != self._text.size:
            words = words_for(device, (raw for _, raw in self._text.lines(self._boot, self._read)))
            self._named[device] = self._text.size, words
        return words

    def own_words(self, line: int, unit: str) -> Sequence[Occurrence]:
        """What the program of a unit that failed in `line` said of why before; of a mount the file system."""
        lines = list(self._text.lines(max(line - units.LOOKED_AT, self._boot), line))
        if not lines or lines[-1][0] != line:
            return ()
        failed = lines.pop()[1]
        if unit == units.FIRST:
            return units.first_programs_words(lines)
        said = units.own_words(lines, unit)
        if b"mount" in failed and units.says_no_more(said):
            return (*units.file_systems_words(lines), *said)
        return said
