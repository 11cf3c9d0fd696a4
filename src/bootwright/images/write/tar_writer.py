"""Writes a file tree as a tar archive with everything a file system knows of it, as a feed for mksquashfs.

POSIX.1-2017, pax interchange format; extended attributes in the `SCHILY.xattr.` records that star, GNU tar
and squashfs-tools agree on. Not Python's tarfile: its records hold text, and a label or capability is bytes.
"""

from __future__ import annotations

import stat
from pathlib import Path
from types import TracebackType
from typing import IO

from bootwright.formats.filesystems.attributes import Attributes
from bootwright.formats.sources.bytesource import Bytes, ByteSource, FileBytes
from bootwright.foundation.errors import Malformed, Refused
from bootwright.images.write.nodes import NEW

_BLOCK = 512
_COPY = 4 << 20
_TYPES = {
    stat.S_IFREG: b"0", stat.S_IFLNK: b"2", stat.S_IFCHR: b"3", stat.S_IFBLK: b"4", stat.S_IFDIR: b"5",
    stat.S_IFIFO: b"6",
}  # fmt: skip


class TarWriter:
    """An archive in the file `path`; each path in it once. Use it as a context manager."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: set[str] = set()

    def __enter__(self) -> TarWriter:
        self._file: IO[bytes] = self._path.open("wb")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._file:
            if kind is None:
                self._file.write(bytes(2 * _BLOCK))

    def add(
        self,
        path: str,
        attributes: Attributes,
        *,
        content: ByteSource | None = None,
        target: str | None = None,
        link_to: str | None = None,
    ) -> None:
        """One entry by absolute path; `link_to` makes it another name of that file.

        Raises `Malformed` for a path that was added already, `Refused` for a socket.
        """
        name = path.strip("/")
        if name in self._known or not name:
            raise Malformed(str(self._path), None, "each name once", repr(path[:80]), hint="do not trust it")
        self._known.add(name)
        kind = b"1" if link_to is not None else _TYPES.get(stat.S_IFMT(attributes.mode))
        if kind is None:
            raise Refused(f"{path} is a socket, which cannot be archived", hint="remove it")
        size = content.size if content is not None and link_to is None else 0
        records = {b"path": name.encode(errors="surrogateescape")}
        link = link_to.strip("/") if link_to is not None else target
        if link is not None:
            records[b"linkpath"] = link.encode(errors="surrogateescape")
        numbers = (("uid", attributes.uid), ("gid", attributes.gid), ("size", size))
        records |= {key.encode(): str(value).encode() for key, value in numbers}
        for key, value in sorted(attributes.extended.items()):
            if "=" in key:  # where a record's value begins
                raise Refused(f"{path}: the extended attribute {key!r} cannot be kept in a squashfs")
            records[b"SCHILY.xattr." + key.encode(errors="surrogateescape")] = value
        extension = b"".join(_record(key, value) for key, value in records.items())
        self._file.write(_header(b"pax", b"x", 0o644, len(extension)) + _padded(extension))
        # The time stands here: mksquashfs 4.5.1 refuses whole seconds in an extension.
        seconds = min(max(attributes.times.modified // 1_000_000_000, 0), (1 << 33) - 1)
        raw = name.encode(errors="surrogateescape")[:99]
        self._file.write(
            _header(raw, kind, attributes.permissions, size, seconds=seconds, device=attributes.device)
        )
        if content is not None and size:
            for start in range(0, size, _COPY):
                self._file.write(content.read(start, min(_COPY, size - start)))
            self._file.write(bytes(-size % _BLOCK))

    def file(self, path: str, data: bytes, mode: int = 0o644) -> None:
        """A file of ours."""
        self.add(path, Attributes(stat.S_IFREG | mode, times=NEW), content=Bytes(data, path))

    def folder(self, root: Path, *, like: Attributes | None = None, above: str = "") -> None:
        """Everything below a folder of this machine, as root's and dated like all that is made here.

        `like` gives the extended attributes. A folder that was added already is not added again.
        """
        extended = dict(like.extended) if like is not None else {}
        first: dict[tuple[int, int], str] = {}
        for path in sorted(root.rglob("*")):
            name = f"{above}/{path.relative_to(root).as_posix()}"
            status = path.lstat()
            if stat.S_ISDIR(status.st_mode) and name.strip("/") in self._known:
                continue
            mode = 0o777 if path.is_symlink() else 0o755 if status.st_mode & 0o111 else 0o644
            attributes = Attributes(stat.S_IFMT(status.st_mode) | mode, times=NEW, extended=extended)
            if path.is_symlink():
                self.add(name, attributes, target=str(path.readlink()))
            elif path.is_file():
                same = first.setdefault((status.st_dev, status.st_ino), name)
                if same != name:
                    self.add(name, attributes, link_to=same)
                else:
                    self.add(name, attributes, content=FileBytes(path))
            else:
                self.add(name, attributes)

    def __contains__(self, path: str) -> bool:
        return path.strip("/") in self._known


def _record(key: bytes, value: bytes) -> bytes:
    """`LENGTH KEY=VALUE\\n`, where the length counts its own digits."""
    rest = len(key) + len(value) + 3
    length = rest + len(str(rest))
    length = rest + len(str(length))
    return b"%d %s=%s\n" % (length, key, value)


def _header(
    name: bytes, kind: bytes, mode: int, size: int, *, seconds: int = 0, device: tuple[int, int] = (0, 0)
) -> bytes:
    # A size that does not fit into octal digits is in the extension, and 0 here.
    fields = (
        name.ljust(100, b"\0"),
        b"%07o\0" % mode,
        b"%07o\0" % 0,
        b"%07o\0" % 0,
        b"%011o\0" % (size if size < 1 << 33 else 0),
        b"%011o\0" % seconds,
        b" " * 8,
        kind,
        bytes(100),
        b"ustar\x0000",
        bytes(64),
        b"%07o\0" % device[0],
        b"%07o\0" % device[1],
        bytes(167),
    )
    raw = b"".join(fields)
    return raw[:148] + b"%06o\0 " % sum(raw) + raw[156:]


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % _BLOCK)
