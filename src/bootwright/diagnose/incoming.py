"""What was handed over as a log, as the text that it holds: decompressed, UTF-16 converted, or refused.

A compressed log may be several streams one after the other, as rotated and appended logs are. PuTTY,
Windows Terminal and PowerShell's `>` write UTF-16, Notepad a byte order mark before UTF-8. Anything else
that is not lines of text (an image, a package, an archive) would only yield findings by chance, and is
refused with what it is.

Limits: the kind of a file is decided by its first MiB; a log expands to at most 4 GiB; lz4 is read whole
before it is expanded.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable

from bootwright.formats.sources.bytesource import Bytes
from bootwright.formats.sources.lz4 import lz4_chunks
from bootwright.formats.sources.streams import Decompressed, Stream, compression_of, everything
from bootwright.foundation.errors import BootwrightError, Malformed, Refused
from bootwright.inspect.mistaken import mistaken

Read = Callable[[int], bytes]

_HEAD = 1 << 20
_MOST_EXPANDED = 4 << 30
_MOST_LZ4 = 256 << 20
_MOST_LAYERS = 3
_PAIRS = 1 << 12
"""Bytes by which UTF-16 without a byte order mark is recognised."""
_LEAST_TEXT = 0.2
"""Share of the bytes, NULs left out, that must lie in readable runs. Logs have 0.9 and more, with noise of an
unplugged line 0.5; random, compressed and machine code 0.1 and less."""
_RUN = re.compile(rb"[\t\r\n\x1b -~]{4,}|(?:[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}){2,}")

_NAMES = {
    "kernel": "a kernel image",
    "uki": "a unified kernel image",
    "efi": "an EFI program",
    "devicetree": "a devicetree blob",
    "package": "a Debian package",
    "tar": "a tar archive",
    "initramfs": "a cpio archive",
    "disk": "a disk image",
    "vfat": "a FAT file system",
    "xfs": "an XFS file system",
    "ext": "an ext file system",
    "squashfs": "a squashfs file system",
    "superblock": "a file system or a swap area",
    "module": "a kernel module",
    "elf": "an ELF program",
}
_AS_TEXT = "a log is needed as text: copy or type the last lines into a file"
_HINTS = {
    "a tar archive": "unpack it, and give the log that is in it",
    "a zip archive": "unpack it, and give the log that is in it",
    "a binary journal": "print it first: journalctl --file FILE -o short-monotonic",
    "a PNG picture": _AS_TEXT,
    "a JPEG picture": _AS_TEXT,
    "a GIF picture": _AS_TEXT,
    "a WebP picture": _AS_TEXT,
    "a HEIC picture": _AS_TEXT,
    "an AVIF picture": _AS_TEXT,
    "a video": _AS_TEXT,
}
_CHECK = "diagnose reads the log of a boot; bootwright check reads this"
_NO_LOG = "diagnose reads the log of a boot, as text"


class _Ahead:
    """A stream whose first bytes were looked at, and are given again."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._head = b""

    def peek(self, size: int) -> bytes:
        """The next bytes, up to `size` of them; less only at the end."""
        pieces = [self._head]
        got = len(self._head)
        while got < size and (data := self._read(size - got)):
            pieces.append(data)
            got += len(data)
        self._head = b"".join(pieces)
        return self._head

    def skip(self, beginning: bytes) -> None:
        """Leave out what was looked at, where it begins so."""
        self._head = self._head.removeprefix(beginning)

    def read(self, size: int) -> bytes:
        """See `streams.Stream.read`."""
        if self._head:
            data, self._head = self._head[:size], self._head[size:]
            return data
        return self._read(size)


class _Utf16:
    """UTF-16 as UTF-8."""

    def __init__(self, stream: Stream, encoding: str) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder(encoding)(errors="replace")

    def read(self, size: int) -> bytes:
        """See `streams.Stream.read`."""
        while data := self._stream.read(size):
            text = self._decoder.decode(data).replace("\ufeff", "")
            if text:
                return text.encode("utf-8", "replace")
        return self._decoder.decode(b"", final=True).encode("utf-8", "replace")


