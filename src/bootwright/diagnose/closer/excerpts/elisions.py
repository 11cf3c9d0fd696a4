"""Where somebody left lines out of a log: what follows is an excerpt, whatever the log began with."""

from __future__ import annotations

import re
from typing import Final

from attrs import define

from bootwright.diagnose.judging.state import BootState

_ELISION: Final = re.compile(
    rb"(?i)(?://|#|;)?\s*(?:[\[(<{]\s*(?:\.{2,}|\xe2\x80\xa6|(?:\.\.\.\s*)?(?:snip(?:ped)?|cut|skip(?:ped)?"
    rb"|omitted|truncated|trimmed|removed|lines? (?:omitted|removed|skipped)"
    rb"|\d+ (?:more )?lines?(?: (?:omitted|removed|skipped|cut))?)"
    rb"(?:\s*\.\.\.)?)\s*[\])>}]|\.{3}|\xe2\x80\xa6|[-=~]+\s*(?:snip(?:ped)?|cut|8<|>8)\b.{0,20})"
)
"""A whole line that stands for others: `...`, `[...]`, `<snip>`, `(12 lines omitted)`, `--8<--`."""


_LONGEST: Final = 60


def is_elision(text: bytes) -> bool:
    """Whether a message stands for lines that are not shown."""
    return len(text) <= _LONGEST and _ELISION.fullmatch(text) is not None


@define
class Elisions:
    """Reads the messages of one boot in order."""

    _last: int = 0

    def read(self, number: int) -> None:
        """A message that stands for others (`is_elision`)."""
        self._last = number

    @property
    def any(self) -> bool:
        """Whether something was left out."""
        return self._last > 0

    def tell(self, state: BootState) -> None:
        """Let the state know where."""
        state.elided = self._last
