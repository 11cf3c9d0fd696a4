"""Kernel command lines in files and sections."""

from __future__ import annotations

from bootwright.formats.os_release import read_command_line
from bootwright.formats.sources.bytesource import ByteSource
from bootwright.inspect.facts import Item, ItemKind, Origin, Value, facts_at
from bootwright.inspect.format import Context, Format
from bootwright.inspect.formats.texts._read import read_text


def command_line(explorer: Context, source: ByteSource, name: str, depth: int) -> Item:  # noqa: ARG001
    """A kernel command line in a file or section."""
    text = read_text(source).rstrip(b"\0").decode("utf-8", "replace").strip()
    origin = Origin(source.name, 0, source.size)
    values: dict[str, Value] = {"arguments": [str(argument) for argument in read_command_line(text)]}
    return Item(ItemKind.COMMAND_LINE, name, origin, facts_at(origin, values), detail=text, source=source)


FORMAT = Format(
    name="command-line",
    title="kernel command line",
    documentation="Documentation/admin-guide/kernel-parameters.rst (Linux 6.12)",
    limits="",
    describe=command_line,
    names=(r"(/|/boot/|/boot/firmware/)cmdline\.txt|/etc/kernel/cmdline",),
    name_order=20,
)
