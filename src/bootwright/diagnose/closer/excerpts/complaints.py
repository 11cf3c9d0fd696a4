"""What an excerpt is about: of a few lines that somebody cut out, a good part are errors.

A whole boot carries errors that mean nothing, one line in thirty. An excerpt in which one line in seven or
more is an error that no signature knows, and after which nothing comes up, was cut out for them.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Final

from attrs import define, field

from bootwright.diagnose.judging.boot_needs import names_need
from bootwright.diagnose.judging.ends.written import COMMAND, QUESTION, is_stamped, is_text
from bootwright.diagnose.judging.errors.error_kinds import kind_of_error
from bootwright.diagnose.judging.first_program import BY_INIT
from bootwright.diagnose.judging.gravity import is_grave, is_kernels
from bootwright.diagnose.judging.order.kept_lines import Occurrence
from bootwright.diagnose.judging.rules import shows_start
from bootwright.diagnose.judging.shapes import is_dump, is_taken_back, looks_wrong, shape_of
from bootwright.diagnose.judging.state import BootState
from bootwright.diagnose.model import STAGES
from bootwright.diagnose.reading import levels, prefix
from bootwright.diagnose.reading.patterns import printable
from bootwright.diagnose.reading.prefix import Message
from bootwright.diagnose.reading.voice import PROGRAM
from bootwright.diagnose.signatures.model import PERMANENT, PSEUDO_EVENTS, TRANSIENT
from bootwright.formats.messages.model import ERROR

_KERNEL: Final = STAGES.index("kernel")
ERRORS: Final = "@log/errors"
UNTOLD: Final = "@log/untold"
"""The same, where signatures know the lines: they may have other words than these for when they hold."""
ABOUT: Final = "@log/about"
"""With the errors that signatures know: what they call worth knowing may be what the log is about."""
QUOTED: Final = "@log/quoted"
"""A few lines in which nothing of a boot is seen: they were cut out for what is worth knowing in a boot."""
_EXCERPT: Final = 60
"""Lines that an excerpt has at most."""
_ONE_IN: Final = 7
_ONE_IN_KNOWN: Final = 3
_ONE_IN_QUOTED: Final = 15
_ONE_IN_ELIDED: Final = 3
"""Lines of which one is an error: of one that is not known; of several that are; of a few lines in which
nothing of a boot is seen (a whole boot: thirty); of a boot that was cut short."""
_FEWEST_KNOWN: Final = 3
"""Errors that are known to be worth knowing alone have to prevail, and one of them alone is a quotation."""
_SHOWN: Final = 6
_LONGEST_REPORT: Final = 200
_FEWEST_DUMPED: Final = 5
_HEAD_OF_REPORT: Final = 12
"""Lines of an excerpt that is one report of the kernel; of its stack and registers; of what comes before."""
_LAST_WORDS: Final = 3
_GOES_ON: Final = re.compile(rb"[a-z][a-z-]{1,12} (?!(?:\S+ ){0,2}\S*:(?:\s|\Z))")
"""The rest of a line that something wrapped: in lower case, with no name of who speaks before it."""


_PERSON: Final = re.compile(
    rb"\A[^:=\[\]]*?(?<![\w/-])(?:I|I'm|I've|[Mm]y|[Ww]e|[Oo]ur)(?![\w/.:-])[^:=\[\]]*\Z"
)
"""Somebody describes what is the matter, in place of a log."""


@define
class _Complaint:
    place: Occurrence
    text: bytes
    shape: bytes
    before: bytes
    """The shape of the line that it goes on from; empty where it is a message of its own."""
    by_program: bool
    worded: bool
    """Its words say so; else only the level that the kernel wrote, which counts in lines that were chosen."""


@define
class Complaints:
    """Reads the messages of one boot in order."""

    _lines: int = 0
    _elided: int = 0
    """The last line that stands for others, and how many came after it."""
    _since: int = 0
    _errors: list[_Complaint] = field(factory=list)
    _dump_lines: list[Occurrence] = field(factory=list)
    _before: bytes = b""
    _stamped: int = 0
    """Lines with a time, or a word that they are the kernel's."""
    _asked: bool = False
    """Whether a command was typed at a prompt without a name before anything with a time."""
    _raws: list[bytes] = field(factory=list)

    def read(self, number: int, raw: bytes, message: Message, voice: str, *, elision: bool) -> None:
        """Look at a further line, of `voice`; `elision`: it stands for others."""
        text = message.text
        if not text:
            return
        if elision:
            self._elided, self._since = number, 0
            return
        self._since += 1
        by_clock = message.kernel or message.seconds is not None
        stamped = is_stamped(message)
        self._lines += 1
        self._stamped += stamped
        if self._own_lines > _LONGEST_REPORT:
            return
        if is_dump(text):
            self._dump_lines.append(Occurrence(number, raw))
        if self._lines > _EXCERPT:
            return
        self._raws.append(raw)
        shape = shape_of(text)
        by_program = voice == PROGRAM
        if not stamped and (_PERSON.search(text) is not None or QUESTION.match(text) is not None):
            return
        if COMMAND.match(text) is not None and not (self._stamped or self._asked):
            # What stands before it was said by who asks, whatever is the matter with the machine.
            self._asked = True
            self._errors.clear()
        wrong = looks_wrong(text) or (by_program and _is_permanent(text))
        if wrong or (message.kernel and _is_an_error(raw, text)):
            goes_on = (self._stamped and not stamped) or (not by_clock and _GOES_ON.match(text) is not None)
            before = self._before if goes_on else b""
            place = Occurrence(number, raw)
            self._errors.append(_Complaint(place, text, shape, before, by_program, worded=wrong))
        self._before = shape

    @property
    def any(self) -> bool:
        """Whether it is an excerpt that is about errors: a few lines with one among them, or a report."""
        return (bool(self._errors) and self._lines <= _EXCERPT) or self._is_report

    @property
    def _is_report(self) -> bool:
        """Whether it is a report of the kernel, cut out with its stack, and little else."""
        dumped = len(self._dump_lines)
        lines = self._own_lines
        return lines <= _LONGEST_REPORT and dumped >= _FEWEST_DUMPED and dumped * 2 >= lines

    @property
    def _own_lines(self) -> int:
        """Lines of the log: where a kernel stamps its own, those without stamp are of somebody else.

        Not where they prevail, or lines of a dump are among them.
        """
        dumped = len(self._dump_lines)
        return self._stamped if self._stamped * 2 > self._lines and dumped <= self._stamped else self._lines

    def tell(self, state: BootState) -> None:
        """Let the state know of the errors that no signature knows."""
        state.tallies.pop(ERRORS, None)
        state.tallies.pop(ABOUT, None)
        state.tallies.pop(QUOTED, None)
        state.tallies.pop(UNTOLD, None)
        errors = _lasting(self._counted(state), state)
        if not (errors or self._is_report) or _went_on(state, errors):
            return
        if state.rank < 0 and not self._stamped and is_text(self._raws):
            return
        grave = [error for error in errors if is_grave(error.place.raw)]
        lasting = [error for error in grave if _is_kernels(error) or not _passes(error.text)]
        if self._is_report:
            self._tell_about(state, [*(error.place for error in grave), *self._dump_lines], _HEAD_OF_REPORT)
        elif len(grave) >= _FEWEST_KNOWN and self._is_about(grave, one_in=_ONE_IN_KNOWN):
            self._tell_about(state, [error.place for error in grave], 0)
        if self._is_about(lasting, one_in=_ONE_IN_QUOTED) and _holds_no_boot(state, lasting[0].place.line):
            self._tell_about(state, [error.place for error in lasting], 0, event=QUOTED)
        if self._elided and shows_start(state):
            # Of a boot that was cut short much is shown that is not what it was cut for.
            grave = [error for error in grave if error.place.line > self._elided]
            if len(grave) * _ONE_IN_ELIDED < self._since:
                return
        known = known_shapes(state)
        unknown = [error for error in grave if known.isdisjoint({error.shape, error.before} - {b""})]
        if not self._is_about(unknown):
            if self._is_about(grave) and not _known_after(state, grave[-1].place.line):
                what = (("what", printable(grave[-1].text)[:160]),)
                state.count_all(UNTOLD, what, [error.place for error in grave], len(grave))
            return
        often, _ = Counter(error.shape for error in unknown).most_common(1)[0]
        first = next(error for error in unknown if error.shape == often)
        last = unknown[-_LAST_WORDS:]
        by_init = next((error for error in reversed(last) if BY_INIT.match(error.text)), None)
        needed = next((error for error in unknown if names_need(error.text)), None)
        chosen = first if by_init is None else needed or by_init
        passes = all(error.by_program and _passes(error.text) for error in unknown)
        facts = (
            ("what", printable(chosen.text)[:160]),
            # Of a single error only one about what a boot needs tells that the first program goes no further:
            # Android's says dozens in a boot that comes up.
            *((("who", "init"),) if by_init is not None and (needed or len(unknown) > 1) else ()),
            *((("passes", "yes"),) if passes else ()),
        )
        shown = sorted({first.place, chosen.place, *(error.place for error in grave[-_SHOWN + 1 :])})
        state.count_all(ERRORS, facts, shown, len(unknown), chosen=True)

    def _counted(self, state: BootState) -> list[_Complaint]:
        """The errors of an excerpt, with those by their level alone where nothing of a boot is in it."""
        if self._lines > _EXCERPT and not self._is_report:
            return []
        by_level = next((error for error in self._errors if not error.worded), None)
        if by_level is None or _holds_no_boot(state, by_level.place.line):
            return self._errors
        return [error for error in self._errors if error.worded]

    def _tell_about(
        self, state: BootState, places: list[Occurrence], before: int, *, event: str = ABOUT
    ) -> None:
        places = sorted(places, key=lambda place: place.line)
        facts = (("from", str(places[0].line - before)), ("to", str(places[-1].line)))
        state.count_all(event, facts, places, len(places))

    def _is_about(self, errors: list[_Complaint], *, one_in: int = _ONE_IN) -> bool:
        return bool(errors) and self._lines <= _EXCERPT and len(errors) * one_in >= self._own_lines


