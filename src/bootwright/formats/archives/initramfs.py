"""An initramfs as the kernel unpacks it: cpio archives one after the other, each bare or compressed.

init/initramfs.c, Linux 6.12 (`unpack_to_rootfs`): a `0` begins an archive, zeros are skipped, anything
else must be compressed. Early microcode is a bare archive in front. Later members replace earlier ones.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator

from attrs import frozen

from bootwright.formats.archives import cpio
from bootwright.formats.archives.archive_tree import ArchiveTree, Member
from bootwright.formats.filesystems.filesystem import EntryKind
from bootwright.formats.sources.bytesource import Bytes, ByteSource, Part
from bootwright.formats.sources.compressed import DEFAULT_LIMIT, Expansion, skip_zeros
from bootwright.formats.sources.spool import digest, spool, spooled
from bootwright.formats.sources.streams import compression_of
from bootwright.foundation.errors import Malformed
from bootwright.foundation.progress import Progress

_CPIO = (b"070701", b"070702")
_MAX_SEGMENTS = 64
_IN_MEMORY = 4 << 20

_KINDS = {stat.S_IFREG: EntryKind.FILE, stat.S_IFDIR: EntryKind.DIRECTORY, stat.S_IFLNK: EntryKind.SYMLINK}


@frozen
class Segment:
    """One archive of an initramfs."""

    offset: int
    """Where it begins in the initramfs, in bytes."""
    size: int
    """Bytes of the initramfs it takes."""
    compression: str | None
    archive: ByteSource
    """The archive itself, expanded."""


def is_cpio(source: ByteSource, offset: int = 0) -> bool:
    """Whether a `newc` archive begins at `offset`."""
    return source.size >= offset + 110 and source.read(offset, 6) in _CPIO


def read_segments(
    source: ByteSource, *, limit: int = DEFAULT_LIMIT, progress: Progress | None = None
) -> tuple[Segment, ...]:
    """The archives in order; raises `Malformed` for bytes that are neither an archive nor compressed."""
    segments: list[Segment] = []
    at = skip_zeros(source, 0)
    while at < source.size and len(segments) < _MAX_SEGMENTS:
        if is_cpio(source, at):
            end = _end_of_archive(source, at)
            name = source.name if not segments and end == source.size else f"{source.name}:cpio@{at:#x}"
            segments.append(Segment(at, end - at, None, Part(source, at, end - at, name)))
        else:
            kind = compression_of(source, at)
            if kind is None:
                start = source.read(at, min(6, source.size - at)).hex(" ")
                if segments:
                    # The kernel complains about what follows a good archive and goes on with what it has.
                    break
                raise Malformed(source.name, at, "a cpio archive or a compressed one", start)
            archive, end = _expanded(source, at, kind, limit, progress)
            segments.append(Segment(at, end - at, kind, archive))
        at = skip_zeros(source, end)
    if not segments:
        raise Malformed(source.name, 0, "a cpio archive or a compressed one", "nothing but zeros")
    return tuple(segments)


def _expanded(
    source: ByteSource, at: int, kind: str, limit: int, progress: Progress | None
) -> tuple[ByteSource, int]:
    """The expanded archive that begins at `at`, and where its compressed bytes end."""
    name = f"{source.name}:{kind}" if at == 0 else f"{source.name}:{kind}@{at:#x}"
    rest = source if at == 0 else Part(source, at, source.size - at, source.name)
    # What is in the cache was expanded to its end, and the name in the cache says where that was.
    key = f"{digest(rest)}-part" if rest.size > _IN_MEMORY else None
    if key is not None:
        known = spooled(key, name)
        end = spooled(f"{key}-end", name)
        if known is not None and end is not None and known.size <= limit:
            return known, at + int.from_bytes(end.read(0, 8), "little")
    expansion = Expansion(rest, kind, limit=limit)
    chunks = iter(expansion)
    kept: list[bytes] = []
    total = 0
    for chunk in chunks:
        kept.append(chunk)
        total += len(chunk)
        if total > _IN_MEMORY and key is not None:
            break
    else:
        return Bytes(b"".join(kept), name), at + expansion.end

    def all_chunks() -> Iterator[bytes]:
        yield from kept
        kept.clear()
        yield from chunks

    # The bytes of a part are never a file of this machine, so no program is asked.
    expanded = spool(rest, "part", all_chunks(), key=key, name=name, limit=limit, progress=progress)
    end_mark = expansion.end.to_bytes(8, "little")
    spool(rest, "part", iter([end_mark]), key=f"{key}-end", name=name, limit=8)
    return expanded, at + expansion.end


def _end_of_archive(source: ByteSource, start: int) -> int:
    """Where the archive that begins at `start` ends: after its trailer, padded to 4 bytes."""
    at = start
    for _ in range(1_000_000):
        if not is_cpio(source, at):
            if at < source.size and not source.read(at, min(4, source.size - at)).strip(b"\0"):
                return at  # no trailer: the kernel does not mind
            raise Malformed(
                source.name, at, "a cpio header", source.read(at, min(6, max(0, source.size - at))).hex(" ")
            )
        header = source.read(at, 110)
        try:
            size, name_size = int(header[54:62], 16), int(header[94:102], 16)
        except ValueError as error:
            raise Malformed(source.name, at, "hexadecimal digits in a cpio header", "others") from error
        name = source.read(at + 110, min(name_size, 16))
        data = at + (110 + name_size + 3 & ~3) if at % 4 == 0 else (at + 110 + name_size + 3) & ~3
        following = (data + size + 3) & ~3
        if name.startswith(b"TRAILER!!!\0"):
            return min(following, source.size)
        if following <= at or data + size > source.size:
            raise Malformed(source.name, at + 54, "data inside the archive", f"{size} bytes")
        at = following
    raise Malformed(source.name, at, "at most 1000000 members", "more")


class InitramfsTree(ArchiveTree):
    """What the kernel's root looks like after unpacking all segments, as a `FileSystem`."""

    def __init__(self, name: str, segments: tuple[Segment, ...]) -> None:
        super().__init__(name, "cpio", _members(segments))
        self.segments = segments


def _members(segments: tuple[Segment, ...]) -> Iterator[Member]:
    for segment in segments:
        # Hard links: newc gives the data to one of the names only; they share the inode number.
        for entry in cpio.read(segment.archive):
            kind = _KINDS.get(stat.S_IFMT(entry.mode), EntryKind.OTHER)
            target = None
            if kind is EntryKind.SYMLINK:
                if entry.size > 4096:
                    raise Malformed(
                        segment.archive.name, entry.offset, "a symlink below 4 KiB", f"{entry.size} bytes"
                    )
                target = segment.archive.read(entry.offset, entry.size).rstrip(b"\0")
            yield Member(
                name=entry.name,
                kind=kind,
                mode=stat.S_IMODE(entry.mode),
                size=entry.size if kind is EntryKind.FILE else 0,
                source=segment.archive,
                offset=entry.offset,
                target=target.decode("utf-8", "surrogateescape") if target is not None else None,
            )
