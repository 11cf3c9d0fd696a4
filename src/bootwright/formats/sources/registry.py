"""A repository of a container registry: its tags, manifests and blobs, over HTTP and without an account.

OCI Distribution Specification 1.1 (end-1 to end-8b, "Pull"), and the token protocol that public registries
ask for with a 401 (RFC 6750 challenges, as the reference registry's "Token Authentication" describes them).
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

from attrs import frozen

from bootwright.formats.sources.address import REGISTRY
from bootwright.formats.sources.bytesource import Bytes, ByteSource
from bootwright.formats.sources.download import Download
from bootwright.formats.sources.transport import ATTEMPTS, Denied, NotThere, Response, Transport, Unreachable
from bootwright.foundation.cache import FETCHED
from bootwright.foundation.errors import Malformed, Missing, Refused
from bootwright.foundation.processes.locks import locked
from bootwright.foundation.progress import Progress, Silent

MOST_DOCUMENT = 4 << 20
"""Bytes of a manifest (OCI Distribution Specification, "Pushing Manifests": larger ones are refused)."""
_MOST_TOKEN = 1 << 20
_MOST_PAGES = 200
_PAGE = 1000

_ACCEPT = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)

# The forms of names are those of the OCI Distribution Specification, "Pulling manifests".
_REFERENCE = re.compile(
    r"oci://(?P<host>[A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9a-fA-F:]+\])(?::(?P<port>\d{1,5}))?"
    r"/(?P<name>[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*)"
    r"(?::(?P<tag>\w[\w.-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?",
    re.ASCII,
)
_LOOPBACK = re.compile(r"localhost|127(\.\d+){3}|\[::1\]")
_DOCKER_HUB = ("docker.io", "registry-1.docker.io")
"""The name that its references have, and the host that serves them (as the docker client has it)."""
_CHALLENGE = re.compile(r'(?P<key>[a-z_]+)="(?P<value>[^"]*)"')


@frozen
class Reference:
    """What `oci://HOST[:PORT]/NAME[:TAG][@sha256:DIGEST]` names."""

    host: str
    """With its port where that is given."""
    name: str
    tag: str | None
    digest: str | None

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        return f"{REGISTRY}{self.host}/{self.name}{tag}{f'@{self.digest}' if self.digest else ''}"

    @property
    def address(self) -> str:
        """Where the API of the repository begins. Loopback is plain HTTP, as container tools have it."""
        scheme = "http" if _LOOPBACK.fullmatch(re.sub(r":\d+\Z", "", self.host)) else "https"
        host, name = self.host, self.name
        if host == _DOCKER_HUB[0]:
            host, name = _DOCKER_HUB[1], name if "/" in name else f"library/{name}"
        return f"{scheme}://{host}/v2/{name}"


def read_reference(text: str) -> Reference:
    """The parts of a reference; without tag and digest the tag is `latest`. Raises `Refused`."""
    match = _REFERENCE.fullmatch(text)
    if match is None or int(match["port"] or 0) > 65535:
        raise Refused(
            f"{text[:200]!r} names no container image",
            hint="write it as oci://HOST/NAME:TAG or oci://HOST/NAME@sha256:…",
        )
    tag = match["tag"] or (None if match["digest"] else "latest")
    host = match["host"] + (f":{match['port']}" if match["port"] else "")
    return Reference(host, match["name"], tag, match["digest"])


@frozen
class Document:
    """A manifest or an index as the registry has it."""

    digest: str
    body: bytes
    media_type: str
    """What the registry calls it; empty where it does not say."""


class Registry:
    """One repository; opened without a request being made."""

    def __init__(self, reference: Reference, transport: Transport) -> None:
        self.reference = reference
        self._transport = transport
        self._token: str | None = None
        self.first_wait = transport.first_wait

    @property
    def received(self) -> int:
        """Bytes of bodies that came over the wire."""
        return self._transport.received

    @received.setter
    def received(self, size: int) -> None:
        self._transport.received = size

    def document(self, which: str) -> Document:
        """The manifest or index that a tag or digest names, held to the digest.

        Raises `Missing` where there is none, `Malformed` where it is another one or too large.
        """
        url = f"{self.reference.address}/manifests/{which}"
        if which.startswith("sha256:"):
            path = FETCHED.kept(which.removeprefix("sha256:"), lambda: self._document(url, which)[0])
            body = path.read_bytes()
            if f"sha256:{hashlib.sha256(body).hexdigest()}" == which:
                return Document(which, body, "")
            path.unlink(missing_ok=True)
        body, media_type = self._document(url, which)
        return Document(f"sha256:{hashlib.sha256(body).hexdigest()}", body, media_type)

    def _document(self, url: str, which: str) -> tuple[bytes, str]:
        try:
            body, headers = self._small(url, {"Accept": _ACCEPT})
            said = headers.get("docker-content-digest", "")
            media_type = headers.get("content-type", "").partition(";")[0].strip()
        except NotThere as error:
            raise Missing(
                f"{self.reference.host} has no {self.reference.name}"
                f"{'@' if which.startswith('sha256:') else ':'}{which}",
                hint=self._tags_hint(which),
            ) from error
        computed = f"sha256:{hashlib.sha256(body).hexdigest()}"
        expected = which if which.startswith("sha256:") else said
        if expected.startswith("sha256:") and computed != expected:
            raise Malformed(
                url,
                None,
                expected,
                f"bytes with {computed}",
                hint="the registry or what lies before it is damaged",
            )
        return body, media_type

    def _tags_hint(self, which: str) -> str:
        from bootwright.foundation.choices import near

        try:
            tags = [] if which.startswith("sha256:") else self.tags()
        except (Missing, Malformed):
            tags = []
        meant = near(which, tags)
        if meant:
            return f"did you mean {', '.join(meant)}?"
        some = f"; it has {', '.join(sorted(tags)[-5:])}" if tags else ""
        return f"check the name and the tag{some}"

    def tags(self) -> list[str]:
        """Every tag of the repository; raises `Missing` where there is no such one, and `Malformed`."""
        names: list[str] = []
        url = f"{self.reference.address}/tags/list?n={_PAGE}"
        for _ in range(_MOST_PAGES):
            try:
                body, headers = self._small(url, {})
                link = headers.get("link", "")
            except NotThere as error:
                raise Missing(
                    f"{self.reference.host} has no repository {self.reference.name}", hint="check its name"
                ) from error
            tags = json_object(body, url).get("tags")
            names += [tag for tag in tags if isinstance(tag, str)] if isinstance(tags, list) else []
            following = re.fullmatch(r'<([^>]+)>;\s*rel="?next"?', link)
            if following is None:
                break
            further = urljoin(url, following[1])
            if urlsplit(further)[:2] != urlsplit(url)[:2] or further == url:
                break
            url = further
        return names

    def _small(self, url: str, headers: Mapping[str, str]) -> tuple[bytes, Mapping[str, str]]:
        """A document and the headers it came with, asked for again where the registry does not answer."""
        for attempt in range(ATTEMPTS):
            try:
                with self.open(url, headers) as response:
                    body = bytearray()
                    for piece in response.pieces():
                        self.received += len(piece)
                        body += piece
                        if len(body) > MOST_DOCUMENT:
                            raise Malformed(url, MOST_DOCUMENT, f"at most {MOST_DOCUMENT} bytes", "more")
                    return bytes(body), response.headers
            except Unreachable:
                if attempt == ATTEMPTS - 1:
                    raise
                time.sleep(self.first_wait * 2**attempt)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def small_blob(self, digest: str, size: int) -> ByteSource:
        """A configuration or the like, whole and verified; raises `Malformed` beyond 4 MiB."""
        where = f"{self.reference.address}/blobs/{digest}"
        if size > MOST_DOCUMENT:
            raise Malformed(where, None, f"at most {MOST_DOCUMENT} bytes", str(size))

        def fetched() -> bytes:
            with self.alone(digest, Silent()), self.blob(digest, size) as stream:
                data = b""
                while piece := stream.read(size):
                    data += piece
                check_blob(stream, digest, size, where)
                stream.discard()
            return data

        return Bytes(FETCHED.kept(_hex(digest), fetched).read_bytes(), where)

    def blob(self, digest: str, size: int) -> Download:
        """A blob as a stream that is kept as it comes, and goes on where it stopped.

        Reading raises what `Download` does; that the bytes are the digest's is for `check_blob`.
        """
        part = FETCHED.folder() / f".{_hex(digest)}.part"
        return Download(self, f"{self.reference.address}/blobs/{digest}", part, size)

    def alone(self, digest: str, progress: Progress) -> AbstractContextManager[None]:
        """Hold a blob: two processes that fetch the same would write into one file."""
        return locked(FETCHED.folder() / f".{_hex(digest)}.lock", progress)

    def open(self, url: str, headers: Mapping[str, str]) -> Response:
        """Start a request, with a token where the registry asks for one; raises as `Transport.open`.

        Also `Refused` where it leads from HTTPS to HTTP: what a tag names is verified by nothing else.
        """
        response = self._open(url, headers)
        if url.startswith("https://") and not response.secure:
            response.close()
            raise Refused(
                f"{self.reference.host} leads from HTTPS to HTTP ({response.final_url[:100]})",
                hint="ask who runs the registry, or use another",
            )
        return response

    def _open(self, url: str, headers: Mapping[str, str]) -> Response:
        challenge = ""
        try:
            if self._token is None:
                return self._transport.open(url, headers)
            return self._transport.open(url, {**headers, "Authorization": f"Bearer {self._token}"})
        except Denied as denied:
            # A token lives for minutes: an old one is asked for again.
            challenge = denied.challenge
        try:
            if challenge.lower().startswith("bearer "):
                self._token = self._ask_token(challenge)
                return self._transport.open(url, {**headers, "Authorization": f"Bearer {self._token}"})
        except Denied:
            pass
        raise Missing(
            f"{self.reference.host} does not give {self.reference.name} to everybody",
            hint="check the name; an image that is not public: pull it yourself and give the layout's folder",
        )

    def _ask_token(self, challenge: str) -> str:
        fields = {match["key"]: match["value"] for match in _CHALLENGE.finditer(challenge)}
        realm = fields.get("realm", "")
        if not realm.startswith(("https://", "http://")):
            raise Malformed(self.reference.address, None, "the address of a token service", repr(realm[:100]))
        scope = fields.get("scope") or f"repository:{self.reference.name}:pull"
        asked = {"scope": scope} | ({"service": fields["service"]} if fields.get("service") else {})
        url = f"{realm}{'&' if '?' in realm else '?'}{urlencode(asked)}"
        body = self._transport.small(url, limit=_MOST_TOKEN).body or b""
        answer = json_object(body, realm)
        token = answer.get("token") or answer.get("access_token")
        if not isinstance(token, str) or not re.fullmatch(r"[!-~]{1,16384}", token):
            raise Malformed(realm, None, "a token", "none")
        return token


def check_blob(stream: Download, digest: str, size: int, where: str) -> None:
    """Raise `Malformed` unless the whole blob was read and is the digest's; a wrong one is forgotten."""
    if stream.position != size or stream.sha256() != _hex(digest):
        stream.discard()
        raise Malformed(
            where,
            None,
            f"{size} bytes with {digest[:23]}…",
            f"{stream.position} bytes with sha256:{stream.sha256()[:16]}…",
            hint="the registry's copy is damaged or was changed; try again later",
        )


def json_object(body: bytes, where: str) -> dict[str, Any]:
    """The JSON object of an answer; raises `Malformed`."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Malformed(where, 0, "JSON", repr(body[:40])) from error
    if not isinstance(document, dict):
        raise Malformed(where, 0, "a JSON object", type(document).__name__)
    return document


def _hex(digest: str) -> str:
    return digest.removeprefix("sha256:")
