"""What an excerpt is about: of a few lines that somebody cut out, a good part are errors.

A whole boot carries errors that mean nothing, one line in thirty. An excerpt in which one line in seven or
more is an error that no signature knows, and after which nothing comes up, was cut out for them.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

from attrs import define, field

from bootwright.diagnose.judging.shapes import looks_wrong, shape_of
from bootwright.diagnose.judging.state import BootState, Occurrence
from bootwright.diagnose.reading import prefix
from bootwright.diagnose.reading.patterns import printable
from bootwright.diagnose.signatures.model import PSEUDO_EVENTS

ERRORS: Final = "@log/errors"
_EXCERPT: Final = 60
"""Lines that an excerpt has at most."""
_ONE_IN: Final = 7
_SHOWN: Final = 6


@define
class _Complaint:
    place: Occurrence
    text: bytes
    shape: bytes
    before: bytes
    """The shape of the line that it goes on from; empty where it carries a time itself."""


@define
class Complaints:
    """Reads the messages of one boot in order."""

    _lines: int = 0
    _errors: list[_Complaint] = field(factory=list)
    _before: bytes = b""
    _stamped: bool = False

    def read(self, number: int, raw: bytes, text: bytes, *, stamped: bool) -> None:
        """Look at a message; `stamped`: its line carries a time, or says that it is the kernel's."""
        if not text:
            return
        self._lines += 1
        if self._lines > _EXCERPT:
            return
        shape = shape_of(text)
        self._stamped |= stamped
        if looks_wrong(text):
            before = self._before if self._stamped and not stamped else b""
            self._errors.append(_Complaint(Occurrence(number, raw), text, shape, before))
        self._before = shape

    @property
    def any(self) -> bool:
        """Whether it is an excerpt that is about errors."""
        return self._is_about(self._errors)

    def tell(self, state: BootState) -> None:
        """Let the state know of the errors that no signature knows."""
        state.tallies.pop(ERRORS, None)
        known = _known_shapes(state)
        unknown = [error for error in self._errors if known.isdisjoint({error.shape, error.before} - {b""})]
        if not self._is_about(unknown):
            return
        often, _ = Counter(error.shape for error in unknown).most_common(1)[0]
        first = next(error for error in unknown if error.shape == often)
        facts = (("what", printable(first.text)[:160]),)
        shown = sorted({first.place, *(error.place for error in unknown[-_SHOWN + 1 :])})
        state.count_all(ERRORS, facts, shown, len(unknown))

    def _is_about(self, errors: list[_Complaint]) -> bool:
        return bool(errors) and self._lines <= _EXCERPT and len(errors) * _ONE_IN >= self._lines


def _known_shapes(state: BootState) -> set[bytes]:
    """Of the lines that some pattern matched: what they mean is known."""
    return {
        shape_of(prefix.split(place.raw).text)
        for name, groups in state.tallies.items()
        if name not in PSEUDO_EVENTS
        for tally in groups.values()
        for place in (*tally.first, tally.last)
    }
