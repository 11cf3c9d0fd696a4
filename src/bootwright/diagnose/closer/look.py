"""The closer look at one boot after another."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import attrs
from attrs import define, field

from bootwright.diagnose.closer.devices import DeviceErrors
from bootwright.diagnose.closer.kept import KeptText
from bootwright.diagnose.closer.surroundings import MOST_LINES, surroundings
from bootwright.diagnose.judging.state import BootState
from bootwright.diagnose.reading import prefix
from bootwright.diagnose.reading.text import Block


@define(eq=False)
class CloserLook:
    """Keeps the text of a short log, and looks at each of its boots."""

    _text: KeptText = field(factory=KeptText)
    _devices: DeviceErrors = field(factory=DeviceErrors)
    _boot: int = 0
    """First line of the boot that `_devices` is about."""
    _read: int = 0
    """The last line it has seen."""

    def extend(self, block: Block) -> None:
        """More was read."""
        self._text.extend(block)

    def look(self, state: BootState, last_line: int) -> bool:
        """Add to the state of a boot what its text up to `last_line` says; whether the text is here."""
        if not self._text.whole:
            state.around = None
            return False
        if state.first_line != self._boot:
            self._devices, self._boot, self._read = DeviceErrors(), state.first_line, state.first_line - 1
        self._devices.read(self._text.lines(self._read + 1, last_line))
        self._read = max(self._read, last_line)
        self._devices.tell(state)
        state.around = lru_cache(maxsize=64)(self._around)
        return True

    def _around(self, line: int) -> Mapping[str, str]:
        messages = [prefix.split(raw).text for _, raw in self._text.lines(line, line + MOST_LINES)]
        told = attrs.asdict(surroundings(messages))
        return {name: value for name, value in told.items() if value}
