"""Menus of boot loaders as items, and what an entry says."""

from __future__ import annotations

from bootwright.bootchain.boot_config import BootEntry, BootMenu
from bootwright.formats.os_release import read_command_line
from bootwright.formats.sources.bytesource import ByteSource
from bootwright.inspect.facts import Item, ItemKind, Origin, Value, facts_at


def menu_item(kind: ItemKind, menu: BootMenu, source: ByteSource, name: str) -> Item:
    """A configuration with an item for each entry."""
    origin = Origin(source.name, 0, source.size)
    values: dict[str, Value] = {
        "default": menu.default,
        "timeout": menu.timeout,
        "undecided": menu.unsure or None,
    }
    children = tuple(
        Item(
            ItemKind.BOOT_ENTRY,
            entry.title or "(no title)",
            Origin(f"{source.name}, line {entry.line}"),
            facts_at(Origin(f"{source.name}, line {entry.line}"), entry_facts(entry)),
            detail=entry,
        )
        for entry in menu.entries
    )
    return Item(kind, name, origin, facts_at(origin, values), children, detail=menu, source=source)


def entry_facts(entry: BootEntry) -> dict[str, Value]:
    """What an entry starts, by name of the fact."""
    return {
        "title": entry.title,
        "version": entry.version,
        "kernel": entry.kernel,
        "initrds": list(entry.initrds) or None,
        "devicetree": entry.devicetree,
        "devicetree_directory": entry.devicetree_directory,
        "overlays": list(entry.overlays) or None,
        "arguments": [str(argument) for argument in read_command_line(entry.arguments)] or None,
    }