def log_text(read: Read, where: str) -> Read:
    """The reader of the text in what `read` gives.

    Raises `Refused` where that is no text, and, when reading, `Malformed` for a broken or endless stream.
    """
    for _ in range(_MOST_LAYERS + 1):
        ahead = _Ahead(read)
        head = ahead.peek(_HEAD)
        source = Bytes(head, where)
        kind = compression_of(source) if head else None
        if kind is None:
            encoding = encoding_of(head)
            if encoding is None:
                refuse_other(head, where)
                ahead.skip(codecs.BOM_UTF8)
                return ahead.read
            return _Utf16(ahead, encoding).read
        where = f"{where}:{kind}"
        read = _lz4(ahead, where) if kind == "lz4" else _expanded(ahead, kind, where)
    raise Refused(
        f"{where} is compressed more than {_MOST_LAYERS} times over",
        hint="expand it, and give the log that is in it",
    )


def _expanded(stream: Stream, kind: str, where: str) -> Read:
    return Decompressed(stream, kind, where, limit=_MOST_EXPANDED).read


def _lz4(stream: Stream, where: str) -> Read:
    chunks = lz4_chunks(Bytes(everything(stream, limit=_MOST_LZ4, where=where), where), 0)
    remaining = _MOST_EXPANDED

    def read(_: int) -> bytes:
        nonlocal remaining
        data = next(chunks, b"")
        remaining -= len(data)
        if remaining < 0:
            raise Malformed(where, None, f"at most {_MOST_EXPANDED} bytes once decompressed", "more")
        return data

    return read


def encoding_of(head: bytes) -> str | None:
    """`utf-16-le` or `utf-16-be` by the byte order mark, or by every second byte being NUL; else None."""
    if head[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        return "utf-16-le" if head[:1] == b"\xff" else "utf-16-be"
    sample = head[: min(len(head), _PAIRS) & ~1]
    if len(sample) < 32:
        return None
    for first, encoding in ((0, "utf-16-le"), (1, "utf-16-be")):
        letters, nuls = sample[first::2], sample[1 - first :: 2]
        if nuls.count(0) > 0.9 * len(nuls) and letters.count(0) < 0.1 * len(letters):
            return encoding
    return None


def refuse_other(head: bytes, where: str) -> None:
    """Raise `Refused` where a file that starts with `head` is no text."""
    description = _description(head, where)
    if description is not None:
        raise Refused(f"{where} is {description}, not a log", hint=_hint(description))
    size_without_nuls = len(head) - head.count(0)
    readable = sum(match.end() - match.start() for match in _RUN.finditer(head))
    if size_without_nuls > 512 and readable < _LEAST_TEXT * size_without_nuls:
        raise Refused(
            f"{where} is not text",
            hint="a console captured at another speed looks so too (115200 baud is usual); "
            "bootwright check reads an image or a kernel",
        )


def _hint(description: str) -> str:
    return _HINTS.get(description) or (_CHECK if description in _NAMES.values() else _NO_LOG)


def _description(head: bytes, where: str) -> str | None:
    description = mistaken(head)
    if description is not None or b"\0" not in head:  # the formats of `_NAMES` all have NUL bytes, logs few
        return description
    from bootwright.inspect.detect import detect

    try:
        kind = detect(Bytes(head, where))
    except BootwrightError:
        return None
    return _NAMES.get(kind or "")


class Arriving:
    """The same for a log that is still being written: its first bytes tell what it is."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._begun = False
        self._decoder: codecs.IncrementalDecoder | None = None

    def text(self, data: bytes) -> bytes:
        """The text in the next bytes; raises `Refused` where the first ones are of something else."""
        if not self._begun and data:
            self._begun = True
            data = data.removeprefix(codecs.BOM_UTF8)
            if compression_of(Bytes(data, self._where)) is not None:
                raise Refused(
                    f"{self._where} is compressed, and cannot be followed", hint="leave out --follow"
                )
            description = _description(data, self._where)
            if description is not None:
                raise Refused(
                    f"{self._where} is {description}, not a log", hint=_HINTS.get(description, _CHECK)
                )
            encoding = encoding_of(data)
            if encoding is not None:
                self._decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
        if self._decoder is None:
            return data
        return self._decoder.decode(data).replace("\ufeff", "").encode("utf-8", "replace")
