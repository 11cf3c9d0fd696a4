"""A large file that comes as a stream, is kept as it comes, and goes on where it stopped.

Range requests follow RFC 9110, sections 13.1.5 (If-Range) and 14.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from bootwright.formats.sources.transport import (
    ADDRESS_HINT,
    ATTEMPTS,
    Denied,
    Response,
    Unreachable,
    validators_of,
)
from bootwright.foundation import atomic
from bootwright.foundation.errors import BootwrightError, Malformed

_CHUNK = 128 * 1024


class Server(Protocol):
    """What a file is fetched through: a `Transport`, or a registry that adds what it must."""

    first_wait: float
    """Seconds before the second attempt."""
    received: int
    """Bytes of bodies that came over the wire."""

    def open(self, url: str, headers: Mapping[str, str]) -> Response:
        """Start a request."""
        ...


class Download:
    """A file of known size as a stream, kept in `part` as it comes, and resumed from there.

    A `Stream` of `formats.sources.streams`. What is in `part` already is read from there first. Reading
    raises `Unreachable` when the network fails several times without a byte of progress, and `Malformed` when
    the file is not of the size the index says, or changes while it is fetched.
    """

    def __init__(self, transport: Server, url: str, part: Path, size: int) -> None:
        self._transport = transport
        self._url = url
        self._part = part
        self._side = part.with_suffix(".json")
        self._size = size
        self.position = 0
        self._digest = hashlib.sha256()
        self._response: Response | None = None
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
        """See `formats.sources.streams.Stream.read`."""
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
        for attempt in range(ATTEMPTS):
            try:
                if self._response is None:
                    self._connect()
                piece = next(self._pieces, b"")
                if piece:
                    self._transport.received += len(piece)
                    return piece[: self._size - self.position]
                failure: BootwrightError = Unreachable(
                    f"{self._url} ended after {self.position} of {self._size} bytes",
                    hint="the server's copy may be damaged; try again later, or another server",
                )
            except Denied:
                raise
            except Unreachable as error:
                failure = error
            self._disconnect()
            if attempt < ATTEMPTS - 1:
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
        raise Unreachable(f"{self._url} ended early", hint=ADDRESS_HINT)

    def _wrong(self, expected: str, found: str) -> Malformed:
        self.discard()
        return Malformed(
            self._url,
            None,
            expected,
            found,
            hint="it is being updated or damaged there; run the command again",
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


def _total(response: Response) -> int | None:
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
