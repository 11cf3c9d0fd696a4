"""The boot EEPROM of a Raspberry Pi."""

from __future__ import annotations

from bootwright.formats.programs.eeprom import Eeprom, is_eeprom, read_eeprom
from bootwright.formats.sources.bytesource import ByteSource
from bootwright.inspect.facts import Item, ItemKind, Origin, facts_at
from bootwright.inspect.format import Context, Format


def eeprom(explorer: Context, source: ByteSource, name: str, depth: int) -> Item:  # noqa: ARG001
    """An image of an EEPROM with its date and settings."""
    explorer.spend(source.size)
    return eeprom_item(read_eeprom(source), source, name)


def eeprom_item(image: Eeprom, source: ByteSource, name: str) -> Item:
    """What is known of an EEPROM, by its image or by what a board said."""
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
    limits="lines of bootconf.txt under a filter are not applied",
    describe=eeprom,
    matches=is_eeprom,
    order=25,
    names=(r"(.*/)?pieeprom[^/]*\.(bin|upd)",),
    name_order=61,
    fits=frozenset({ItemKind.EEPROM}),
)
