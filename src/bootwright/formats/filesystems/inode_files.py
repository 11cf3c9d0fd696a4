"""What ext and XFS have in common: names lead to inode numbers, and the inode says the rest."""

from __future__ import annotations

import stat
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar

from bootwright.formats.filesystems.filesystem import MAX_ENTRIES, Entry, EntryKind, join, safe_name
from bootwright.formats.sources.bytesource import ByteSource
from bootwright.foundation.errors import Malformed

_KINDS = {stat.S_IFREG: EntryKind.FILE, stat.S_IFDIR: EntryKind.DIRECTORY, stat.S_IFLNK: EntryKind.SYMLINK}


class Inode(Protocol):
    """What every inode has."""

    @property
    def mode(self) -> int:
        """POSIX mode with the file type bits."""
        ...

    @property
    def size(self) -> int:
        """Bytes."""
        ...

    @property
    def offset(self) -> int:
        """Where the inode is, in bytes from the start of the file system."""
        ...


_I = TypeVar("_I", bound=Inode)


class InodeFiles(ABC, Generic[_I]):
    """The `FileSystem` methods on top of what a format knows; they raise what those raise."""

    def __init__(self, source: ByteSource, root: int) -> None:
        """`root` is the number of the root directory's inode."""
        self._source = source
        self._root = root

    @property
    def name(self) -> str:
        """The file system's container path."""
        return self._source.name

    def root(self) -> Entry:
        """See `FileSystem.root`."""
        inode = self._inode(self._root)
        if not stat.S_ISDIR(inode.mode):
            raise Malformed(self.name, inode.offset, "the root directory", f"mode {inode.mode:#o}")
        return Entry("/", EntryKind.DIRECTORY, 0, stat.S_IMODE(inode.mode), handle=self._root)

    def children(self, directory: Entry) -> list[Entry]:
        """See `FileSystem.children`."""
        inode = self._inode(directory.handle)
        if not stat.S_ISDIR(inode.mode):
            raise Malformed(self.name, inode.offset, f"a directory at {directory.path}", f"{inode.mode:#o}")
        entries: list[Entry] = []
        for raw, number, at in self._names(inode):
            entries.append(self._entry(directory, raw, number, at))
            if len(entries) > MAX_ENTRIES:
                raise Malformed(self.name, at, f"at most {MAX_ENTRIES} entries in {directory.path}", "more")
        return entries

    def open(self, file: Entry) -> ByteSource:
        """See `FileSystem.open`."""
        inode = self._inode(file.handle)
        where = f"{self.name}:{file.path}"
        if not stat.S_ISREG(inode.mode):
            raise Malformed(where, None, "a regular file", f"mode {inode.mode:#o}")
        return self._data(inode, where)

    def _entry(self, directory: Entry, raw: bytes, number: int, at: int) -> Entry:
        path = join(directory, safe_name(raw, self.name, at))
        inode = self._inode(number)
        kind = _KINDS.get(stat.S_IFMT(inode.mode), EntryKind.OTHER)
        return Entry(
            path=path,
            kind=kind,
            size=inode.size if kind is EntryKind.FILE else 0,
            mode=stat.S_IMODE(inode.mode),
            target=self._target(inode) if kind is EntryKind.SYMLINK else None,
            handle=number,
        )

    @abstractmethod
    def _inode(self, number: int) -> _I:
        """The inode of that number."""

    @abstractmethod
    def _names(self, inode: _I) -> Iterator[tuple[bytes, int, int]]:
        """(name, inode number, byte offset) of a directory's entries, without `.` and `..`."""

    @abstractmethod
    def _target(self, inode: _I) -> str | None:
        """What a symlink points to; None where that cannot be read."""

    @abstractmethod
    def _data(self, inode: _I, where: str) -> ByteSource:
        """The bytes of a regular file."""
