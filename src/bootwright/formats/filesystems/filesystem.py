"""What every reader of a file system offers: entries with a path, and the bytes of a file.

Paths are absolute within the file system, begin with `/` and use `/`; names come from the medium and are
never used as a path of this machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Protocol

from attrs import field, frozen

from bootwright.formats.sources.bytesource import ByteSource
from bootwright.foundation.errors import BootwrightError, Malformed, Refused

MAX_ENTRIES = 500_000
"""More entries than this in one file system are not a boot artifact (Debian's largest image has 60,000)."""

MAX_DEPTH = 64
"""Directories nested deeper than this are not followed."""

_MAX_SYMLINKS = 40
"""As many as Linux follows (fs/namei.c, MAXSYMLINKS, 6.12)."""


class EntryKind(StrEnum):
    """What a name in a directory stands for."""

    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symlink"
    OTHER = "other"


@frozen
class Entry:
    """One name in a file system."""

    path: str
    kind: EntryKind
    size: int
    """Bytes; 0 for a directory."""
    mode: int
    """POSIX permission bits, or 0o755/0o644 where the file system has none."""
    target: str | None = None
    """Where a symlink points, as it is stored."""
    handle: int = field(default=0, repr=False)
    """What the reader needs to find it again (an inode number, an offset)."""

    @property
    def name(self) -> str:
        """The last part of the path; empty for the root."""
        return self.path.rpartition("/")[2]


class Unlabelled:
    """What file systems without a volume label or id, and with Linux's names, say of themselves."""

    @property
    def label(self) -> str | None:
        """It has none."""
        return None

    @property
    def uuid(self) -> str | None:
        """It has none."""
        return None

    @property
    def folds_case(self) -> bool:
        """It does not."""
        return False


class FileSystem(Protocol):
    """A tree of entries, read only."""

    @property
    def name(self) -> str:
        """The container path, for provenance."""
        ...

    @property
    def type(self) -> str:
        """As `mount -t` names it (`vfat`, `xfs`, `ext4`, `squashfs`), or `cpio`, `tar`, `directory`."""
        ...

    @property
    def label(self) -> str | None:
        """The volume label."""
        ...

    @property
    def uuid(self) -> str | None:
        """The volume id as blkid prints it."""
        ...

    @property
    def folds_case(self) -> bool:
        """Whether names that differ only in case are the same name (FAT)."""
        ...

    def root(self) -> Entry:
        """The entry `/`."""
        ...

    def children(self, directory: Entry) -> list[Entry]:
        """The entries of a directory, without `.` and `..`; raises `Malformed`."""
        ...

    def open(self, file: Entry) -> ByteSource:
        """The bytes of a regular file; raises `Malformed`."""
        ...


@frozen
class Unreadable:
    """A part of a tree that could not be read, met on the way."""

    path: str
    error: BootwrightError


def walk(
    files: FileSystem, *, start: Entry | None = None, limit: int = MAX_ENTRIES
) -> Iterator[Entry | Unreadable]:
    """Every entry below `start`, parents before children, names sorted; bounded in number and depth.

    A directory that cannot be read is one `Unreadable`; the walk goes on. Directories that lie on
    their own path (a cycle made by a broken or hostile image) are `Unreadable` too.
    """
    first = start or files.root()
    pending: list[tuple[Entry, tuple[int, ...]]] = [(first, ())]
    count = 0
    while pending:
        directory, above = pending.pop()
        if len(above) > MAX_DEPTH:
            yield Unreadable(directory.path, Refused(f"{files.name}: directories deeper than {MAX_DEPTH}"))
            continue
        if directory.handle in above and directory.handle:
            yield Unreadable(
                directory.path,
                Malformed(files.name, None, "directories in a tree", f"a cycle at {directory.path}"),
            )
            continue
        try:
            children = sorted(files.children(directory), key=lambda entry: entry.path)
        except BootwrightError as error:
            yield Unreadable(directory.path, error)
            continue
        below: list[tuple[Entry, tuple[int, ...]]] = []
        for entry in children:
            count += 1
            if count > limit:
                yield Unreadable(entry.path, Refused(f"{files.name}: more than {limit} entries"))
                return
            yield entry
            if entry.kind is EntryKind.DIRECTORY:
                below.append((entry, (*above, directory.handle)))
        pending.extend(reversed(below))


def lookup(files: FileSystem, path: str, *, follow: bool = True) -> Entry | None:
    """The entry at `path`, symlinks followed within this file system; None where there is none.

    `..` stops at the root, as in a chroot. Raises `Malformed` for a loop of symlinks.
    """
    todo = [part for part in path.split("/") if part not in {"", "."}][::-1]
    trail = [files.root()]
    links = 0
    while todo:
        part = todo.pop()
        if part == "..":
            if len(trail) > 1:
                trail.pop()
            continue
        folder = trail[-1]
        if folder.kind is not EntryKind.DIRECTORY or len(trail) > MAX_DEPTH:
            return None
        entry = _child(files, folder, part)
        if entry is None:
            return None
        if entry.kind is EntryKind.SYMLINK and entry.target is not None and (todo or follow):
            links += 1
            if links > _MAX_SYMLINKS:
                raise Malformed(files.name, None, "a symlink that ends somewhere", f"a loop at {path}")
            if entry.target.startswith("/"):
                trail = trail[:1]
            todo.extend(step for step in entry.target.split("/")[::-1] if step not in {"", "."})
            continue
        trail.append(entry)
    return trail[-1]


def _child(files: FileSystem, directory: Entry, name: str) -> Entry | None:
    fold = files.folds_case
    wanted = name.casefold() if fold else name
    for entry in files.children(directory):
        if (entry.name.casefold() if fold else entry.name) == wanted:
            return entry
    return None


def join(directory: Entry, name: str) -> str:
    """The path of `name` in `directory`."""
    return f"{directory.path.rstrip('/')}/{name}"


def text_of(raw: bytes) -> str:
    """A name or label from a medium as text; bytes that are not UTF-8 survive a round trip."""
    return raw.decode("utf-8", "surrogateescape")


def safe_name(raw: bytes, where: str, offset: int) -> str:
    """A directory entry's name; raises `Malformed` for one that no file can have (`/`, NUL, empty)."""
    if not raw or b"/" in raw or b"\0" in raw:
        raise Malformed(where, offset, "the name of a file", repr(raw[:40]))
    return text_of(raw)


def read_small(files: FileSystem, path: str, limit: int = 1 << 20) -> bytes | None:
    """The bytes of a small regular file, or None where there is none; raises `Malformed` beyond `limit`."""
    entry = lookup(files, path)
    if entry is None or entry.kind is not EntryKind.FILE:
        return None
    source = files.open(entry)
    if source.size > limit:
        raise Malformed(source.name, None, f"at most {limit} bytes", f"{source.size} bytes")
    return source.read(0, source.size)
