"""Format strings of the kernel, and whether a line was printed by one.

Conversions are those of lib/vsprintf.c and Documentation/core-api/printk-formats.rst (Linux 6.12): behind
`%p` every letter and digit belongs to the conversion.
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import pairwise, zip_longest
from typing import Final, NamedTuple

_CONVERSION: Final = re.compile(
    rb"%(?:(?P<percent>%)|(?P<flags>[-+ #0]*)(?:\d+|\*)?(?:\.(?:\d+|\*)?)?(?:hh?|ll?|[qLjzZt])?"
    rb"(?:p[A-Za-z0-9]*|(?P<kind>[A-Za-z])))"
)
_SIGNED: Final = re.compile(rb" *[-+]?\d+")
_UNSIGNED: Final = re.compile(rb" *\d+")
_HEXADECIMAL: Final = re.compile(rb" *(?:0[xX])?[0-9a-fA-F]+")
_OCTAL: Final = re.compile(rb" *[0-7]+")
_ENDS: Final = re.compile(rb"[^0-9A-Za-z]")
_CHARACTER: Final = re.compile(rb".", re.DOTALL)
_NUMBERS: Final = {
    b"d": _SIGNED,
    b"i": _SIGNED,
    b"u": _UNSIGNED,
    b"x": _HEXADECIMAL,
    b"X": _HEXADECIMAL,
    b"o": _OCTAL,
    b"c": _CHARACTER,
}


# Letters and digits that a format must have to tell anything: fewer, and lines of U-Boot, GRUB, systemd and
# Talos fit it by chance (docs/messages.md).
_FEWEST_AFTER_DEVICE: Final = 4
_FEWEST_LETTERS: Final = 6
_FEWEST_WITH_TEXT: Final = 10
_FEWEST_BEHIND_TEXT: Final = 12
_FEWEST_BEGUN: Final = 12


class Piece(NamedTuple):
    """A part of a format."""

    literal: bytes
    """Bytes that are printed as they are; empty for a conversion."""
    value: re.Pattern[bytes] | None
    """What a conversion prints; None where that may be any text."""


@lru_cache(maxsize=8192)
def pieces(text: bytes) -> tuple[Piece, ...]:
    """The parts of a format, literals and conversions, in order."""
    parts: list[Piece] = []
    literal = bytearray()
    place = 0
    for match in _CONVERSION.finditer(text):
        literal += text[place : match.start()]
        place = match.end()
        if match["percent"]:
            literal += b"%"
            continue
        if literal:
            parts.append(Piece(bytes(literal), None))
            literal.clear()
        parts.append(Piece(b"", None if b"-" in match["flags"] else _NUMBERS.get(match["kind"] or b"")))
    literal += text[place:]
    if literal:
        parts.append(Piece(bytes(literal), None))
    # Where a number ends can be told only where something else than letters and digits comes next.
    return tuple(
        Piece(b"", None)
        if part.value is not None and not (after is None or _ENDS.match(after.literal))
        else part
        for part, after in zip_longest(parts, parts[1:])
    )


def beginning(text: bytes) -> bytes:
    """With what every line printed by the format begins, blanks in front left out."""
    return text[: text.find(b"%")].lstrip() if b"%" in text else text.strip()


def printed_by(line: bytes, text: bytes, *, more: bool = False) -> bool:
    """Whether `line` is what the format `text` can have printed. Takes time linear in the line.

    With `more`, anything may follow. Blanks at both ends are no part of the comparison. Where a value may
    be any text, it ends at the first place where the literal behind it stands.
    """
    parts = pieces(text.strip())
    line = line.strip()
    place = 0
    any_text = False
    for number, (literal, value) in enumerate(parts):
        if literal:
            if not any_text:
                if not line.startswith(literal, place):
                    return False
                place += len(literal)
            elif number == len(parts) - 1 and not more:
                return line.endswith(literal) and len(line) - len(literal) >= place
            else:
                place = line.find(literal, place)
                if place < 0:
                    return False
                place += len(literal)
            any_text = False
        elif value is None or any_text:
            any_text = True
        else:
            match = value.match(line, place)
            if match is None:
                return False
            place = match.end()
    return more or any_text or place == len(line)


def letters(text: bytes) -> int:
    """How many letters and digits of a format are printed as they are."""
    return sum(sum(chr(code).isalnum() for code in piece.literal) for piece in pieces(text))


def holds_text(text: bytes) -> bool:
    """Whether a part of what the format prints may be any text."""
    return any(not part.literal and part.value is None for part in pieces(text.strip()))


def tells(text: bytes, *, after_device: bool = False) -> bool:
    """Whether a line that fits the format tells who printed it: the format is more than values.

    Behind the names of a driver and a device less is enough.
    """
    known = letters(text)
    parts = pieces(text.strip())
    open_parts = [not part.literal and part.value is None for part in parts]
    if not any(open_parts):
        return known >= (_FEWEST_AFTER_DEVICE if after_device else _FEWEST_LETTERS)
    if after_device:
        return known >= 2 * _FEWEST_AFTER_DEVICE
    if b": " in parts[0].literal:
        return known >= _FEWEST_LETTERS  # the subsystem's name, as pr_fmt puts it
    return known >= (_FEWEST_BEHIND_TEXT if open_parts[0] else _FEWEST_WITH_TEXT)


def tells_begun(text: bytes) -> bool:
    """Whether the beginning of a line that fits the format tells who printed it, whatever follows."""
    parts = pieces(text.strip())
    return bool(parts) and bool(parts[0].literal) and letters(text) >= _FEWEST_BEGUN


def edges(text: bytes) -> list[bytes]:
    """Words beside a free text without a blank between.

    A line holds them where that text is empty (a level in front: `%spcpu-alloc:`), or begins (`supports%s`)
    or ends with a blank.
    """
    parts = pieces(text.strip())
    beside: list[bytes] = []
    for number, (literal, _) in enumerate(parts):
        split = literal.split()
        if not split:
            continue
        before = parts[number - 1] if number else None
        after = parts[number + 1] if number + 1 < len(parts) else None
        if before is not None and before.value is None and not literal[:1].isspace():
            beside.append(split[0])
        if after is not None and after.value is None and not literal[-1:].isspace():
            beside.append(split[-1])
    return beside


def words(text: bytes) -> list[bytes]:
    """What every line printed by the format holds: words (between blanks or the ends), and pairs of them."""
    whole: list[bytes] = []
    parts = pieces(text.strip())
    for number, (literal, _) in enumerate(parts):
        if not literal:
            continue
        split = literal.split()
        if not split:
            continue
        first = number > 0 and not literal[:1].isspace()
        last = number + 1 < len(parts) and not literal[-1:].isspace()
        inside = split[first : len(split) - last]
        whole += inside
        whole += [before + b" " + after for before, after in pairwise(inside)]
    return whole
