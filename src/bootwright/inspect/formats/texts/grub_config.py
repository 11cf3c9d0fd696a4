"""GRUB's grub.cfg."""

from __future__ import annotations

from bootwright.bootchain.boot_config import read_grub_config
from bootwright.formats.filesystems.filesystem import FileSystem, read_small
from bootwright.formats.sources.bytesource import ByteSource
from bootwright.foundation.errors import BootwrightError
from bootwright.inspect.facts import Item, ItemKind, Origin, Problem
from bootwright.inspect.format import Context, Format
from bootwright.inspect.formats.texts._menus import menu_item
from bootwright.inspect.formats.texts._read import read_text


def grub_config(explorer: Context, source: ByteSource, name: str, depth: int) -> Item:  # noqa: ARG001
    """A grub.cfg."""
    return menu_item(ItemKind.GRUB_CONFIG, read_grub_config(read_text(source), source.name), source, name)


def grub_config_in(files: FileSystem, source: ByteSource, path: str) -> Item:
    """A grub.cfg on its partition, with the environment block and the files that its script asks for."""
    try:
        menu = read_grub_config(
            read_text(source),
            source.name,
            load=lambda name: read_small(files, name),
            folder=path.rpartition("/")[0],
        )
    except BootwrightError as error:
        return Item(
            ItemKind.GRUB_CONFIG, path, Origin(source.name), problems=(Problem.of(error, source.name),)
        )
    return menu_item(ItemKind.GRUB_CONFIG, menu, source, path)


FORMAT = Format(
    name="grub-config",
    title="grub.cfg",
    documentation="GRUB manual 2.12, sections 6 and 17",
    limits="conditions on what only the machine knows are undecided",
    describe=grub_config,
    names=(r".*/grub\.cfg",),
    name_order=30,
    describe_file=grub_config_in,
)
