"""The one way readers see bytes: a name, a length, and `read(offset, size)`.

Files, partitions, decompressed streams and URLs look alike, so that a reader cannot tell them apart.
"""

from __future__ import annotations

import errno
import os
import weakref
from pathlib import Path
from typing import Protocol

from bootwright.foundation.errors import Malformed, Missing


class ByteSource(Protocol):
    """Random access to bytes of known size."""

    @property
    def name(self) -> str:
        """What errors and provenance call it: a path, or `image.raw:partition 3:A/vmlinuz`."""
        ...

    @property
    def size(self) -> int:
        """Length in bytes. `len` would end at 2 GiB where addresses have 32 bits, as in a browser."""
        ...

    def read(self, offset: int, size: int) -> bytes:
        """Exactly `size` bytes from `offset`; raises `Malformed` when they are not all there."""
        ...


def check_range(name: str, length: int, offset: int, size: int) -> None:
    """Raise `Malformed` unless `size` bytes from `offset` lie within a source of `length` bytes."""
    if offset < 0 or size < 0 or offset + size > length:
        raise Malformed(
            name,
            max(offset, 0),
            f"{size} bytes",
            f"the end of the data at byte {length:#x}",
            hint="the file is truncated, or a length field in it is wrong",
        )


class Bytes:
    """Bytes already in memory."""

    def __init__(self, data: bytes, name: str) -> None:
        self._data = data
        self._name = name

    @property
    def name(self) -> str:
        """The name it was given."""
        return self._name

    @property
    def size(self) -> int:
        """See `ByteSource.size`."""
        return len(self._data)

    def read(self, offset: int, size: int) -> bytes:
        """See `ByteSource.read`."""
        check_range(self._name, len(self._data), offset, size)
        return self._data[offset : offset + size]


class FileBytes:
    """A regular file or block device; nothing is read before it is asked for.

    Not mapped into memory: a read error, or a file that becomes shorter, would then kill the process.
    """

    def __init__(self, path: Path) -> None:
        self._name = str(path)
        try:
            self._handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise Missing(
                f"cannot read {path}: {error.strerror}", hint="check the name and permissions"
            ) from error
        weakref.finalize(self, os.close, self._handle)
        try:
            self._length = os.lseek(self._handle, 0, os.SEEK_END)
            os.pread(self._handle, 1, 0)
        except OSError as error:
            hint = "is the disk sound?" if error.errno == errno.EIO else "a regular file is needed"
            raise Missing(f"cannot read {path}: {error.strerror}", hint=hint) from error

    @property
    def name(self) -> str:
        """The path it was opened by."""
        return self._name

    @property
    def size(self) -> int:
        """See `ByteSource.size`."""
        return self._length

    def read(self, offset: int, size: int) -> bytes:
        """See `ByteSource.read`; a read error of the disk is `Malformed` too."""
        check_range(self._name, self._length, offset, size)
        try:
            data = os.pread(self._handle, size, offset)
            while len(data) < size:
                more = os.pread(self._handle, size - len(data), offset + len(data))
                if not more:
                    raise Malformed(
                        self._name,
                        offset + len(data),
                        f"{size - len(data)} bytes",
                        "the end of the file",
                        hint="it became shorter while it was read",
                    )
                data += more
        except OSError as error:
            raise Malformed(
                self._name,
                offset,
                f"{size} bytes",
                f"a read error ({error.strerror})",
                hint="is the disk sound?",
            ) from error
        return data


class Part:
    """A byte range of another source, under a name of its own."""

    def __init__(self, whole: ByteSource, offset: int, size: int, name: str) -> None:
        check_range(name, whole.size, offset, size)
        self._whole = whole
        self._offset = offset
        self._size = size
        self._name = name

    @property
    def name(self) -> str:
        """The name it was given."""
        return self._name

    @property
    def size(self) -> int:
        """See `ByteSource.size`."""
        return self._size

    def read(self, offset: int, size: int) -> bytes:
        """See `ByteSource.read`."""
        check_range(self._name, self._size, offset, size)
        return self._whole.read(self._offset + offset, size)


def positions(data: bytes, wanted: bytes) -> list[int]:
    """Every offset in `data` at which `wanted` stands, overlapping ones too, in order."""
    places: list[int] = []
    at = data.find(wanted)
    while at >= 0:
        places.append(at)
        at = data.find(wanted, at + 1)
    return places
