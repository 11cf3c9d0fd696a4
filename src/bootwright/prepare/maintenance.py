"""How far a machine on the network is: silent, there, listening, waiting for a configuration, configured.

A service that waits for a configuration (Talos's maintenance service) speaks TLS and asks for no client
certificate; once it has one, it demands a certificate of its own authority. With TLS 1.3 that shows only when
something is read: a client that goes on gets HTTP/2's first frame from the one, and an alert from the other.
Any HTTP/2 server sends that frame: the service is the one whose certificate bears its name.
[siderolabs/talos internal/app/maintenance/provider.go (ServerOnly), RFC 8446 4.4.2.4, RFC 9113 3.4]
"""

from __future__ import annotations

import base64
import errno
import hashlib
import ipaddress
import re
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from enum import IntEnum

from attrs import frozen

from bootwright.formats.signing.der import Element, encoded
from bootwright.foundation.errors import BootwrightError, Refused

_ATTEMPT_SECONDS = 3.0
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\x04\0\0\0\0\0"
"""What an HTTP/2 client begins with: RFC 9113, 3.4, and an empty SETTINGS frame."""
_SETTINGS = 4
_BY_ITSELF_SECONDS = 0.7
_DEMANDED = ("CERTIFICATE_REQUIRED", "BAD_CERTIFICATE")
"""Alerts of a server that got no client certificate: RFC 8446 6.2; older servers send the second one."""
_THERE = frozenset({errno.ECONNREFUSED, errno.ECONNRESET})
_COMMON_NAME = encoded(0x06, bytes([0x55, 0x04, 0x03]))
"""The object identifier 2.5.4.3, commonName (X.520, 6.2.2)."""
_LABEL = re.compile(r"(?!-)[\w-]{1,63}(?<!-)")
"""A part of a name (RFC 1123, 2.1), and the `_` and other letters that some networks have."""
_MOST_NAME = 253


class Stage(IntEnum):
    """How far it is; later ones include the earlier ones, but for the last two, which exclude each other."""

    NO_NAME = 0
    SILENT = 1
    """No answer at that address."""
    THERE = 2
    """The machine answers, and nothing listens on the port."""
    LISTENS = 3
    """Something listens and is no such service (yet)."""
    WAITS = 4
    """It waits for a configuration."""
    CONFIGURED = 5
    """It has one: it demands a client certificate."""


@frozen
class Seen:
    """What one look saw."""

    stage: Stage
    text: str
    """The same in words."""
    fingerprint: str = ""
    """SHA-256 of the certificate's public key in base64, as `talosctl --cert-fingerprint` takes it."""


@frozen
class Service:
    """The service that waits for a configuration."""

    port: int
    name: str
    """The common name of its certificate's subject, before there is a configuration."""


def look(host: str, service: Service, *, seconds: float = _ATTEMPT_SECONDS) -> Seen:
    """Look once, for at most about `seconds` for each step; never raises for what the network does."""
    port = service.port
    try:
        connection = socket.create_connection((host, port), timeout=seconds)
    except socket.gaierror as error:
        return Seen(Stage.NO_NAME, f"no address is known for {host} ({error.strerror})")
    except UnicodeError:
        return Seen(Stage.NO_NAME, f"{host} is no name")
    except OSError as error:
        if error.errno in _THERE:
            return Seen(Stage.THERE, f"{host} answers, and nothing listens on port {port} yet")
        return Seen(Stage.SILENT, f"{host} does not answer ({error.strerror or 'no answer in time'})")
    with connection:
        return _greeted(connection, host, service)


def _greeted(connection: socket.socket, host: str, service: Service) -> Seen:
    port = service.port
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # nobody can know its certificate yet; the fingerprint is shown
    context.set_alpn_protocols(["h2"])
    try:
        with context.wrap_socket(connection) as secure:
            certificate = secure.getpeercert(binary_form=True) or b""
            header = _first_frame(secure)
    except ssl.SSLError as error:
        if any(alert in (error.reason or "") for alert in _DEMANDED):
            return Seen(
                Stage.CONFIGURED, f"{host} demands a client certificate: it has a configuration already"
            )
        return Seen(Stage.LISTENS, f"port {port} of {host} is open and speaks no TLS that is understood yet")
    except OSError:
        return Seen(Stage.LISTENS, f"port {port} of {host} is open and closes before it greets")
    subject, key = _subject_and_key(certificate)
    if len(header) != 9 or header[3] != _SETTINGS or header[5:9] != bytes(4):
        return Seen(Stage.LISTENS, f"port {port} of {host} speaks TLS and is no service of this kind")
    if service.name not in _common_names(subject):
        return Seen(
            Stage.LISTENS,
            f"port {port} of {host} is of another server: its certificate is not {service.name}'s",
        )
    return Seen(Stage.WAITS, f"{host} waits for a configuration", _fingerprint(key))