def _lasting(errors: list[_Complaint], state: BootState) -> list[_Complaint]:
    """Without those of a network device whose link came up afterwards, and stayed: it works."""
    up, down = _last_of(state, "link/up"), _last_of(state, "link/down")
    works = {device: line for device, line in up.items() if line > down.get(device, 0)}
    names = {device: re.compile(rb"(?<![\w.:-])" + re.escape(device) + rb"(?![\w-])") for device in works}
    return [
        error
        for error in errors
        if not any(
            line > error.place.line and names[device].search(error.text) is not None
            for device, line in works.items()
        )
    ]


def _last_of(state: BootState, event: str) -> dict[bytes, int]:
    """Device that an event names → the last line that does."""
    places: dict[bytes, int] = {}
    for tally in state.tallies.get(event, {}).values():
        device = tally.facts.get("device", "").encode()
        if device:
            places[device] = max(places.get(device, 0), tally.last.line)
    return places


def _went_on(state: BootState, errors: list[_Complaint]) -> bool:
    """Whether firmware or a loader got to a further milestone after the last error."""
    last = errors[-1].place.line if errors else 0
    return state.rank < _KERNEL and 0 < last < state.milestone


def _is_an_error(raw: bytes, text: bytes) -> bool:
    """Whether the level written before it is that of an error, and it says something, in whatever words."""
    level = levels.level_of(raw)
    return (
        level is not None and level <= ERROR and b" " in text and not (is_taken_back(text) or is_dump(text))
    )


