"""Artifacts on a web server, read by HTTP range requests (RFC 9110, section 14): only what is needed.

A server that does not serve ranges has the file fetched once into the cache, keyed by its validators.
"""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from bootwright.formats.sources.bytesource import ByteSource, FileBytes, check_range
from bootwright.formats.sources.download import Download
from bootwright.formats.sources.registry import SCHEME
from bootwright.formats.sources.spool import Renamed
from bootwright.formats.sources.transport import ADDRESS_HINT, Transport
from bootwright.foundation.atomic import new_file
from bootwright.foundation.cache import FETCHED
from bootwright.foundation.errors import Malformed, Missing, Refused
from bootwright.foundation.progress import Progress, Silent

if TYPE_CHECKING:
    import httpx

_ADDRESSES = ("http://", "https://", SCHEME)

_BLOCK = 1 << 18
_KEPT = 128
_MAX_SIZE = 64 << 30
_TIMEOUT = 30.0
"""Seconds without a byte."""


def is_address(what: object) -> bool:
    """Whether an artifact is named by where it lies on the network: `http(s)://`, `oci://`."""
    return isinstance(what, str) and what.startswith(_ADDRESSES)


class UrlBytes:
    """A file on a server as a `ByteSource`, in blocks of 256 KiB of which the last 32 MiB are kept.

    A read of more than 2 MiB is one request. Raises `Missing` when the server does not answer, `Malformed`
    when the file changed meanwhile.
    """

    def __init__(self, client: httpx.Client, url: str, size: int, validator: str | None) -> None:
        self._client = client
        self._url = url
        self._size = size
        self._validator = validator
        self._kept: OrderedDict[int, bytes] = OrderedDict()
        self.received = 0
        """Bytes that came over the wire."""

    @property
    def identity(self) -> str:
        """What tells this state of the file from another; changes whenever the server says that it did."""
        return f"{self._url}\n{self._validator}\n{self._size}"

    @property
    def name(self) -> str:
        """The URL."""
        return self._url

    def __len__(self) -> int:
        return self._size

    def read(self, offset: int, size: int) -> bytes:
        """See `ByteSource.read`."""
        check_range(self._url, self._size, offset, size)
        if not size:
            return b""
        if size > 8 * _BLOCK:
            return self._fetch(offset, size)
        first, last = offset // _BLOCK, (offset + size - 1) // _BLOCK
        joined = b"".join(self._block(number) for number in range(first, last + 1))
        return joined[offset - first * _BLOCK :][:size]

    def _block(self, number: int) -> bytes:
        known = self._kept.get(number)
        if known is not None:
            self._kept.move_to_end(number)
            return known
        start = number * _BLOCK
        data = self._fetch(start, min(_BLOCK, self._size - start))
        self._kept[number] = data
        if len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return data

    def _fetch(self, offset: int, size: int) -> bytes:
        import httpx

        headers = {"Range": f"bytes={offset}-{offset + size - 1}", "Accept-Encoding": "identity"}
        if self._validator:
            headers["If-Range"] = self._validator
        pieces: list[bytes] = []
        got = 0
        try:
            with self._client.stream("GET", self._url, headers=headers) as answer:
                if answer.status_code == 200:
                    raise Malformed(
                        self._url, offset, "the same file as before", "another one", hint="run again"
                    )
                if answer.status_code != 206:
                    raise Missing(f"{self._url}: the server answered {answer.status_code}", hint="try again")
                if not answer.headers.get("Content-Range", "").startswith(f"bytes {offset}-"):
                    raise Malformed(
                        self._url, offset, "the range asked for", answer.headers.get("Content-Range", "none")
                    )
                for piece in answer.iter_raw():
                    got += len(piece)
                    self.received += len(piece)
                    if got > size:
                        raise Malformed(self._url, offset, f"{size} bytes", "more")
                    pieces.append(piece)
        except httpx.HTTPError as error:
            reason = str(error) or type(error).__name__
            raise Missing(f"{self._url}: {reason}", hint="check the network") from error
        if got != size:
            raise Malformed(self._url, offset, f"{size} bytes", f"{got} bytes", hint="try again")
        return b"".join(pieces)