def _first_frame(secure: ssl.SSLSocket) -> bytes:
    """The first nine bytes from a server: what it says by itself, else what it answers an HTTP/2 client.

    Asked is last: what is sent to a server that has refused and gone takes its alert away (TCP's reset).
    """
    patience = secure.gettimeout()
    secure.settimeout(_BY_ITSELF_SECONDS)
    try:
        data = secure.recv(9)
    except TimeoutError:
        secure.settimeout(patience)
        secure.sendall(_PREFACE)
        data = secure.recv(9)
    secure.settimeout(patience)
    while 0 < len(data) < 9 and (more := secure.recv(9 - len(data))):
        data += more
    return data


def _subject_and_key(certificate: bytes) -> tuple[Element, Element] | tuple[None, None]:
    """The subject and the public key behind it (RFC 5280, 4.1); None of both where it is no certificate."""
    try:
        (signed, *_) = Element(certificate).children()
        parts = signed.children()
        at = 5 if parts[0].tag == 0xA0 else 4
        return parts[at], parts[at + 1]
    except (BootwrightError, ValueError, IndexError):
        return None, None


def _common_names(subject: Element | None) -> list[str]:
    """Of a Name (RFC 5280, 4.1.2.4), which is sets of pairs of a type and its value."""
    try:
        pairs = (
            [pair.children() for names in subject.children() for pair in names.children()] if subject else []
        )
    except ValueError:
        return []
    return [
        pair[1].content.decode("utf-8", "replace")
        for pair in pairs
        if len(pair) == 2 and pair[0].whole == _COMMON_NAME
    ]


def _fingerprint(key: Element | None) -> str:
    return base64.b64encode(hashlib.sha256(key.whole).digest()).decode() if key is not None else ""


def require_host(host: str) -> None:
    """Raise `Refused` for what is neither an address nor a name, with what was meant where that is plain."""
    if _is_address(host):
        return
    name, colon, port = host.rpartition(":")
    bare, is_port = host.strip("[]"), bool(colon) and port.isdecimal()
    if is_port and (_is_name(name) or _is_address(name.strip("[]"))):
        raise Refused(
            f"{host[:80]!r} is a host and a port", hint=f"give them apart: {name.strip('[]')} --port {port}"
        )
    if _is_address(bare):
        raise Refused(f"{host[:80]!r} has brackets around the address", hint=f"give it without: {bare}")
    if not _is_name(host):
        raise Refused(f"{host[:80]!r} is no host", hint="give a name or an address, such as 192.168.1.23")


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_name(text: str) -> bool:
    """The last part of a name is no number (RFC 1123, 2.1), which tells it from a mistyped address."""
    labels = text.removesuffix(".").split(".")
    are_labels = all(_LABEL.fullmatch(label) for label in labels)
    return len(text) <= _MOST_NAME and are_labels and not labels[-1].isdecimal()


def wait(
    host: str,
    service: Service,
    seconds: float,
    *,
    report: Callable[[Seen, float], None],
    interval: float = 1.0,
) -> Iterator[Seen]:
    """Every change of what is seen, until it waits for a configuration, has one, or `seconds` are over.

    `report` is called after every look, with the seconds since the start. Raises `Refused` for a host that is
    none.
    """
    require_host(host)
    started = time.monotonic()
    last: Seen | None = None
    while True:
        left = seconds - (time.monotonic() - started)
        seen = look(host, service, seconds=max(0.2, min(_ATTEMPT_SECONDS, left)))
        report(seen, time.monotonic() - started)
        if last is None or (seen.stage, seen.text) != (last.stage, last.text):
            yield seen
        last = seen
        if seen.stage >= Stage.WAITS:
            return
        left = seconds - (time.monotonic() - started)
        if left <= 0:
            return
        time.sleep(min(interval, left))
