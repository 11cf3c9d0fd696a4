"""systemd-boot's loader.conf."""

from __future__ import annotations

from bootwright.bootchain.boot_config import read_loader_config
from bootwright.formats.sources.bytesource import ByteSource
from bootwright.inspect.facts import Item, ItemKind
from bootwright.inspect.format import Context, Format
from bootwright.inspect.formats.texts._menus import menu_item
from bootwright.inspect.formats.texts._read import read_text


def loader_config(explorer: Context, source: ByteSource, name: str, depth: int) -> Item:  # noqa: ARG001
    """systemd-boot's loader.conf."""
    return menu_item(ItemKind.LOADER_CONFIG, read_loader_config(read_text(source), source.name), source, name)


FORMAT = Format(
    name="loader-config",
    title="loader.conf",
    documentation="loader.conf(5), systemd 257",
    limits="",
    describe=loader_config,
    names=(r".*/loader/loader\.conf",),
    name_order=50,
)
