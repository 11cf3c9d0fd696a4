"""Debian binary packages."""

from __future__ import annotations

from bootwright.formats.archives.tar_index import DebTree
from bootwright.formats.sources.bytesource import ByteSource
from bootwright.inspect.facts import Item, ItemKind, Value
from bootwright.inspect.files import described
from bootwright.inspect.format import Context, Format


def package(explorer: Context, source: ByteSource, name: str, depth: int) -> Item:
    """A Debian package."""
    deb = DebTree(source, limit=explorer.bytes_left, progress=explorer.progress)
    more: dict[str, Value] = {
        "package": deb.control.get("package"),
        "version": deb.control.get("version"),
        "architecture": deb.control.get("architecture"),
        "source": deb.control.get("source"),
    }
    return described(explorer, deb, name, depth, source=source, more=more, kind=ItemKind.PACKAGE)


def _matches(source: ByteSource, head: bytes) -> bool:  # noqa: ARG001
    return head[:8] == b"!<arch>\n" and head[8:21] == b"debian-binary"


FORMAT = Format(
    name="package",
    title="Debian package",
    documentation="deb(5), format 2.0",
    limits="control.tar may expand to 64 MiB, data.tar to 4 GiB",
    describe=package,
    matches=_matches,
    order=50,
    names=(r".*\.deb",),
    name_order=160,
    fits=frozenset({ItemKind.PACKAGE}),
)
