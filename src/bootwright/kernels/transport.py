"""HTTP as an archive needs it: small files whole, large ones as a stream that survives interruptions.

Range requests follow RFC 9110, sections 13.1.5 (If-Range) and 14. The proxy is apt's where apt has one
(apt.conf(5), Acquire::http::Proxy), else the environment's.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from attrs import frozen

from bootwright.foundation import atomic
from bootwright.foundation.errors import BootwrightError, Malformed, Missing

if TYPE_CHECKING:
    import httpx

_CHUNK = 128 * 1024
_ATTEMPTS = 4
_FIRST_WAIT = 0.4
_NETWORK_HINT = "check the network and the proxy, or name another archive with --archive"


class NotThere(Missing):
    """The server says that there is no such file (404, 410)."""


class Unreachable(Missing):
    """The server cannot be reached, or does not answer as a server should."""


@frozen
class Answer:
    """A small file with what is needed to ask for it again. `body` is None when it has not changed (304)."""

    body: bytes | None
    validators: Mapping[str, str]


class Transport:
    """All network traffic of the library; `received` counts the bytes of bodies that came over the wire."""

    def __init__(
        self,
        proxies: Callable[[], Mapping[str, str | None]] | None = None,
        *,
        first_wait: float = _FIRST_WAIT,
    ) -> None:
        """`proxies` gives apt's, by `scheme` or `scheme://host`; None as a value means a direct connection.

        It is asked at the first request. `first_wait` is in seconds, and doubles with each further attempt.
        """
        self._ask_proxies = proxies
        self._clients: dict[str | None, httpx.Client] = {}
        self.first_wait = first_wait
        self.received = 0

    def small(
        self, url: str, *, limit: int, validators: Mapping[str, str] | None = None, patient: bool = True
    ) -> Answer:
        """A whole file of at most `limit` bytes, unless it is unchanged by `validators`.

        Without `patient` it is tried once only, for when there is something to fall back on.
        Raises `NotThere`, `Unreachable`, or `Malformed` when it is larger.
        """
        headers = {}
        if validators and "etag" in validators:
            headers["If-None-Match"] = validators["etag"]
        elif validators and "last-modified" in validators:
            headers["If-Modified-Since"] = validators["last-modified"]
        for wait in self._waits():
            try:
                with self.open(url, headers) as response:
                    if response.status_code == 304:
                        return Answer(None, dict(validators or {}))
                    body = bytearray()
                    for piece in response.pieces():
                        self.received += len(piece)
                        body += piece
                        if len(body) > limit:
                            raise Malformed(url, limit, f"at most {limit} bytes", "more")
                    return Answer(bytes(body), validators_of(response))
            except Unreachable:
                if wait is None or not patient:
                    raise
                time.sleep(wait)
        raise AssertionError("unreachable: the last wait is None")

    def open(self, url: str, headers: Mapping[str, str]) -> _Response:
        """Start a request; raises `NotThere` or `Unreachable`."""
        import httpx

        # Archives serve compressed files as they are: an encoding on top would change sizes and hashes.
        request = {"Accept-Encoding": "identity", "User-Agent": "bootwright", **headers}
        try:
            response = self._client(url).send(
                self._client(url).build_request("GET", url, headers=request), stream=True
            )
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise explained(url, error) from error
        if response.status_code in {200, 206, 304, 416}:
            return _Response(response, url)
        response.close()
        if response.status_code in {404, 410}:
            raise NotThere(f"{url} is not there ({response.status_code})", hint=_NETWORK_HINT)
        raise Unreachable(
            f"{url} answers {response.status_code} {response.reason_phrase}", hint=_NETWORK_HINT
        )

    def _waits(self) -> Iterator[float | None]:
        for attempt in range(_ATTEMPTS - 1):
            yield self.first_wait * 2**attempt
        yield None

    @cached_property
    def _proxies(self) -> Mapping[str, str | None]:
        return self._ask_proxies() if self._ask_proxies is not None else {}

    def _client(self, url: str) -> httpx.Client:
        import httpx

        parts = urlsplit(url)
        own = f"{parts.scheme}://{parts.hostname}"
        known = own if own in self._proxies else parts.scheme
        proxy = self._proxies.get(known)
        key = proxy or ("direct" if known in self._proxies else None)
        if key not in self._clients:
            try:
                self._clients[key] = httpx.Client(
                    proxy=proxy,
                    trust_env=key is None,
                    follow_redirects=True,
                    max_redirects=8,
                    timeout=httpx.Timeout(30.0, connect=10.0),
                )
            except (ValueError, ImportError) as error:
                raise Missing(
                    f"the proxy {proxy or 'of the environment'} cannot be used: {error}",
                    hint="an http:// or https:// proxy is needed",
                ) from error
        return self._clients[key]


class _Response:
    """A response whose errors are ours."""

    def __init__(self, response: httpx.Response, url: str) -> None:
        self._response = response
        self._url = url
        self.status_code = response.status_code
        self.headers = response.headers

    def pieces(self) -> Iterator[bytes]:
        """The body as it arrives; larger pieces would lose what is gathered when the connection breaks."""
        import httpx

        try:
            yield from self._response.iter_raw()
        except httpx.HTTPError as error:
            raise explained(self._url, error) from error

    def close(self) -> None:
        self._response.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Download:
    """A file of known size as a stream, kept in `part` as it comes, and resumed from there.

    A `Stream` of `artifacts.streams`. What is in `part` already is read from there first. Reading raises
    `Unreachable` when the network fails several times without a byte of progress, and `Malformed` when the
    file is not of the size the index says, or changes while it is fetched.
    """

    def __init__(self, transport: Transport, url: str, part: Path, size: int) -> None:
        self._transport = transport
        self._url = url
        self._part = part
        self._side = part.with_suffix(".json")
        self._size = size
        self.position = 0
        self._digest = hashlib.sha256()
        self._response: _Response | None = None
        self._pieces: Iterator[bytes] = iter(())
        self._pending = b""
        try:
            part.parent.mkdir(parents=True, exist_ok=True)
            self._file = part.open("a+b")
        except OSError as error:
            raise atomic.explained(error, part) from error
        self._stored = min(part.stat().st_size, size)
        self._file.truncate(self._stored)

    def read(self, size: int) -> bytes:
        """See `artifacts.streams.Stream.read`."""
        size = min(size, self._size - self.position)
        if size <= 0:
            return b""
        if self.position < self._stored:
            self._file.seek(self.position)
            data = self._file.read(min(size, self._stored - self.position))
        else:
            if not self._pending:
                self._pending = self._receive()
            data, self._pending = self._pending[:size], self._pending[size:]
            self._keep(data)
        self.position += len(data)
        self._digest.update(data)
        return data

    def sha256(self) -> str:
        """Of what was read so far, from the start."""
        return self._digest.hexdigest()

    def drain(self) -> None:
        """Read to the end."""
        while self.read(_CHUNK):
            pass

    def close(self) -> None:
        """Stop; what came so far stays in `part`."""
        if self._response is not None:
            self._response.close()
            self._response = None
        self._file.close()

    def discard(self) -> None:
        """Stop, and forget what came."""
        self.close()
        self._part.unlink(missing_ok=True)
        self._side.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _keep(self, data: bytes) -> None:
        try:
            self._file.seek(0, 2)
            self._file.write(data)
            self._file.flush()
        except OSError as error:
            raise atomic.explained(error, self._part) from error
        self._stored += len(data)

    def _receive(self) -> bytes:
        for attempt in range(_ATTEMPTS):
            try:
                if self._response is None:
                    self._connect()
                piece = next(self._pieces, b"")
                if piece:
                    self._transport.received += len(piece)
                    return piece[: self._size - self.position]
                failure: BootwrightError = Unreachable(
                    f"{self._url} ended after {self.position} of {self._size} bytes",
                    hint="the archive's copy may be damaged; try again later, or another --archive",
                )
            except Unreachable as error:
                failure = error
            self._disconnect()
            if attempt < _ATTEMPTS - 1:
                time.sleep(self._transport.first_wait * 2**attempt)
        raise failure

    def _connect(self) -> None:
        headers: dict[str, str] = {}
        if self.position:
            headers["Range"] = f"bytes={self.position}-"
            validator = self._validator()
            if validator:
                headers["If-Range"] = validator
        response = self._transport.open(self._url, headers)
        self._response = response
        total = _total(response)
        if total is not None and total != self._size:
            raise self._wrong(f"{self._size} bytes, as the index says", f"{total}")
        self._pieces = response.pieces()
        if response.status_code == 200:
            validators = validators_of(response)
            if validators:
                atomic.write_text(self._side, json.dumps(validators))
            else:
                self._side.unlink(missing_ok=True)
            if self.position:
                self._skip()
        elif response.status_code != 206:
            raise self._wrong("the file", f"status {response.status_code}")

    def _skip(self) -> None:
        """The server sends all of it again: what we have must be how it starts."""
        digest = hashlib.sha256()
        left = self.position
        for piece in self._pieces:
            self._transport.received += len(piece)
            digest.update(piece[:left])
            if len(piece) >= left:
                if digest.digest() != self._digest.digest():
                    raise self._wrong("the file that was begun", "another one under the same name")
                self._pieces = _with_first(piece[left:], self._pieces)
                return
            left -= len(piece)
        raise Unreachable(f"{self._url} ended early", hint=_NETWORK_HINT)

    def _wrong(self, expected: str, found: str) -> Malformed:
        self.discard()
        return Malformed(
            self._url,
            None,
            expected,
            found,
            hint="the archive is being updated or damaged; run the command again",
        )

    def _disconnect(self) -> None:
        if self._response is not None:
            self._response.close()
            self._response = None
        self._pieces = iter(())

    def _validator(self) -> str | None:
        try:
            stored = json.loads(self._side.read_text(encoding="utf-8"))
            value = stored.get("etag") or stored.get("last-modified")
        except (OSError, ValueError, AttributeError):
            return None
        # A weak validator must not be used in If-Range (RFC 9110, 13.1.5).
        return value if isinstance(value, str) and not value.startswith("W/") else None


def validators_of(response: _Response) -> dict[str, str]:
    """What to send along to learn whether the file has changed."""
    return {key: response.headers[key] for key in ("etag", "last-modified") if key in response.headers}


def explained(url: str, error: Exception) -> BootwrightError:
    """The error of the HTTP library in our words."""
    import httpx

    if isinstance(error, httpx.TooManyRedirects):
        return Unreachable(f"{url} redirects in a loop", hint=_NETWORK_HINT)
    if isinstance(error, httpx.TimeoutException):
        return Unreachable(f"{url} does not answer in time", hint=_NETWORK_HINT)
    if isinstance(error, httpx.UnsupportedProtocol | httpx.InvalidURL | ValueError):
        return Missing(f"{url[:200]} is no address: {error}", hint="give an http:// or https:// address")
    text = str(error) or type(error).__name__
    return Unreachable(f"cannot fetch {url}: {text[:200]}", hint=_NETWORK_HINT)


def _total(response: _Response) -> int | None:
    """The size of the whole file, where the server tells."""
    if response.status_code == 206:
        total = response.headers.get("content-range", "").rpartition("/")[2]
    else:
        total = response.headers.get("content-length", "")
    return int(total) if total.isascii() and total.isdigit() else None


def _with_first(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    if first:
        yield first
    yield from rest