def _holds_no_boot(state: BootState, line: int) -> bool:
    """Whether nothing of a boot is in it, but the prompts before `line` at which somebody asked for it."""
    return all(name == "ready" and begun < line for name, (begun, _) in state.stage_lines.items())


def _is_kernels(error: _Complaint) -> bool:
    """Whether the kernel says it, by its stamp or, without any, by the form of its messages."""
    return prefix.split(error.place.raw).kernel or (not error.by_program and is_kernels(error.text))


def _is_permanent(text: bytes) -> bool:
    """Whether it gives a reason that stays, in whatever words: `unknown value`, `is not a directory`."""
    return kind_of_error(printable(text)) == PERMANENT and not is_taken_back(text)


def _passes(text: bytes) -> bool:
    """Whether an error is of the kind that passes by itself."""
    return kind_of_error(printable(text)) == TRANSIENT


def _known_after(state: BootState, line: int) -> bool:
    """Whether something that is known was said after that line: it may be how the error was got past."""
    return any(
        tally.last.line > line
        for name, groups in state.tallies.items()
        if name not in PSEUDO_EVENTS
        for tally in groups.values()
    )


def known_shapes(state: BootState) -> set[bytes]:
    """Of the lines that some pattern matched: what they mean is known."""
    return {
        shape_of(prefix.split(place.raw).text)
        for name, groups in state.tallies.items()
        if name not in PSEUDO_EVENTS
        for tally in groups.values()
        for place in (*tally.first, tally.last)
    }
