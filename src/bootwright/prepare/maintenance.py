"""How far a machine on the network is: silent, there, listening, waiting for a configuration, configured.

A service that waits for a configuration (Talos's maintenance service) speaks TLS and asks for no client
certificate; once it has one, it demands a certificate of its own authority. With TLS 1.3 that shows only when
something is read: a client that goes on gets HTTP/2's first frame from the one, and an alert from the other.
[siderolabs/talos internal/app/maintenance/provider.go (ServerOnly), RFC 8446 4.4.2.4, RFC 9113 3.4]
"""

from __future__ import annotations

import base64
import errno
import hashlib
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from enum import IntEnum

from attrs import frozen

from bootwright.formats.signing.der import Element
from bootwright.foundation.errors import BootwrightError, Refused

_ATTEMPT_SECONDS = 3.0
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\x04\0\0\0\0\0"
"""What an HTTP/2 client begins with: RFC 9113, 3.4, and an empty SETTINGS frame."""
_SETTINGS = 4
_BY_ITSELF_SECONDS = 0.7
_DEMANDED = ("CERTIFICATE_REQUIRED", "BAD_CERTIFICATE")
"""Alerts of a server that got no client certificate: RFC 8446 6.2; older servers send the second one."""
_THERE = frozenset({errno.ECONNREFUSED, errno.ECONNRESET})


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


def look(host: str, port: int, *, seconds: float = _ATTEMPT_SECONDS) -> Seen:
    """Look once, for at most about `seconds` for each step; never raises for what the network does."""
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
        return _greeted(connection, host, port)


def _greeted(connection: socket.socket, host: str, port: int) -> Seen:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # nobody can know its certificate yet; the fingerprint is shown
    context.set_alpn_protocols(["h2"])
    try:
        with context.wrap_socket(connection) as secure:
            fingerprint = _fingerprint(secure.getpeercert(binary_form=True) or b"")
            header = _first_frame(secure)
    except ssl.SSLError as error:
        if any(alert in (error.reason or "") for alert in _DEMANDED):
            return Seen(
                Stage.CONFIGURED, f"{host} demands a client certificate: it has a configuration already"
            )
        return Seen(Stage.LISTENS, f"port {port} of {host} is open and speaks no TLS that is understood yet")
    except OSError:
        return Seen(Stage.LISTENS, f"port {port} of {host} is open and closes before it greets")
    if len(header) == 9 and header[3] == _SETTINGS and header[5:9] == bytes(4):
        return Seen(Stage.WAITS, f"{host} waits for a configuration", fingerprint)
    return Seen(Stage.LISTENS, f"port {port} of {host} speaks TLS and is no service of this kind")


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


def _fingerprint(certificate: bytes) -> str:
    """Of the public key: the element behind the subject (RFC 5280, 4.1); empty where it is none."""
    try:
        (signed, *_) = Element(certificate).children()
        parts = signed.children()
        key = parts[6 if parts[0].tag == 0xA0 else 5]
        return base64.b64encode(hashlib.sha256(key.whole).digest()).decode()
    except (BootwrightError, ValueError, IndexError):
        return ""


def wait(
    host: str,
    port: int,
    seconds: float,
    *,
    report: Callable[[Seen, float], None],
    interval: float = 1.0,
) -> Iterator[Seen]:
    """Every change of what is seen, until it waits for a configuration, has one, or `seconds` are over.

    `told` is called after every look, with the seconds since the start. Raises `Refused` for a host that is
    none.
    """
    if (
        not host
        or len(host) > 253
        or any(char.isspace() or not char.isprintable() or char == "/" for char in host)
    ):
        raise Refused(f"{host[:80]!r} is no host", hint="give a name or an address, such as 192.168.1.23")
    started = time.monotonic()
    last: Seen | None = None
    while True:
        left = seconds - (time.monotonic() - started)
        seen = look(host, port, seconds=max(0.2, min(_ATTEMPT_SECONDS, left)))
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
