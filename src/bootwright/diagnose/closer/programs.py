"""Whether programs speak: a console that shows their output shows that a system runs, in whatever words.

Where a kernel stamps its lines, a line without stamp that no format of a kernel fits is a program's. Where no
line is stamped, one that begins with its program's name is, and many lines of no kernel's format that come
after its first program are.
"""

from __future__ import annotations

from itertools import islice
from typing import Final

from attrs import define, field

from bootwright.diagnose.judging.ends.silence import PROGRAM_LINES, STARTED
from bootwright.diagnose.judging.gravity import is_kernels
from bootwright.diagnose.judging.order.kept_lines import Occurrence
from bootwright.diagnose.judging.shapes import is_dump, shape_of
from bootwright.diagnose.judging.state import PROGRAMS_SPEAK, BootState
from bootwright.diagnose.model import STAGES
from bootwright.diagnose.reading import prefix
from bootwright.diagnose.reading.prefix import Message
from bootwright.diagnose.reading.voice import KERNEL, PROGRAM, UNKNOWN

_INIT: Final = STAGES.index("init")
_MOST: Final = 1000
"""Different lines kept of a log without stamps."""


@define
class ProgramLines:
    """Reads the messages of one boot in order."""

    _stamped: int = 0
    _shapes: set[bytes] = field(factory=set)
    _enough: Occurrence | None = None
    _unstamped: dict[bytes, Occurrence] = field(factory=dict)
    """Where no line is the kernel's by its stamp: the last of each shape."""
    _again: set[bytes] = field(factory=set)
    """What was said before the kernel and after it: many such lines are firmware's that has started again."""
    _late: Occurrence | None = None
    """A line of a kernel that has run for a minute."""

    def read(self, number: int, raw: bytes, message: Message, voice: str) -> None:
        """Look at a message; `voice` is its speaker as far as the line tells."""
        if self._enough is not None or len(self._again) >= PROGRAM_LINES:
            return
        text = message.text
        if voice == KERNEL:
            self._stamped += 1
            if message.seconds is not None and message.seconds >= STARTED:
                self._late = Occurrence(number, raw)
        elif not self._stamped and voice == UNKNOWN and not is_dump(text):
            shape = shape_of(text)
            if shape and (len(self._unstamped) < _MOST or shape in self._unstamped):
                self._unstamped[shape] = Occurrence(number, raw)
        elif voice == PROGRAM or (voice == UNKNOWN and self._stamped >= PROGRAM_LINES):
            shape = shape_of(text)
            if shape in self._unstamped:
                self._again.add(shape)
            elif shape and shape not in self._shapes and not is_kernels(text):
                self._shapes.add(shape)
                if len(self._shapes) == PROGRAM_LINES:
                    self._enough = Occurrence(number, raw)

    @property
    def any(self) -> bool:
        """Whether they were heard, or may have been."""
        return self._enough is not None or self._late is not None or len(self._unstamped) >= PROGRAM_LINES

    def tell(self, state: BootState) -> None:
        """Let the state know."""
        state.tallies.pop(PROGRAMS_SPEAK, None)
        heard = self._enough or self._heard_after_start(state)
        if heard is not None:
            state.count_all(PROGRAMS_SPEAK, (), [heard], PROGRAM_LINES)

    def _heard_after_start(self, state: BootState) -> Occurrence | None:
        """A line that only programs explain: one of many of no kernel's format, or a minute after the start.

        Both after the kernel started its first program, which is not the initramfs's.
        """
        begun, _ = state.stage_lines.get("init", (0, 0))
        if not begun or state.rank < _INIT or state.component == "initramfs":
            return None
        if self._late is not None and self._late.line > begun:
            return self._late
        if self._stamped:
            return None
        others = (
            place
            for place in self._unstamped.values()
            if place.line > begun and not is_kernels(prefix.split(place.raw).text)
        )
        return next(islice(others, PROGRAM_LINES - 1, None), None)
