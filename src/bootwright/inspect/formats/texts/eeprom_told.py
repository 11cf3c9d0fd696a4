"""What a running Raspberry Pi says of its boot EEPROM."""

from __future__ import annotations

from bootwright.formats.programs.eeprom import Eeprom, read_told
from bootwright.formats.sources.bytesource import ByteSource
from bootwright.foundation.errors import Malformed
from bootwright.inspect.facts import Item
from bootwright.inspect.format import Context, Format
from bootwright.inspect.formats.boot.eeprom import eeprom_item

_MOST_TOLD = 1 << 16


def _told(source: ByteSource) -> Eeprom | None:
    if source.size > _MOST_TOLD:
        return None
    return read_told(source.read(0, source.size).decode("utf-8", "replace"))


def eeprom_told(explorer: Context, source: ByteSource, name: str, depth: int) -> Item:  # noqa: ARG001
    """The date and settings that were printed."""
    printed = _told(source)
    if printed is None:
        raise Malformed(source.name, 0, "what vcgencmd or rpi-eeprom-config prints", "something else")
    return eeprom_item(printed, source, name)


FORMAT = Format(
    name="eeprom-told",
    title="output of vcgencmd bootloader_version or rpi-eeprom-config",
    documentation="raspberrypi/rpi-eeprom, rpi-eeprom-config (2026-08)",
    limits="looked for only in a file that is given by itself; lines under a filter are not applied",
    describe=eeprom_told,
    alone=lambda source: _told(source) is not None,
)
