"""Text typed off a photo of a screen, or read from one by a program (OCR), as a log.

What such text has that a log has not: typographic quotes and dashes, ligatures, letters for digits inside a
kernel's time stamp (`[    l.5O34]`), the bar of a terminal's frame, and lines cut at the screen's width. Only
what cannot be meant otherwise is put right; nothing is guessed inside words.
"""

from __future__ import annotations

import re
import unicodedata

from attrs import frozen

from bootwright.foundation.errors import Malformed, Refused

MOST_BYTES = 1 << 20
"""A screen has some thousand characters; a file of a megabyte is something else."""

_SAME = str.maketrans(
    {
        "\u2018": "'", "\u2019": "'", "\u201a": "'", "\u201b": "'", "\u2032": "'",
        "\u201c": '"', "\u201d": '"', "\u201e": '"', "\u2033": '"', "\u00ab": '"', "\u00bb": '"',
        "\u2010": "-", "\u2011": "-", "\u2012": "-", "\u2013": "-", "\u2014": "-", "\u2212": "-",
        "\u2026": "...", "\u00a0": " ", "\u2502": "|", "\u00d7": "x",
    }
)  # fmt: skip
_DIGITS = str.maketrans("OoDlI|SB", "00011158")
_STAMP = re.compile(r"^(\W{0,3})[\[({]\s*([0-9OoDlI|SB]{1,6})\s*[.,]\s*([0-9OoDlI|SB]{3,6})\s*[\])}]\s*")
"""A kernel's time stamp at the start of a line, with what OCR makes of digits and brackets."""
_GARBLED = re.compile(
    rb"^\W{0,3}[\[({][ \t]*(?=[0-9.,]*[OoDlI|SB])"
    rb"[0-9OoDlI|SB]{1,6}[ \t]?[.,][ \t]?[0-9OoDlI|SB]{3,6}[ \t]*[\])}]",
    re.MULTILINE,
)
"""A time stamp with letters for digits, which no kernel prints."""
_TALOS = re.compile(r"^\W{0,2}[\[({]\s*ta[l1I]os\s*[\])}]\s*", re.IGNORECASE)
_EDGE = re.compile(r"^[|\s]+(?=[\[({])|[|\s]+$")
_CUT = 60
"""Columns from which a line may have been cut by the screen; narrower ones end where they end."""


@frozen
class PhotoText:
    """The text as a log."""

    data: bytes
    changed: tuple[str, ...]
    """What was put right, in words."""


def looks_like_a_photo(data: bytes) -> bool:
    """Whether a program read it off a screen: digits of time stamps are letters."""
    return _GARBLED.search(data) is not None


def photo_text(data: bytes, where: str) -> PhotoText:
    """The log in text taken from a photo.

    Raises `Refused` for a picture, `Malformed` for what is no UTF-8 text or too large for a screen.
    """
    if len(data) > MOST_BYTES:
        raise Malformed(
            where, MOST_BYTES, "the text of a photo, at most 1 MiB", "more", hint="give it as --log"
        )
    if data.startswith((b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"RIFF", b"II*\0", b"MM\0*")):
        raise Refused(
            f"{where} is a picture, not its text",
            hint="type the last lines into a file, or have a program read them: tesseract photo.jpg photo",
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Malformed(where, error.start, "UTF-8 text", f"byte {data[error.start]:#04x}") from error
    if "\0" in text:
        raise Malformed(where, text.index("\0"), "text", "a NUL character")
    plain = unicodedata.normalize("NFKC", text.translate(_SAME)).translate(_SAME)
    changed = ["typographic characters"] if plain != text else []
    stamped, stamps = _stamps(plain.splitlines())
    if stamps:
        changed.append(f"{stamps} time stamp{'s' if stamps > 1 else ''}")
    joined = _joined(stamped)
    if len(joined) != len(stamped):
        changed.append(f"{len(stamped) - len(joined)} lines that the screen had cut")
    return PhotoText("".join(f"{line}\n" for line in joined).encode(), tuple(changed))


def _stamps(lines: list[str]) -> tuple[list[str], int]:
    count = 0
    made: list[str] = []
    for line in lines:
        bare = _EDGE.sub("", line)
        match = _STAMP.match(bare)
        if match:
            seconds, rest = match[2].translate(_DIGITS), match[3].translate(_DIGITS)
            new = f"[{seconds:>5}.{rest:0<6}] {bare[match.end() :]}".rstrip()
        elif _TALOS.match(bare):
            new = _TALOS.sub("[talos] ", bare).rstrip()
        else:
            new = bare
        count += new != bare
        bare = new
        made.append(bare)
    return made, count


def _joined(lines: list[str]) -> list[str]:
    """Lines that begin with nothing a line begins with belong to the one before, where that was full."""
    stamped = [line for line in lines if _begins(line)]
    if len(stamped) * 2 < len([line for line in lines if line.strip()]):
        return lines  # most lines have no beginning that could be told
    width = max((len(line) for line in lines), default=0)
    made: list[str] = []
    for line in lines:
        full = bool(made) and len(made[-1]) >= max(_CUT, width - 2)
        if line.strip() and not _begins(line) and full:
            made[-1] += line if made[-1].endswith(" ") else line.lstrip() if line.startswith(" ") else line
        else:
            made.append(line)
    return made


def _begins(line: str) -> bool:
    return line.startswith("[")
