"""Whether programs speak: a console that shows their output shows that a system runs, in whatever words.

Where a kernel stamps its lines, a line without stamp that no format of a kernel fits is a program's.
"""

from __future__ import annotations

from typing import Final

from attrs import define, field

from bootwright.diagnose.judging.ending import PROGRAM_LINES
from bootwright.diagnose.judging.gravity import is_kernels
from bootwright.diagnose.judging.shapes import shape_of
from bootwright.diagnose.judging.state import BootState, Occurrence
from bootwright.diagnose.reading.voice import KERNEL, PROGRAM, UNKNOWN

SPEAK: Final = "@programs/speak"


@define
class ProgramLines:
    """Reads the messages of one boot in order."""

    _stamped: int = 0
    _shapes: set[bytes] = field(factory=set)
    _enough: Occurrence | None = None

    def read(self, number: int, raw: bytes, text: bytes, voice: str) -> None:
        """Look at a message; `voice` is its speaker as far as the line tells."""
        if self._enough is not None:
            return
        if voice == KERNEL:
            self._stamped += 1
        elif self._stamped >= PROGRAM_LINES and voice in {UNKNOWN, PROGRAM}:
            shape = shape_of(text)
            if shape and shape not in self._shapes and not is_kernels(text):
                self._shapes.add(shape)
                if len(self._shapes) == PROGRAM_LINES:
                    self._enough = Occurrence(number, raw)

    @property
    def any(self) -> bool:
        """Whether they were heard."""
        return self._enough is not None

    def tell(self, state: BootState) -> None:
        """Let the state know."""
        if self._enough is not None:
            state.tallies.pop(SPEAK, None)
            state.count_all(SPEAK, (), [self._enough], len(self._shapes))
