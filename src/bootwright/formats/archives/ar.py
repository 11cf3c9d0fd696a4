"""The `ar` archive around a Debian package (deb(5), section FORMAT): global header, then members.

Names in the BSD and GNU long forms are not read: deb(5) rules them out.
"""

from __future__ import annotations

from collections.abc import Iterator

from bootwright.formats.sources.streams import Limited, Stream, exactly
from bootwright.foundation.errors import Malformed

MAGIC = b"!<arch>\n"
_HEADER = 60


def read_ar(stream: Stream, where: str) -> Iterator[tuple[str, Limited]]:
    """Each member's name with its content, which must be read before the next is asked for (or is skipped).

    Raises `Malformed` when the magic, a member's end mark or a size is wrong, or the archive ends early.
    """
    magic = b""
    while len(magic) < len(MAGIC) and (piece := stream.read(len(MAGIC) - len(magic))):
        magic += piece
    if magic != MAGIC:
        raise Malformed(where, 0, f"an ar archive ({MAGIC!r})", repr(magic))
    position = len(MAGIC)
    while first := stream.read(_HEADER):
        header = first + exactly(stream, _HEADER - len(first), where)
        if header[58:60] != b"`\n":
            raise Malformed(where, position + 58, "the end of an ar member header", repr(header[58:60]))
        digits = header[48:58].strip(b" ")
        if not digits.isdigit():
            raise Malformed(where, position + 48, "a decimal size", repr(header[48:58]))
        size = int(digits)
        name = header[:16].rstrip(b" ").removesuffix(b"/").decode("ascii", errors="backslashreplace")
        content = Limited(stream, size, f"{where}:{name}")
        yield name, content
        content.drain()
        position += _HEADER + size + size % 2
        if size % 2:
            # Padding may be left out after the last member.
            stream.read(1)
