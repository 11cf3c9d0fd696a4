"""Failed attempts at what a boot has to get (a kernel, a root file system), whatever their words.

A line with the form of an error that names the thing (`data/boot-needs/*.toml`) is such an attempt. Whether
it was the last one and the thing never came is for the signatures to say: they know which stage shows that.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from attrs import define, field

from bootwright.diagnose.judging.boot_needs import BootNeed, boot_needs
from bootwright.diagnose.judging.gravity import is_kernels
from bootwright.diagnose.judging.order.kept_lines import Occurrence
from bootwright.diagnose.judging.shapes import speaks_of_error
from bootwright.diagnose.judging.state import BootState
from bootwright.diagnose.reading.patterns import printable
from bootwright.diagnose.reading.voice import KERNEL, LOADER, OWN_CLOCK, UNKNOWN

PREFIX: Final = "@need/"
_WARNING: Final = re.compile(rb"(?:(?<=\A)|(?<=: ))Warning: ")
"""With which dracut says that something failed (107, modules.d/99base/dracut-lib.sh warn())."""
_SCRIPT: Final = re.compile(rb"\A\s*/[\w./-]{1,60}: (?:line )?\d{1,5}: ")
"""A shell names the script that it runs (bash, BusyBox ash), which is not what the script misses."""
_DENIED: Final = re.compile(rb"\btype=1[34]\d\d audit\(|\bavc: +denied\b")
"""What a program was refused (kernel/audit.c, security/selinux/avc.c; Linux 6.12), whatever it is called."""
_KEPT: Final = 4
"""Attempts shown, the last ones."""


def attempted(text: bytes) -> tuple[BootNeed, ...]:
    """What a message, whoever says it, tells of a failed attempt to get."""
    if _DENIED.search(text) is not None or not speaks_of_error(_WARNING.sub(b"", text)):
        return ()
    text = _SCRIPT.sub(b"", text)
    return tuple(need for need in boot_needs() if any(words.search(text) is not None for words in need.words))


@define
class FailedAttempts:
    """Reads the messages of one boot in order."""

    _attempts: dict[str, list[Occurrence]] = field(factory=dict)
    _counts: dict[str, int] = field(factory=dict)
    _last: dict[str, bytes] = field(factory=dict)

    def read(self, number: int, raw: bytes, text: bytes, voice: str, needs: Sequence[BootNeed]) -> None:
        """Look at a message of `voice`; `needs`: as `attempted` has them."""
        voice = LOADER if voice in OWN_CLOCK else voice
        for need in needs:
            if voice and voice not in need.speakers:
                continue
            if voice == UNKNOWN and KERNEL not in need.speakers and is_kernels(text):
                continue
            attempts = self._attempts.setdefault(need.name, [])
            attempts.append(Occurrence(number, raw))
            del attempts[:-_KEPT]
            self._counts[need.name] = self._counts.get(need.name, 0) + 1
            self._last[need.name] = text

    @property
    def any(self) -> bool:
        """Whether an attempt failed."""
        return bool(self._attempts)

    def tell(self, state: BootState) -> None:
        """Let the state know which attempts failed."""
        for name, attempts in self._attempts.items():
            event = f"{PREFIX}{name}"
            state.tallies.pop(event, None)
            facts = (("what", printable(self._last[name])[:160]),)
            state.count_all(event, facts, attempts, self._counts[name])
