"""How two files of the same name differ, in words: a text by its lines, a program by its build."""

from __future__ import annotations

import difflib

from bootwright.formats.programs.elf_note import build_id
from bootwright.formats.sources.bytesource import ByteSource
from bootwright.foundation.errors import BootwrightError

_MOST_TEXT = 64 << 10
_LONGEST = 80


def changed_content(before: ByteSource, after: ByteSource) -> tuple[str, str] | None:
    """What the one has and the other has instead; None where nothing can be said but that bytes differ.

    Raises what the sources raise.
    """
    if before.read(0, min(4, before.size)) == after.read(0, min(4, after.size)) == b"\x7fELF":
        ids = []
        for version in (before, after):
            try:
                ids.append(build_id(version))
            except BootwrightError:
                return None
        if None in ids or ids[0] == ids[1]:
            return None
        return f"program, build id {ids[0]}", f"program, build id {ids[1]}"
    texts = [_text(byte_source) for byte_source in (before, after)]
    return _lines(texts[0], texts[1]) if texts[0] is not None and texts[1] is not None else None


def _text(source: ByteSource) -> list[str] | None:
    if source.size > _MOST_TEXT:
        return None
    raw = source.read(0, source.size)
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return None if any(ord(char) < 9 for char in text) else text.splitlines()


def _lines(before: list[str], after: list[str]) -> tuple[str, str] | None:
    lost: list[str] = []
    gained: list[str] = []
    for line in difflib.unified_diff(before, after, lineterm="", n=0):
        if line.startswith("-") and not line.startswith("---"):
            lost.append(line[1:])
        elif line.startswith("+") and not line.startswith("+++"):
            gained.append(line[1:])
    return (_shown(lost), _shown(gained)) if lost or gained else None


def _shown(lines: list[str]) -> str:
    if not lines:
        return "(no such line)"
    first = lines[0].strip()
    more = f" and {len(lines) - 1} lines more" if len(lines) > 1 else ""
    return f"{first if len(first) <= _LONGEST else first[:_LONGEST] + '…'}{more}"
