"""What is said where nothing comes from the network: words, not numbers and places of the libraries below."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from bootwright.formats.sources.transport import Transport, Unreachable

INTERNAL = re.compile(r"\[|Errno|_ssl|\d\)$")


def said(url: str) -> str:
    with pytest.raises(Unreachable) as unreachable:
        Transport(dict, first_wait=0).open(url, {})
    return unreachable.value.message


def test_a_name_without_an_address() -> None:
    assert said("http://nosuch.invalid/x") == (
        "cannot fetch http://nosuch.invalid/x: no address is known for its name: is there a network?"
    )


def test_nothing_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}/x"
    assert said(url) == f"cannot fetch {url}: Connection refused"


@contextlib.contextmanager
def self_signed(folder: Path) -> Iterator[int]:
    made, key = folder / "cert.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost"]
    try:
        subprocess.run([*command, "-keyout", str(key), "-out", str(made)], check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("openssl is not here")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made, key)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection, contextlib.suppress(OSError):
                context.wrap_socket(connection, server_side=True).close()

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield server.getsockname()[1]
    thread.join(5)


def test_a_certificate_that_nobody_trusts(tmp_path: Path) -> None:
    with self_signed(tmp_path) as port:
        message = said(f"https://127.0.0.1:{port}/x")
    assert "certificate verify failed" in message
    assert not INTERNAL.search(message.partition(": ")[2])
