"""Compressed files: described as what they hold."""

from __future__ import annotations

from bootwright.formats.sources.bytesource import Bytes, ByteSource
from bootwright.formats.sources.compressed import Expansion, expand
from bootwright.formats.sources.streams import compression_of
from bootwright.foundation.errors import BootwrightError, Malformed
from bootwright.inspect.facts import Item, ItemKind, Origin, Value, facts_at
from bootwright.inspect.format import Context, Format

_PEEK = 1 << 17


def compressed(explorer: Context, source: ByteSource, name: str, depth: int) -> Item:
    """Something compressed: described as what it holds, with the compression as a fact of it."""
    kind = compression_of(source) or ""
    first = _peek(source, kind, explorer.bytes_left)
    inside = explorer.format_of(Bytes(first, source.name))
    if inside is not None and inside.name in {"kernel", "initramfs"}:
        return inside.describe(explorer, source, name, depth)
    origin = Origin(source.name, 0, source.size)
    values: dict[str, Value] = {"compression": kind, "size": source.size}
    if inside is None and not len(first):
        raise Malformed(source.name, 0, f"something compressed with {kind}", "nothing in it")
    expanded = expand(source, limit=explorer.bytes_left, progress=explorer.progress, growth=explorer.growth)
    explorer.spend(expanded.size)
    values["expanded"] = expanded.size
    child = explorer.follow(expanded, _stem(name), depth + 1)
    children = (child,) if child is not None else ()
    return Item(ItemKind.COMPRESSED, name, origin, facts_at(origin, values), children, source=expanded)


def _peek(source: ByteSource, kind: str, limit: int) -> bytes:
    kept = b""
    try:
        for chunk in Expansion(source, kind, limit=limit):
            kept += chunk
            if len(kept) >= _PEEK:
                break
    except BootwrightError:
        if not kept:
            raise
    return kept[: max(_PEEK, 1)]


def _stem(name: str) -> str:
    base, dot, suffix = name.rpartition(".")
    return base if dot and suffix in {"xz", "zst", "gz", "bz2", "lz4", "lzma"} else name


def _matches(source: ByteSource, head: bytes) -> bool:  # noqa: ARG001
    return compression_of(source) is not None


FORMAT = Format(
    name="compressed",
    title="xz, zstd, gzip, bzip2, lz4, lzma",
    documentation="RFC 1952, RFC 8878, the .xz file format 1.2.1, the LZ4 frame format 1.6",
    limits="what comes out is bounded; concatenated frames are one stream",
    describe=compressed,
    matches=_matches,
    order=80,
)
