"""Entries of the Boot Loader Specification."""

from __future__ import annotations

from bootwright.bootchain.boot_config import read_loader_entry
from bootwright.formats.sources.bytesource import ByteSource
from bootwright.inspect.facts import Item, ItemKind, Origin, facts_at
from bootwright.inspect.format import Context, Format
from bootwright.inspect.formats.texts._menus import entry_facts
from bootwright.inspect.formats.texts._read import read_text


def loader_entry(explorer: Context, source: ByteSource, name: str, depth: int) -> Item:  # noqa: ARG001
    """An entry of the Boot Loader Specification."""
    entry = read_loader_entry(read_text(source), source.name)
    origin = Origin(source.name, 0, source.size)
    return Item(
        ItemKind.LOADER_ENTRY, name, origin, facts_at(origin, entry_facts(entry)), detail=entry, source=source
    )


FORMAT = Format(
    name="loader-entry",
    title="boot loader entry",
    documentation="UAPI group, Boot Loader Specification, type 1",
    limits="",
    describe=loader_entry,
    names=(r".*/loader/entries/[^/]+\.conf",),
    name_order=40,
)
