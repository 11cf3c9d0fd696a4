"""A Debian binary package (deb(5), format 2.0), read from front to back without a byte more than asked for.

Limits: what comes out of `control.tar` is bounded at 64 MiB, out of `data.tar` at 4 GiB.
"""

from __future__ import annotations

from collections.abc import Iterator

from bootwright.formats.archives.ar import read_ar
from bootwright.formats.archives.tarstream import TarMember, read_tar
from bootwright.formats.sources.streams import CHUNK, Decompressed, Limited, Stream, everything
from bootwright.foundation.errors import CUT_SHORT, Malformed

_COMPRESSIONS = {"": None, ".gz": "gzip", ".xz": "xz", ".zst": "zstd", ".bz2": "bzip2", ".lzma": "lzma"}
_MOST_CONTROL = 64 << 20
_MOST_DATA = 4 << 30
_MOST_FILE = 16 << 20


class DebReader:
    """A package as it streams by: `control` first, then the members of `data.tar`.

    >>> deb = DebReader(stream, "linux-image.deb")
    >>> deb.field("Package"), deb.md5sums["boot/vmlinuz-6.12.107+deb13-arm64"]
    >>> for member, content in deb.files(): ...
    """

    def __init__(self, stream: Stream, where: str) -> None:
        """Read up to the data. Raises `Malformed` when this is not a package of format 2.x."""
        self._where = where
        self._members = read_ar(stream, where)
        name, content = self._next()
        version = everything(content, limit=1024, where=where)
        if name != "debian-binary" or not version.startswith(b"2."):
            raise Malformed(where, 8, "debian-binary 2.0", f"{name} {version[:20]!r}")
        name, content = self._next()
        while name.startswith("_"):  # deb(5): members to be ignored
            name, content = self._next()
        if not name.startswith("control.tar"):
            raise Malformed(where, None, "control.tar", name)
        self.control: dict[str, str] = {}
        self.md5sums: dict[str, str] = {}
        for member, body in read_tar(self._open(name, content, _MOST_CONTROL), f"{where}:{name}"):
            if member.kind == "file" and member.name in {"control", "md5sums"}:
                text = everything(body, limit=_MOST_FILE, where=where).decode("utf-8", "replace")
                if member.name == "control":
                    self.control = _fields(text)
                else:
                    self.md5sums = _sums(text)
        if not self.control:
            raise Malformed(where, None, "a control file in control.tar", "none")

    def field(self, name: str) -> str:
        """A field of the control file, or an empty string."""
        return self.control.get(name.lower(), "")

    def files(self) -> Iterator[tuple[TarMember, Limited]]:
        """The members of `data.tar`, in their order; nothing behind the one at hand has been read."""
        name, content = self._next()
        while name.startswith("_"):
            name, content = self._next()
        if not name.startswith("data.tar"):
            raise Malformed(self._where, None, "data.tar", name)
        stream = self._open(name, content, _MOST_DATA)
        yield from read_tar(stream, f"{self._where}:{name}")
        # Behind the archive's end mark there is padding, and the compression's own checksum.
        while stream.read(CHUNK):
            pass

    def _next(self) -> tuple[str, Limited]:
        member = next(self._members, None)
        if member is None:
            raise Malformed(
                self._where,
                None,
                "debian-binary, control.tar and data.tar",
                "the end of the package",
                hint=CUT_SHORT,
            )
        return member

    def _open(self, name: str, content: Limited, limit: int) -> Stream:
        suffix = name.split(".tar", 1)[1]
        if suffix not in _COMPRESSIONS:
            raise Malformed(self._where, None, "gz, xz, zst, bz2 or no compression", name)
        kind = _COMPRESSIONS[suffix]
        return content if kind is None else Decompressed(content, kind, f"{self._where}:{name}", limit=limit)


def _fields(text: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    for line in text.splitlines():
        key, colon, value = line.partition(":")
        if colon and not line[:1].isspace():
            fields[key.lower()] = value.strip()
    return fields


def _sums(text: str) -> dict[str, str]:
    sums: dict[str, str] = {}
    for line in text.splitlines():
        digest, _, path = line.partition("  ")
        if len(digest) == 32:
            sums[path] = digest.lower()
    return sums
