"""What kind of thing a source is, by its bytes alone."""

from __future__ import annotations

from bootwright.formats.sources.bytesource import ByteSource
from bootwright.inspect.registry import format_of


def detect(source: ByteSource) -> str | None:
    """The name of the format (`kernel`, `uki`, `disk`, …), or None where none is recognised.

    An ELF file is `elf`: a kernel module or a program, which is not described further.
    """
    known_format = format_of(source)
    if known_format is not None:
        return known_format.name
    return "elf" if source.size >= 4 and source.read(0, 4) == b"\x7fELF" else None
