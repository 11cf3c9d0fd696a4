"""Reading a small text whole."""

from __future__ import annotations

from bootwright.formats.sources.bytesource import ByteSource
from bootwright.foundation.errors import Malformed

_MAX_TEXT = 4 << 20


def read_text(source: ByteSource) -> bytes:
    """All of a text; raises `Malformed` for one that is longer than boot configuration ever is."""
    if source.size > _MAX_TEXT:
        raise Malformed(source.name, None, f"a text of at most {_MAX_TEXT} bytes", f"{source.size} bytes")
    return source.read(0, source.size)
