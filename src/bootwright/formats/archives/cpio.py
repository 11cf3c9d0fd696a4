"""cpio archives in the `newc` form, as the kernel unpacks an initramfs.

The form is that of Documentation/driver-api/early-userspace/buffer-format.rst and init/initramfs.c
(Linux 6.12): a header of 110 ASCII bytes, the name with its NUL, the data, each padded to 4 bytes.
Several archives may follow one another, with NUL bytes between them. Limits: no compressed members
(the caller decompresses), no `070702` checksums verified.
"""

from __future__ import annotations

import stat
from collections.abc import Iterable, Iterator

from attrs import frozen

from bootwright.formats.sources.bytesource import ByteSource, Part
from bootwright.foundation.errors import CUT_SHORT, Malformed, Refused

_HEADER = 110
_MAGICS = (b"070701", b"070702")
_TRAILER = "TRAILER!!!"
_LONGEST_NAME = 4096  # PATH_MAX: the kernel skips longer ones
_MOST_ENTRIES = 1_000_000


@frozen
class Entry:
    """One member: a file, folder, link or device node."""

    name: str
    """As stored, not to be used as a path of this machine: it may be absolute or hold `..`."""
    mode: int
    """Type and permissions, as `st_mode`."""
    size: int
    """Bytes of data: a file's content, a symbolic link's target."""
    offset: int
    """Of the data, in bytes from the start of the source."""
    device: tuple[int, int] = (0, 0)
    """Major and minor number of a device node."""

    @property
    def is_file(self) -> bool:
        """A regular file."""
        return stat.S_ISREG(self.mode)


@frozen
class Member:
    """What is to be written: see `write`."""

    name: str
    data: bytes = b""
    mode: int = stat.S_IFREG | 0o644
    device: tuple[int, int] = (0, 0)


def folder(name: str) -> Member:
    """A folder, readable by all."""
    return Member(name, mode=stat.S_IFDIR | 0o755)


def character_device(name: str, major: int, minor: int) -> Member:
    """A character device node, which needs no privilege inside an archive."""
    return Member(name, mode=stat.S_IFCHR | 0o600, device=(major, minor))


def read(source: ByteSource) -> Iterator[Entry]:
    """The entries of all archives in `source`, in order; the data stays where it is.

    Raises `Malformed` with the offset of the header that is not one.
    """
    offset, end = 0, source.size
    ended = False
    for _ in range(_MOST_ENTRIES):
        offset = _skip_zeros(source, offset) if ended or offset == 0 else offset
        if offset >= end:
            break
        entry, following = _entry(source, offset)
        ended = entry.name == _TRAILER
        if not ended:
            yield entry
        offset = following
    else:
        raise Malformed(source.name, offset, f"at most {_MOST_ENTRIES} entries", "more")
    if not ended:
        raise Malformed(
            source.name,
            end,
            f"an entry named {_TRAILER}",
            "the end of the data",
            hint=CUT_SHORT,
        )


def content(source: ByteSource, entry: Entry) -> Part:
    """The data of one entry, as a source of its own."""
    return Part(source, entry.offset, entry.size, f"{source.name}:{entry.name}")


def _skip_zeros(source: ByteSource, offset: int) -> int:
    end = source.size
    while offset < end:
        chunk = source.read(offset, min(65536, end - offset))
        rest = chunk.lstrip(b"\0")
        if rest:
            return offset + len(chunk) - len(rest)
        offset += len(chunk)
    return offset


def _entry(source: ByteSource, offset: int) -> tuple[Entry, int]:
    magic = source.read(offset, min(6, source.size - offset))
    if magic not in _MAGICS:
        raise Malformed(
            source.name, offset, "the cpio magic 070701 or 070702", ascii(magic.decode("latin-1"))
        )
    header = source.read(offset, _HEADER)
    fields = [_hexadecimal(source.name, offset + at, header[at : at + 8]) for at in range(6, _HEADER, 8)]
    mode, size, major, minor, name_size = fields[1], fields[6], fields[9], fields[10], fields[11]
    if not 1 <= name_size <= _LONGEST_NAME:
        raise Malformed(source.name, offset + 94, f"a name of 1 to {_LONGEST_NAME} bytes", str(name_size))
    raw = source.read(offset + _HEADER, name_size)
    if raw[-1] != 0:
        raise Malformed(
            source.name, offset + _HEADER + name_size - 1, "a NUL after the name", f"{raw[-1]:#04x}"
        )
    name = raw.split(b"\0", 1)[0].decode(errors="surrogateescape")
    data = _aligned(offset + _HEADER + name_size)
    if name == _TRAILER:
        return Entry(name, 0, 0, min(data, source.size)), min(data, source.size)
    if data + size > source.size:
        raise Malformed(
            source.name,
            min(data, source.size),
            f"{size} bytes of {ascii(name)[:80]}",
            f"the end of the data at byte {source.size:#x}",
            hint=CUT_SHORT,
        )
    return Entry(name, mode, size, data, (major, minor)), min(_aligned(data + size), source.size)


def _hexadecimal(where: str, offset: int, digits: bytes) -> int:
    # int() would also take signs, blanks and underscores.
    if len(digits) != 8 or not all(char in b"0123456789abcdefABCDEF" for char in digits):
        raise Malformed(where, offset, "8 hexadecimal digits", ascii(digits.decode("latin-1")))
    return int(digits, 16)


def _aligned(offset: int) -> int:
    return (offset + 3) & ~3


def write(members: Iterable[Member]) -> bytes:
    """One archive: the same members give the same bytes (no times, no owners, inodes counted).

    Raises `Refused` for a name or a size that the form cannot hold.
    """
    pieces: list[bytes] = []
    for inode, member in enumerate((*members, Member(_TRAILER, mode=0)), start=1):
        name = member.name.encode(errors="surrogateescape") + b"\0"
        if len(name) > _LONGEST_NAME or b"\0" in name[:-1] or len(member.data) >= 1 << 32:
            raise Refused(f"{ascii(member.name)[:80]} does not fit in a cpio archive")
        links = 2 if stat.S_ISDIR(member.mode) else 1
        fields = (inode, member.mode, 0, 0, links, 0, len(member.data), 0, 0, *member.device, len(name), 0)
        header = b"070701" + b"".join(b"%08X" % field for field in fields) + name
        pieces += [header, b"\0" * (-len(header) % 4), member.data, b"\0" * (-len(member.data) % 4)]
    return b"".join(pieces)
