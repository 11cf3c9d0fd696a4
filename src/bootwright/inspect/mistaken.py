"""Files that are nothing of a boot, by their first bytes: what people have at hand, and give by mistake."""

from __future__ import annotations

import codecs

from bootwright.foundation.errors import Refused

_MAGICS: tuple[tuple[bytes, str], ...] = (
    (b"PK\x03\x04", "a zip archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"%PDF-", "a PDF document"),
    (b"\x89PNG\r\n\x1a\n", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF87a", "a GIF picture"),
    (b"GIF89a", "a GIF picture"),
    (b"\x1a\x45\xdf\xa3", "a video"),
    (b"SQLite format 3\0", "an SQLite database"),
    (b"LPKSHHRH", "a binary journal"),
)
_OF_MEDIA = {b"heic": "a HEIC picture", b"heix": "a HEIC picture", b"hevc": "a HEIC picture",
             b"mif1": "a HEIC picture", b"msf1": "a HEIC picture", b"avif": "an AVIF picture"}  # fmt: skip
"""Brand after `ftyp` (ISO/IEC 14496-12, 4.3; 23008-12, 10) of telephones' pictures; others are of videos."""
_MOST = 1 << 16
_ARCHIVES = frozenset({"a zip archive", "a 7z archive", "a RAR archive"})
_SOURCE = "the source of a devicetree"
_TEXT = "text"
_HINTS = {
    _SOURCE: "compile it first: dtc -O dtb -o NAME.dtb FILE",
    _TEXT: "a log is read by bootwright diagnose; a kernel's configuration goes with --config",
    "a binary journal": "print it first: journalctl --file FILE -o short-monotonic; then bootwright diagnose",
}


def mistaken(head: bytes) -> str | None:
    """What a file that begins with `head` is, such as `a zip archive`; None where it may be of a boot."""
    if head[:1] == b"\0" and head[4:8] == b"ftyp":
        return _OF_MEDIA.get(head[8:12], "a video")
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "a WebP picture"
    return next((name for magic, name in _MAGICS if head.startswith(magic)), None)


def refuse_mistaken(head: bytes, where: str) -> None:
    """Raise `Refused` for a file that no artifact begins as: see `mistaken`; and for texts.

    `head` is up to 64 KiB of a file whose format is not known.
    """
    description = mistaken(head) or _kind_of_text(head[:_MOST])
    if description is None:
        return
    hint = "unpack it, and give what is in it" if description in _ARCHIVES else _HINTS.get(description)
    raise Refused(
        f"{where} is {description}, not an artifact of a boot",
        hint=hint or "give the image, the kernel or the devicetree itself",
    )


def _kind_of_text(head: bytes) -> str | None:
    if not head or b"\0" in head:
        return None
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)  # the last letter may be cut
    except UnicodeDecodeError:
        return None
    return _SOURCE if b"/dts-v1/" in head else _TEXT
