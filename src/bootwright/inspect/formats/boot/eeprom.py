"""The boot EEPROM of a Raspberry Pi: its image, and what a running board prints of it."""

from __future__ import annotations

from bootwright.formats.programs.eeprom import Eeprom, is_eeprom, read_eeprom, read_told
from bootwright.formats.sources.bytesource import ByteSource
from bootwright.inspect.facts import Item, ItemKind, Origin, facts_at
from bootwright.inspect.format import Context, Format

_MOST_PRINTED = 1 << 16


def _printed(source: ByteSource) -> Eeprom | None:
    """What `vcgencmd bootloader_version` or `rpi-eeprom-config` printed; None for anything else."""
    if source.size > _MOST_PRINTED:
        return None
    return read_told(source.read(0, source.size).decode("utf-8", "replace"))


def eeprom(explorer: Context, source: ByteSource, name: str, depth: int) -> Item:  # noqa: ARG001
    """An EEPROM with its date and settings."""
    explorer.spend(source.size)
    image = _printed(source) or read_eeprom(source)
    origin = Origin(source.name, 0, source.size)
    values = {
        "made": image.made.isoformat() if image.made is not None else None,
        "settings": dict(image.settings) if image.settings is not None else None,
        "boot_order": list(image.boot_order) if image.boot_order is not None else None,
        "filters": list(image.filtered) or None,
    }
    return Item(ItemKind.EEPROM, name, origin, facts_at(origin, values), detail=image, source=source)


FORMAT = Format(
    name="eeprom",
    title="Raspberry Pi boot EEPROM",
    documentation="raspberrypi/rpi-eeprom, rpi-eeprom-config (2026-08)",
    limits="lines of bootconf.txt under a filter are not applied; what a board prints is looked for only "
    "in a file that is given by itself",
    describe=eeprom,
    matches=is_eeprom,
    order=25,
    names=(r"(.*/)?pieeprom[^/]*\.(bin|upd)",),
    name_order=61,
    fits=frozenset({ItemKind.EEPROM}),
    alone=lambda source: _printed(source) is not None,
)
