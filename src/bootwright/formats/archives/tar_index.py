"""Tar archives and Debian packages with random access: the headers are read once, the data stays."""

from __future__ import annotations

from collections.abc import Iterator

from bootwright.formats.archives.ar import read_ar
from bootwright.formats.archives.archive_tree import ArchiveTree, Member
from bootwright.formats.archives.deb import DebReader
from bootwright.formats.archives.tarstream import read_tar
from bootwright.formats.filesystems.filesystem import EntryKind
from bootwright.formats.sources.bytesource import ByteSource, Part
from bootwright.formats.sources.compressed import expand
from bootwright.formats.sources.streams import SourceStream, compression_of
from bootwright.foundation.errors import Malformed
from bootwright.foundation.progress import Progress


class _Counted:
    """A source as a stream that says where it is."""

    def __init__(self, source: ByteSource) -> None:
        self._source = source
        self.position = 0

    def read(self, size: int) -> bytes:
        """See `Stream.read`."""
        data = self._source.read(self.position, max(0, min(size, self._source.size - self.position)))
        self.position += len(data)
        return data


def tar_members(source: ByteSource) -> Iterator[Member]:
    """The members of an uncompressed tar archive; hard links are the file they name. Raises `Malformed`."""
    stream = _Counted(source)
    known: dict[str, Member] = {}
    for member, content in read_tar(stream, source.name):
        offset = stream.position
        if member.kind == "directory":
            yield Member(member.name, EntryKind.DIRECTORY, member.mode)
            continue
        if member.kind == "link":
            # The type flag, at byte 156 of the header just read, tells a hard link ('1') from a symlink.
            hard = source.read(offset - 512 + 156, 1) == b"1"
            original = known.get("/".join(_parts(member.target))) if hard else None
            if original is not None:
                yield Member(
                    member.name, EntryKind.FILE, original.mode, original.size, source, original.offset
                )
                continue
            yield Member(member.name, EntryKind.SYMLINK, member.mode, target=member.target)
            continue
        kind = EntryKind.FILE if member.kind == "file" else EntryKind.OTHER
        indexed = Member(member.name, kind, member.mode, member.size, source, offset)
        if kind is EntryKind.FILE:
            known[member.name] = indexed
            # The data is skipped, not read: a package's archive is 400 MB.
            skipped = content.left
            content.left = 0
            stream.position += skipped
            if stream.position > source.size:
                raise Malformed(source.name, offset, f"{skipped} bytes of {member.name!r}", "the end")
        yield indexed


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in {"", "."}]


class DebTree(ArchiveTree):
    """The files of a Debian package as a `FileSystem`; raises `Malformed`."""

    def __init__(self, source: ByteSource, *, limit: int, progress: Progress | None = None) -> None:
        self.control = DebReader(SourceStream(source), source.name).control
        data = _data_member(source)
        if compression_of(data):
            data = expand(data, limit=limit, progress=progress)
        super().__init__(source.name, "deb", tar_members(data))


def _data_member(source: ByteSource) -> ByteSource:
    stream = _Counted(source)
    for name, content in read_ar(stream, source.name):
        if name.startswith("data.tar"):
            return Part(source, stream.position, content.left, f"{source.name}:{name}")
        stream.position += content.left
        content.left = 0
    raise Malformed(source.name, None, "data.tar in the package", "none")
