"""The image to flash as a sequence of pieces: read once, decompressed on the way, holes known as holes."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from attrs import evolve, field, frozen

from bootwright.formats.disks.mbr import read_partition_table
from bootwright.formats.sources.address import REGISTRY
from bootwright.formats.sources.bytesource import ByteSource, FileBytes, check_range
from bootwright.formats.sources.compressed import announced_size
from bootwright.formats.sources.streams import CHUNK, Decompressed, SourceStream, compression_of
from bootwright.formats.sources.url import open_url
from bootwright.foundation.errors import CUT_SHORT, Malformed, Missing, Refused
from bootwright.inspect.local import local_image

PIECE = 4 << 20
"""Bytes of one piece. As `dd bs=4M`: large enough that a card's erase blocks are written whole."""
HEAD = 1 << 20
"""The start of a disk, where its partition table is."""
MOST = 4 << 40
"""Bytes an image may have, decompressed."""

_FILE_KINDS = ("xz", "gzip", "zstd", "bzip2", "lzma")


@frozen
class Piece:
    """Consecutive bytes of the image, at most `PIECE` of them."""

    offset: int
    size: int
    data: bytes | None
    """None where all of them are zero."""


class Source(Protocol):
    """An image to be written."""

    @property
    def name(self) -> str:
        """As the user gave it."""
        ...

    @property
    def size(self) -> int | None:
        """Bytes of the image itself, None where only reading it through tells."""
        ...

    @property
    def identity(self) -> str:
        """The same for the same image and no other; compared when a write is resumed."""
        ...

    @property
    def cheap(self) -> bool:
        """Whether reading it again costs next to nothing: a plain file here."""
        ...

    def pieces(self) -> Iterator[Piece]:
        """All pieces in order, without gaps. Raises `Malformed`, `Missing` when it cannot be read."""
        ...


@frozen
class Image:
    """An image file or URL."""

    name: str
    size: int | None
    identity: str
    compression: str | None
    cheap: bool
    _open: Callable[[], Iterator[Piece]] = field(repr=False)

    def pieces(self) -> Iterator[Piece]:
        """See `Source.pieces`."""
        return self._open()


def open_image(given: str) -> Image:
    """The image at a path or an address; raises `Missing`, `Malformed` or `Refused`."""
    if given.startswith(REGISTRY):
        return evolve(open_image(str(local_image(given))), name=given)
    remote = given.startswith(("http://", "https://"))
    source: ByteSource
    if remote:
        source = open_url(given)
        identity = f"{given} {source.size}"
    else:
        path = Path(given)
        if path.is_dir():
            raise Refused(f"{given} is a folder, not an image", hint="give the image file")
        source = FileBytes(path)
        state = path.stat()
        identity = f"{path.resolve()} {state.st_size} {state.st_mtime_ns} {state.st_ino}"
    if not source.size:
        raise Malformed(given, 0, "a disk image", "an empty file", hint=CUT_SHORT)
    kind = compression_of(source)
    if kind is None:
        opened = (lambda: _plain(source)) if remote else (lambda: _file(Path(given), source.size))
        return Image(given, source.size, identity, None, not remote, opened)
    if kind not in _FILE_KINDS:
        raise Refused(
            f"{given}: {kind} images cannot be written directly", hint=f"decompress it first, with {kind} -d"
        )
    size = announced_size(source, kind)
    if size is not None and size >= MOST:
        size = None
    return Image(given, size, identity, kind, False, lambda: _expanded(source, kind))


def check_disk_image(image: Source) -> None:
    """Raises `Refused` unless it starts as disk images do: with an MBR, a GPT, or as an ISO 9660 image; and
    `Malformed` where it is known to end before one of its partitions does, as a download that broke off."""
    head = next(iter(image.pieces()), None)
    data = (head.data if head else None) or b""
    if data[32769:32774] == b"CD001":
        return
    if not (data[510:512] == b"\x55\xaa" or data[512:520] == b"EFI PART" or data[4096:4104] == b"EFI PART"):
        raise Refused(
            f"{image.name} does not start like a disk image: no partition table in it",
            hint="is it the right file? --any-content writes it all the same",
        )
    if image.size is None:
        return
    start = _Start(image.name, image.size, data)
    try:
        partitions = read_partition_table(start, backup=False).partitions
    except Malformed:
        return  # what its table says is no matter of whoever writes it
    for partition in partitions:
        partition.open(start)


@frozen
class _Start:
    """An image of which the first bytes are at hand, as a `ByteSource`."""

    name: str
    size: int
    _data: bytes

    def read(self, offset: int, size: int) -> bytes:
        """See `ByteSource.read`; nothing beyond the first bytes."""
        check_range(self.name, len(self._data), offset, size)
        return self._data[offset : offset + size]


def _pieces(read: Callable[[int], bytes]) -> Iterator[Piece]:
    offset = 0
    ended = False
    while not ended:
        got: list[bytes] = []
        have = 0
        while have < PIECE:
            chunk = read(PIECE - have)
            if not chunk:
                ended = True
                break
            got.append(chunk)
            have += len(chunk)
        if have:
            data = b"".join(got)
            yield Piece(offset, have, None if is_zero(data) else data)
            offset += have


def is_zero(data: bytes) -> bool:
    """Whether every byte is 0; a comparison of `bytes` is one memcmp."""
    if data[:64].strip(b"\0"):
        return False
    return data == (_ZEROS if len(data) == PIECE else bytes(len(data)))


_ZEROS = bytes(PIECE)


def _expanded(source: ByteSource, kind: str) -> Iterator[Piece]:
    stream = Decompressed(SourceStream(source), kind, source.name, limit=MOST)
    return _pieces(lambda size: stream.read(min(size, CHUNK)))


def _plain(source: ByteSource) -> Iterator[Piece]:
    return _pieces(SourceStream(source).read)


def _file(path: Path, size: int) -> Iterator[Piece]:
    """Holes of a sparse file are skipped, not read (lseek(2), SEEK_DATA)."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise Missing(f"cannot read {path}: {error.strerror}", hint="check the permissions") from error
    try:
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_SEQUENTIAL)
        offset = 0
        data_end = 0
        while offset < size:
            if offset >= data_end:
                start, data_end = _extent(handle, offset, size)
                # Whole pieces only, so that a piece starts at a multiple of its size.
                hole_end = size if start >= size else start - start % PIECE
                while offset < hole_end:
                    length = min(PIECE - offset % PIECE, hole_end - offset)
                    yield Piece(offset, length, None)
                    offset += length
                if offset >= size:
                    return
            length = min(PIECE, size - offset)
            data = _pread(handle, length, offset, path)
            yield Piece(offset, length, None if is_zero(data) else data)
            offset += length
    finally:
        os.close(handle)


def _extent(handle: int, offset: int, size: int) -> tuple[int, int]:
    try:
        start = os.lseek(handle, offset, os.SEEK_DATA)
        return start, os.lseek(handle, start, os.SEEK_HOLE)
    except OSError as error:
        if error.errno == errno.ENXIO:  # nothing but a hole to the end
            return size, size
        return offset, size


def _pread(handle: int, length: int, offset: int, path: Path) -> bytes:
    try:
        data = os.pread(handle, length, offset)
        while len(data) < length:
            more = os.pread(handle, length - len(data), offset + len(data))
            if not more:
                raise Malformed(
                    str(path), offset + len(data), f"{length - len(data)} bytes", "the end of the file"
                )
            data += more
    except OSError as error:
        raise Malformed(
            str(path),
            offset,
            f"{length} bytes",
            f"a read error ({error.strerror})",
            hint="is the disk sound?",
        ) from error
    return data
