"""os-release: which operating system this is."""

from __future__ import annotations

from bootwright.formats.os_release import read_os_release
from bootwright.formats.sources.bytesource import ByteSource
from bootwright.inspect.facts import Item, ItemKind, Origin, facts_at
from bootwright.inspect.format import Context, Format
from bootwright.inspect.formats.texts._read import read_text


def os_release(
    explorer: Context,  # noqa: ARG001
    source: ByteSource,
    name: str,
    depth: int,  # noqa: ARG001
) -> Item:
    """os-release: which operating system this is."""
    values = read_os_release(read_text(source), source.name)
    wanted = {key.lower(): values.get(key) for key in ("ID", "VERSION_ID", "PRETTY_NAME")}
    origin = Origin(source.name, 0, source.size)
    return Item(
        ItemKind.OS_RELEASE, name, origin, facts_at(origin, dict(wanted)), detail=values, source=source
    )


FORMAT = Format(
    name="os-release",
    title="os-release",
    documentation="os-release(5), systemd 257",
    limits="",
    describe=os_release,
    names=(r"(/usr/lib|/etc)/os-release",),
    name_order=80,
)
