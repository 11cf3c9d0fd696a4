"""What the fuzz targets of file systems share: look at everything a caller may look at."""

from __future__ import annotations

import contextlib

from bootwright.formats.filesystems.filesystem import EntryKind, FileSystem, Unreadable, lookup, walk
from bootwright.formats.sources.bytesource import Bytes, ByteSource
from bootwright.foundation.errors import BootwrightError, Malformed

_READ = 1 << 20


class Padded:
    """The input, followed by zeros up to `size` bytes: file systems have a least size."""

    def __init__(self, data: bytes, size: int) -> None:
        self._data = data
        self._size = max(size, len(data))

    @property
    def name(self) -> str:
        return "fuzz"

    @property
    def size(self) -> int:
        return self._size

    def read(self, offset: int, size: int) -> bytes:
        if offset < 0 or size < 0 or offset + size > self._size:
            raise Malformed("fuzz", max(offset, 0), f"{size} bytes", "the end")
        return self._data[offset : offset + size].ljust(size, b"\0")


def padded(data: bytes, size: int) -> ByteSource:
    return Padded(data, size) if len(data) < size else Bytes(data, "fuzz")


def look_at(files: FileSystem, limit: int = 2000) -> None:
    """Walk, look up, and read the start and end of every file; a broken part may raise only our errors."""
    assert files.type
    with contextlib.suppress(BootwrightError):
        assert files.label is None or isinstance(files.label, str)
    with contextlib.suppress(BootwrightError):
        lookup(files, "/A/../link/x")
    for entry in walk(files, limit=limit):
        if isinstance(entry, Unreadable):
            continue
        assert entry.path.startswith("/")
        assert "\0" not in entry.path
        assert "/../" not in f"{entry.path}/"
        assert entry.size >= 0
        if entry.kind is not EntryKind.FILE:
            continue
        with contextlib.suppress(BootwrightError):
            source = files.open(entry)
            assert source.size >= 0
            amount = min(source.size, _READ)
            assert len(source.read(0, amount)) == amount
            assert len(source.read(source.size - min(amount, 100), min(amount, 100))) == min(amount, 100)