def open_url(url: str, *, progress: Progress | None = None) -> ByteSource:
    """The file at `url`; raises `Missing` when it cannot be had, `Refused` when it is too large."""
    import httpx

    client = httpx.Client(follow_redirects=True, timeout=_TIMEOUT, max_redirects=8)
    try:
        with client.stream(
            "GET", url, headers={"Range": "bytes=0-0", "Accept-Encoding": "identity"}
        ) as answer:
            final = str(answer.url)
            if answer.status_code == 206:
                total = _length(answer.headers.get("Content-Range", "").rpartition("/")[2])
                if total is not None:
                    if total > _MAX_SIZE:
                        raise Refused(f"{url}: {total} bytes are more than is followed ({_MAX_SIZE})")
                    return UrlBytes(client, final, total, _validator(answer))
            if answer.status_code == 416:
                raise Malformed(url, 0, "an artifact", "an empty file")
            if answer.status_code != 200:
                raise Missing(
                    f"{url}: the server answered {answer.status_code}", hint="check the URL in a browser"
                )
            return _fetched(answer, url, progress or Silent())
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Missing(
            f"{url}: {error or type(error).__name__}", hint="check the URL and the network"
        ) from error


def fetch_url(url: str, progress: Progress, transport: Transport | None = None) -> Path:
    """The file at `url`, whole, in the cache under its own name; goes on where it stopped.

    Raises as `open_url`, and `Malformed` where it is not of the size the server says.
    """
    source = open_url(url, progress=progress)
    if not isinstance(source, UrlBytes):
        assert isinstance(source, _Fetched)  # noqa: S101 - it is either of the two
        return source.path
    key = hashlib.sha256(source.identity.encode()).hexdigest()
    path = _place(url, key)
    if path.is_file() and path.stat().st_size == len(source):
        FETCHED.used(path)
        return path
    part = FETCHED.folder() / f".{key}.part"
    transport = transport or Transport(hint=ADDRESS_HINT)
    with progress.step(f"fetch {url}"), Download(transport, source.name, part, len(source)) as stream:
        while stream.read(_BLOCK):
            progress.advance(stream.position / 1e6, len(source) / 1e6, "MB")
        path.parent.mkdir(parents=True, exist_ok=True)
        part.replace(path)
        stream.discard()
    FETCHED.evict(keep=path)
    return path


def _place(url: str, key: str) -> Path:
    """Where a fetched file is kept: in a folder of its own, so that it keeps its name."""
    name = re.sub(r"[^A-Za-z0-9._+-]", "_", urlsplit(url).path.rpartition("/")[2])[-100:].lstrip(".")
    return FETCHED.folder() / key / (name or "file")


def _validator(answer: httpx.Response) -> str | None:
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


def _fetched(answer: httpx.Response, url: str, progress: Progress) -> ByteSource:
    """The whole file, in the cache; taken from there when the server's validators are the same."""
    validator = _validator(answer)
    key = hashlib.sha256(f"{url}\n{validator}\n{answer.headers.get('Content-Length')}".encode()).hexdigest()
    path = _place(url, key)
    if validator and path.is_file():
        FETCHED.used(path)
        return _Fetched(path, url)
    expected = _length(answer.headers.get("Content-Length", ""))
    total = None if expected is None else expected / 1e6
    got = 0
    with progress.step(f"fetching {url}"), new_file(path) as file:
        for piece in answer.iter_raw():
            got += len(piece)
            if got > _MAX_SIZE:
                raise Refused(f"{url}: more than {_MAX_SIZE} bytes")
            file.write(piece)
            progress.advance(got / 1e6, total, "MB")
        if expected is not None and got != expected:
            raise Malformed(url, got, f"{expected} bytes", f"the end after {got}", hint="try again")
    FETCHED.evict(keep=path)
    return _Fetched(path, url)
