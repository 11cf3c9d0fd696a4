"""extlinux.conf."""

from __future__ import annotations

from bootwright.bootchain.boot_config import read_extlinux
from bootwright.formats.sources.bytesource import ByteSource
from bootwright.inspect.facts import Item, ItemKind
from bootwright.inspect.format import Context, Format
from bootwright.inspect.formats.texts._menus import menu_item
from bootwright.inspect.formats.texts._read import read_text


def extlinux(explorer: Context, source: ByteSource, name: str, depth: int) -> Item:  # noqa: ARG001
    """An extlinux.conf."""
    return menu_item(ItemKind.EXTLINUX, read_extlinux(read_text(source), source.name), source, name)


FORMAT = Format(
    name="extlinux",
    title="extlinux.conf",
    documentation="U-Boot documentation, distro boot and bootstd extlinux",
    limits="",
    describe=extlinux,
    names=(r".*/extlinux\.conf",),
    name_order=60,
)
