"""A directory of this machine as a `FileSystem`; symlinks are never followed out of it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from bootwright.formats.filesystems.filesystem import Entry, EntryKind, Unlabelled, join
from bootwright.formats.sources.bytesource import ByteSource, FileBytes
from bootwright.foundation.errors import Missing

_KINDS = {stat.S_IFREG: EntryKind.FILE, stat.S_IFDIR: EntryKind.DIRECTORY, stat.S_IFLNK: EntryKind.SYMLINK}


class Directory(Unlabelled):
    """A directory as a `FileSystem`. Raises `Missing` for what cannot be read."""

    def __init__(self, path: Path) -> None:
        if not path.is_dir():
            raise Missing(f"{path} is not a directory", hint="check the name")
        self._path = path

    @property
    def name(self) -> str:
        """The path it was opened by."""
        return str(self._path)

    @property
    def type(self) -> str:
        """`directory`."""
        return "directory"

    def root(self) -> Entry:
        """See `FileSystem.root`."""
        return Entry("/", EntryKind.DIRECTORY, 0, 0o755)

    def children(self, directory: Entry) -> list[Entry]:
        """See `FileSystem.children`."""
        entries: list[Entry] = []
        try:
            with os.scandir(self._real(directory)) as listing:
                for item in listing:
                    status = item.stat(follow_symlinks=False)
                    kind = _KINDS.get(stat.S_IFMT(status.st_mode), EntryKind.OTHER)
                    entries.append(
                        Entry(
                            path=join(directory, item.name),
                            kind=kind,
                            size=status.st_size if kind is EntryKind.FILE else 0,
                            mode=stat.S_IMODE(status.st_mode),
                            target=str(Path(item.path).readlink()) if kind is EntryKind.SYMLINK else None,
                            handle=status.st_ino,
                        )
                    )
        except OSError as error:
            raise Missing(
                f"cannot read {self._real(directory)}: {error.strerror}", hint="check the permissions"
            ) from error
        return entries

    def open(self, file: Entry) -> ByteSource:
        """See `FileSystem.open`."""
        return FileBytes(self._real(file))

    def _real(self, entry: Entry) -> Path:
        """The path on this machine: entries come from `children`, so no part of them is a symlink or `..`."""
        return self._path / entry.path.lstrip("/")
