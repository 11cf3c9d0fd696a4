"""Artifacts on a web server, read by HTTP range requests (RFC 9110, section 14): only what is needed.

What came is kept in the cache, keyed by the server's validators. A server that does not serve ranges has the
file fetched once, whole.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import tempfile
import time
import weakref
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from bootwright.formats.sources.bytesource import ByteSource, FileBytes, check_range
from bootwright.formats.sources.download import Server
from bootwright.formats.sources.spool import Renamed
from bootwright.formats.sources.transport import (
    ADDRESS_HINT,
    ATTEMPTS,
    Denied,
    NotThere,
    Response,
    Transport,
    Unreachable,
)
from bootwright.foundation.atomic import explained, new_file
from bootwright.foundation.cache import FETCHED
from bootwright.foundation.errors import Malformed, Missing, Refused
from bootwright.foundation.progress import Progress, Silent

_BLOCK = 1 << 18
_MOST_BLOCKS = 32
"""Of one request: 8 MiB."""
_MAX_SIZE = 64 << 30
_NOT_KEPT = (
    "its server does not say whether it has changed (no ETag, no Last-Modified), so that what comes is not "
    "used again; to fetch it once, download it and give the file"
)


class UrlBytes:
    """A file on a server as a `ByteSource`, in blocks of 256 KiB that are fetched once and kept in the cache.

    Raises `Missing` when the server does not answer, `Malformed` when the file changed meanwhile.
    """

    def __init__(
        self,
        server: Server,
        url: str,
        final: str,
        size: int,
        validator: str | None,
        *,
        identity: str | None = None,
    ) -> None:
        """`final` is where the URL led: asked there first, as a redirection for each block takes long.

        `identity` tells this state of the file from another, where it is known otherwise than by a validator.
        """
        self._server = server
        self._url = url
        self._final = final
        self._size = size
        self.validator = validator
        self.received = 0
        """Bytes that came over the wire."""
        self.identity = identity or _identity(url, validator, size)
        """What tells this state of the file from another; changes whenever the server says that it did."""
        self._blocks = Blocks(-(-size // _BLOCK), self.identity if validator or identity else None)

    def forget_blocks(self) -> None:
        """Remove the blocks from the cache, once the whole file is there in another place."""
        self._blocks.remove()

    @property
    def name(self) -> str:
        """The URL."""
        return self._url

    @property
    def size(self) -> int:
        """See `ByteSource.size`."""
        return self._size

    def read(self, offset: int, size: int) -> bytes:
        """See `ByteSource.read`."""
        check_range(self._url, self._size, offset, size)
        if not size:
            return b""
        first, last = offset // _BLOCK, (offset + size - 1) // _BLOCK
        for start, end in self._blocks.lacking(first, last):
            begin = start * _BLOCK
            self._blocks.put(start, self._fetch(begin, min(end * _BLOCK, self._size) - begin))
        return self._blocks.read(offset, size)

    def _fetch(self, offset: int, size: int) -> bytes:
        failure: Unreachable | NotThere | None = None
        for attempt in range(ATTEMPTS):
            try:
                return self._fetch_once(offset, size)
            except (Denied, NotThere) as error:
                # Where it led may be an address for some minutes only.
                failure = error
                if self._final == self._url:
                    break
                self._final = self._url
            except Unreachable as error:
                failure = error
                if attempt < ATTEMPTS - 1:
                    time.sleep(self._server.first_wait * 2**attempt)
        assert failure is not None  # noqa: S101 - the loop ended by one
        raise failure

    def _fetch_once(self, offset: int, size: int) -> bytes:
        headers = {"Range": f"bytes={offset}-{offset + size - 1}"}
        if self.validator:
            headers["If-Range"] = self.validator
        pieces: list[bytes] = []
        got = 0
        with self._server.open(self._final, headers) as answer:
            if answer.status_code == 200:
                raise Malformed(self._url, offset, "the same file as before", "another one", hint="run again")
            if answer.status_code != 206:
                raise Missing(f"{self._url}: the server answered {answer.status_code}", hint="try again")
            ranged = answer.headers.get("content-range", "")
            if not ranged.startswith(f"bytes {offset}-"):
                raise Malformed(self._url, offset, "the range asked for", ranged or "none")
            for piece in answer.pieces():
                got += len(piece)
                self.received += len(piece)
                self._server.received += len(piece)
                if got > size:
                    raise Malformed(self._url, offset, f"{size} bytes", "more")
                pieces.append(piece)
        if got != size:
            raise Malformed(self._url, offset, f"{size} bytes", f"{got} bytes", hint="try again")
        return b"".join(pieces)


class Blocks:
    """The blocks of a file that were fetched: a sparse file, and beside it a byte for each that is there.

    Without a name it is gone with the process; with one, the next process goes on with it.
    """

    def __init__(self, count: int, name: str | None) -> None:
        self._folder = FETCHED.folder() / f"{_key(name)}.blocks" if name else None
        try:
            if self._folder is not None:
                self._folder.mkdir(parents=True, exist_ok=True)
                FETCHED.used(self._folder)
                self._data = (self._folder / "data").open("a+b")
                self._marks = (self._folder / "there").open("a+b")
            else:
                self._data, self._marks = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115
            for file in (self._data, self._marks):
                weakref.finalize(self, file.close)
            # Opened for appending it would be written to the end only, whatever the offset (pwrite(2)).
            for file in (self._data, self._marks):
                flags = fcntl.fcntl(file, fcntl.F_GETFL)
                fcntl.fcntl(file, fcntl.F_SETFL, flags & ~os.O_APPEND)
            known = os.pread(self._marks.fileno(), count, 0)
        except OSError as error:
            raise explained(error, self._folder or Path(tempfile.gettempdir())) from error
        self._there = bytearray(known.ljust(count, b"\0"))

    def remove(self) -> None:
        """Forget them; this process reads on."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def lacking(self, first: int, last: int) -> Iterator[tuple[int, int]]:
        """Runs of blocks from `first` to `last` that are not there, each of at most 8 MiB: (start, end)."""
        start = first
        while start <= last:
            if self._there[start]:
                start += 1
                continue
            end = start + 1
            while end <= last and not self._there[end] and end - start < _MOST_BLOCKS:
                end += 1
            yield start, end
            start = end

    def put(self, start: int, data: bytes) -> None:
        """Keep whole blocks (the file's last may be shorter), marked once they are written."""
        try:
            written = 0
            while written < len(data):
                written += os.pwrite(self._data.fileno(), data[written:], start * _BLOCK + written)
            count = -(-len(data) // _BLOCK)
            os.pwrite(self._marks.fileno(), b"\1" * count, start)
        except OSError as error:
            raise explained(error, self._folder or Path(tempfile.gettempdir())) from error
        self._there[start : start + count] = b"\1" * count
        if self._folder is not None and start % 64 == 0:
            FETCHED.evict(keep=self._folder)

    def read(self, offset: int, size: int) -> bytes:
        """Bytes of blocks that are there."""
        data = os.pread(self._data.fileno(), size, offset)
        while len(data) < size:
            more = os.pread(self._data.fileno(), size - len(data), offset + len(data))
            if not more:
                raise Malformed(str(self._folder), offset, f"{size} bytes", "less", hint="clear the cache")
            data += more
        return data


def open_url(url: str, *, progress: Progress | None = None, transport: Transport | None = None) -> ByteSource:
    """The file at `url`; raises `Missing` when it cannot be had, `Refused` when it is too large."""
    transport = transport or Transport(hint=ADDRESS_HINT)
    with transport.open(url, {"Range": "bytes=0-0"}) as answer:
        if answer.status_code == 206:
            total = _length(answer.headers.get("content-range", "").rpartition("/")[2])
            if total is not None:
                if total > _MAX_SIZE:
                    raise Refused(f"{url}: {total} bytes are more than is followed ({_MAX_SIZE})")
                validator = _validator(answer)
                whole = _place(url, _key(_identity(url, validator, total)))
                if validator and whole.is_file() and whole.stat().st_size == total:
                    FETCHED.used(whole)
                    return _Fetched(whole, url)
                if validator is None and progress is not None:
                    progress.note(f"{url}: {_NOT_KEPT}")
                return UrlBytes(transport, url, answer.final_url, total, validator)
        if answer.status_code == 416:
            raise Malformed(url, 0, "an artifact", "an empty file")
        if answer.status_code != 200:
            raise Missing(f"{url}: the server answered {answer.status_code}", hint=ADDRESS_HINT)
        return _fetched(answer, url, progress or Silent())


def open_ranges(server: Server, url: str, size: int, *, identity: str) -> UrlBytes | None:
    """A file of known size, read by ranges; None where the server serves none. Raises as `open_url`."""
    with server.open(url, {"Range": "bytes=0-0"}) as answer:
        total = _length(answer.headers.get("content-range", "").rpartition("/")[2])
        if answer.status_code != 206 or total != size:
            return None
        return UrlBytes(server, url, answer.final_url, size, None, identity=identity)


def fetch_url(url: str, progress: Progress, transport: Transport | None = None) -> Path:
    """The file at `url`, whole, in the cache under its own name; goes on where it stopped.

    Raises as `open_url`, and what reading raises.
    """
    source = open_url(url, progress=progress, transport=transport)
    if not isinstance(source, UrlBytes):
        assert isinstance(source, _Fetched)  # noqa: S101 - it is either of the two
        return source.path
    path = _place(url, _key(source.identity))
    with progress.step(f"fetch {url}"), new_file(path) as file:
        for at in range(0, source.size, _MOST_BLOCKS * _BLOCK):
            file.write(source.read(at, min(_MOST_BLOCKS * _BLOCK, source.size - at)))
            progress.advance(at / 1e6, source.size / 1e6, "MB")
    source.forget_blocks()
    FETCHED.evict(keep=path)
    return path


def _identity(url: str, validator: str | None, size: int) -> str:
    return f"{url}\n{validator}\n{size}"


def _key(identity: str) -> str:
    """An identity as a name in the cache."""
    return hashlib.sha256(identity.encode()).hexdigest()


def _place(url: str, key: str) -> Path:
    """Where a fetched file is kept: in a folder of its own, so that it keeps its name."""
    name = re.sub(r"[^A-Za-z0-9._+-]", "_", urlsplit(url).path.rpartition("/")[2])[-100:].lstrip(".")
    return FETCHED.folder() / key / (name or "file")


def _validator(answer: Response) -> str | None:
    """What tells this file from another under the same URL; sent back, so it must be ASCII."""
    etag: str = answer.headers.get("ETag", "")
    if etag and not etag.startswith("W/"):
        return etag if etag.isascii() else None
    modified: str = answer.headers.get("Last-Modified", "")
    return modified if modified and modified.isascii() else None


def _length(text: str) -> int | None:
    """A number of bytes in a header; None for anything else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None


class _Fetched(Renamed):
    """A file that was fetched whole."""

    def __init__(self, path: Path, url: str) -> None:
        super().__init__(FileBytes(path), url)
        self.path = path


def _fetched(answer: Response, url: str, progress: Progress) -> ByteSource:
    """The whole file, in the cache; taken from there when the server's validators are the same."""
    validator = _validator(answer)
    expected = _length(answer.headers.get("Content-Length", ""))
    path = _place(url, _key(f"{url}\n{validator}\n{expected}"))
    if validator and path.is_file():
        FETCHED.used(path)
        return _Fetched(path, url)
    total = None if expected is None else expected / 1e6
    got = 0
    with progress.step(f"fetching {url}"), new_file(path) as file:
        for piece in answer.pieces():
            got += len(piece)
            if got > _MAX_SIZE:
                raise Refused(f"{url}: more than {_MAX_SIZE} bytes")
            file.write(piece)
            progress.advance(got / 1e6, total, "MB")
        if expected is not None and got != expected:
            raise Malformed(url, got, f"{expected} bytes", f"the end after {got}", hint="try again")
    FETCHED.evict(keep=path)
    return _Fetched(path, url)
