"""The closer look at one boot after another."""

from __future__ import annotations

from collections.abc import Mapping

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

    def complaints(self, first_line: int, last_line: int) -> bool:
        """Read on in the boot that begins at `first_line`; whether a device complains in it."""
        if not self._text.whole:
            return False
        if first_line != self._boot:
            self._devices, self._boot, self._read = DeviceErrors(), first_line, first_line - 1
        self._devices.read(self._text.lines(self._read + 1, last_line))
        self._read = max(self._read, last_line)
        return self._devices.any

    def tell(self, state: BootState) -> None:
        """Let the state of the boot that was read last know which of its devices fail."""
        self._devices.tell(state)

    def around(self, line: int) -> Mapping[str, str]:
        """What the lines around the head of a report tell (names of `Surroundings`); nothing without text."""
        messages = [prefix.split(raw).text for _, raw in self._text.lines(line, line + MOST_LINES)]
        told = attrs.asdict(surroundings(messages))
        return {name: value for name, value in told.items() if value}
