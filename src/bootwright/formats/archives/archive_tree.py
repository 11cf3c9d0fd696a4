"""An archive's members as a tree: what cpio, tar and layered images have in common."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable

from attrs import frozen

from bootwright.formats.filesystems.filesystem import MAX_DEPTH, MAX_ENTRIES, Entry, EntryKind, Unlabelled
from bootwright.formats.sources.bytesource import Bytes, ByteSource
from bootwright.formats.sources.extents import Extent, Extents
from bootwright.foundation.errors import Malformed, Refused

_MAX_TEXT = 128 << 20
"""Characters of all paths together, those of directories that no member is for included."""


@frozen
class Member:
    """One member of an archive, its data a range of `source`."""

    name: str
    """As stored; made a path below the root by `ArchiveTree`."""
    kind: EntryKind
    mode: int
    size: int = 0
    source: ByteSource | None = None
    offset: int = 0
    target: str | None = None


class ArchiveTree(Unlabelled):
    """Members as a `FileSystem`. A later member replaces an earlier one of the same path, as unpacking does.

    Names are taken below the root: a leading `/` is dropped, and `..` is refused with `Malformed`.
    """

    def __init__(self, name: str, type_: str, members: Iterable[Member]) -> None:
        self._name = name
        self._type = type_
        self._text = 0
        self._members: dict[str, Member] = {}
        self._below: dict[str, dict[str, None]] = {"/": {}}
        for member in members:
            self._add(member)

    def _add(self, member: Member) -> None:
        parts = [part for part in member.name.split("/") if part not in {"", "."}]
        if ".." in parts or "\0" in member.name:
            raise Malformed(
                self._name,
                member.offset,
                "a name below the archive's root",
                repr(member.name[:80]),
                hint="the archive tries to write elsewhere; do not trust it",
            )
        if len(parts) > MAX_DEPTH or len(self._members) + len(self._below) >= MAX_ENTRIES:
            raise Refused(
                f"{self._name}: more than {MAX_ENTRIES} members, or one deeper than {MAX_DEPTH} directories"
            )
        if not parts:
            return
        path = "/" + "/".join(parts)
        self._text += len(path) + len(member.target or "")
        if self._text > _MAX_TEXT:
            raise Refused(f"{self._name}: the members' names take more than {_MAX_TEXT} bytes")
        if member.kind is EntryKind.DIRECTORY and path in self._below:
            self._members[path] = member
            return
        if member.kind is not EntryKind.DIRECTORY:
            self._remove(path)
        self._members[path] = member
        if member.kind is EntryKind.DIRECTORY:
            self._below.setdefault(path, {})
        while path != "/":
            above = posixpath.dirname(path)
            known = above in self._below
            self._below.setdefault(above, {})[path] = None
            if known:
                break
            path = above
            self._text += len(path)

    def _remove(self, path: str) -> None:
        """Forget a directory that a file replaces."""
        for below in list(self._below.pop(path, ())):
            self._remove(below)
            self._members.pop(below, None)

    @property
    def name(self) -> str:
        """The archive's container path."""
        return self._name

    @property
    def type(self) -> str:
        """`cpio`, `tar` or `oci`."""
        return self._type

    def root(self) -> Entry:
        """See `FileSystem.root`."""
        return Entry("/", EntryKind.DIRECTORY, 0, 0o755)

    def children(self, directory: Entry) -> list[Entry]:
        """See `FileSystem.children`."""
        return [self._entry(path) for path in self._below.get(directory.path, ())]

    def open(self, file: Entry) -> ByteSource:
        """See `FileSystem.open`."""
        member = self._members.get(file.path)
        where = f"{self._name}:{file.path}"
        if member is None or member.kind is not EntryKind.FILE:
            raise Malformed(where, None, "a regular file", "none of that path")
        if member.source is None:
            return Bytes(b"", where)
        return Extents(member.source, [Extent(0, member.size, member.offset)], member.size, where)

    def _entry(self, path: str) -> Entry:
        member = self._members.get(path)
        if member is None or path in self._below:
            return Entry(path, EntryKind.DIRECTORY, 0, member.mode if member else 0o755)
        return Entry(path, member.kind, member.size, member.mode, member.target)
