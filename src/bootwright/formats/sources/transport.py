"""HTTP as archives, registries and images need it, with errors in our words; `download` has large files.

The proxy is apt's where apt has one (apt.conf(5), Acquire::http::Proxy), else the environment's.
"""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from attrs import frozen

from bootwright.foundation.errors import BootwrightError, Malformed, Missing

if TYPE_CHECKING:
    import httpx

ATTEMPTS = 4
_FIRST_WAIT = 0.4
NETWORK_HINT = "check the network and the proxy, or name another archive with --archive"
_PLACES = re.compile(r"^\[(?:Errno -?\d+|SSL[^\]]*|X509[^\]]*)\] *| *\(_ssl\.c:\d+\)$")
"""What Python puts around the words of an `OSError` and of OpenSSL."""
ADDRESS_HINT = "check the address, the network and the proxy"


class NotThere(Missing):
    """The server says that there is no such file (404, 410)."""


class Unreachable(Missing):
    """The server cannot be reached, or does not answer as a server should."""


class Denied(Unreachable):
    """The server wants to know who asks, or does not give it to everybody (401, 403)."""

    def __init__(self, message: str, *, hint: str, challenge: str) -> None:
        super().__init__(message, hint=hint)
        self.challenge = challenge
        """What it asks for (RFC 9110, 11.6.1); empty where it does not say."""


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
        hint: str = NETWORK_HINT,
    ) -> None:
        """`proxies` gives apt's, by `scheme` or `scheme://host`; None as a value means a direct connection.

        It is asked at the first request. `first_wait` is in seconds, and doubles with each further attempt.
        `hint` is what errors of the network say to do.
        """
        self.hint = hint
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
            except Unreachable as error:
                if wait is None or not patient or isinstance(error, Denied):
                    raise
                time.sleep(wait)
        raise AssertionError("unreachable: the last wait is None")

    def open(self, url: str, headers: Mapping[str, str]) -> Response:
        """Start a request; raises `NotThere` or `Unreachable`."""
        import httpx

        # Archives serve compressed files as they are: an encoding on top would change sizes and hashes.
        request = {"Accept-Encoding": "identity", "User-Agent": "bootwright", **headers}
        try:
            response = self._client(url).send(
                self._client(url).build_request("GET", url, headers=request), stream=True
            )
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise explained(url, error, self.hint) from error
        if response.status_code in {200, 206, 304, 416}:
            return Response(response, url, self.hint)
        response.close()
        if response.status_code in {404, 410}:
            raise NotThere(f"{url} is not there ({response.status_code})", hint=self.hint)
        status = f"{response.status_code} {response.reason_phrase}".strip()
        if response.status_code in {401, 403}:
            challenge = response.headers.get("www-authenticate", "")
            raise Denied(f"{url} answers {status}", hint=self.hint, challenge=challenge)
        raise Unreachable(f"{url} answers {status}", hint=self.hint)

    def _waits(self) -> Iterator[float | None]:
        for attempt in range(ATTEMPTS - 1):
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


class Response:
    """A response whose errors are ours."""

    def __init__(self, response: httpx.Response, url: str, hint: str) -> None:
        self._response = response
        self._url = url
        self._hint = hint
        self.final_url = str(response.url)
        """Where redirections led."""
        self.secure = all(hop.url.scheme == "https" for hop in (*response.history, response))
        """Whether all of the way was HTTPS."""
        self.status_code = response.status_code
        self.headers = response.headers

    def pieces(self) -> Iterator[bytes]:
        """The body as it arrives; larger pieces would lose what is gathered when the connection breaks."""
        import httpx

        try:
            yield from self._response.iter_raw()
        except httpx.HTTPError as error:
            raise explained(self._url, error, self._hint) from error

    def close(self) -> None:
        """Let the connection go."""
        self._response.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def validators_of(response: Response) -> dict[str, str]:
    """What to send along to learn whether the file has changed."""
    return {key: response.headers[key] for key in ("etag", "last-modified") if key in response.headers}


def explained(url: str, error: Exception, hint: str) -> BootwrightError:
    """The error of the HTTP library in our words."""
    import httpx

    if isinstance(error, httpx.TooManyRedirects):
        return Unreachable(f"{url} redirects in a loop", hint=hint)
    if isinstance(error, httpx.TimeoutException):
        return Unreachable(f"{url} does not answer in time", hint=hint)
    if isinstance(error, httpx.UnsupportedProtocol | httpx.InvalidURL | ValueError):
        return Missing(f"{url[:200]} is no address: {error}", hint="give an http:// or https:// address")
    return Unreachable(f"cannot fetch {url}: {_reason(error)[:200]}", hint=hint)


def _reason(error: Exception) -> str:
    """Why, without the numbers and places of the libraries below."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, socket.gaierror):
            return "no address is known for its name: is there a network?"
        cause = cause.__cause__ or cause.__context__
    return _PLACES.sub("", str(error)) or type(error).__name__
