"""`bootwright wait`, against real TLS servers on loopback."""

from __future__ import annotations

import base64
import contextlib
import json
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import jsonschema
import pytest

from bootwright import api
from bootwright.foundation.errors import Refused
from bootwright.foundation.verdict import Verdict
from bootwright.prepare.maintenance import Seen, Service, Stage, require_host
from bootwright.prepare.maintenance import look as look_at

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/schemas/wait.schema.json").read_text())
NAME = "maintenance-service.talos.dev"
SETTINGS = b"\0\0\0\x04\0\0\0\0\0"
"""The first frame of an HTTP/2 server (RFC 9113, 3.4)."""


def look(host: str, port: int, *, seconds: float) -> Seen:
    return look_at(host, Service(port, NAME), seconds=seconds)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return made_certificate(tmp_path_factory.mktemp("tls"), NAME)


def made_certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """A self-signed certificate with an elliptic key, as Talos's are, and the key."""
    made, key = folder / "cert.pem", folder / "key.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
    ]
    command += ["-keyout", str(key), "-out", str(made), "-days", "2", "-subj", f"/O=talos/CN={name}"]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("openssl is not here")
    return made, key


def context(certificate: tuple[Path, Path], *, mutual: bool = False, newest: bool = True) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(*certificate)
    made.set_alpn_protocols(["h2"])
    if mutual:
        made.verify_mode = ssl.CERT_REQUIRED
        made.load_verify_locations(certificate[0])
    if not newest:
        made.maximum_version = ssl.TLSVersion.TLSv1_2
    return made


@contextlib.contextmanager
def serving(answer: Callable[[socket.socket], None], port: int = 0) -> Iterator[int]:
    """A server on loopback that gives every connection to `answer`."""
    with socket.create_server(("127.0.0.1", port)) as server:

        def run() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    with connection, contextlib.suppress(OSError, ssl.SSLError):
                        connection.settimeout(5)
                        answer(connection)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
    thread.join(5)


def over_tls(
    tls: ssl.SSLContext, reply: bytes = SETTINGS, *, first: bool = True
) -> Callable[[socket.socket], None]:
    """A server over TLS that replies by itself (`first`, as grpc-go does), or to a client's preface."""

    def answer(connection: socket.socket) -> None:
        with tls.wrap_socket(connection, server_side=True) as secure:
            assert first or secure.recv(24).startswith(b"PRI * HTTP/2.0")
            secure.sendall(reply)
            secure.recv(100)

    return answer


@pytest.mark.parametrize("newest", [True, False], ids=["TLS 1.3", "TLS 1.2"])
def test_a_server_that_asks_for_no_certificate_waits(certificate: tuple[Path, Path], newest: bool) -> None:
    with serving(over_tls(context(certificate, newest=newest), first=newest)) as port:
        waited = api.wait("127.0.0.1", timeout=10, port=port)
    assert waited.verdict is Verdict.WORKS
    assert waited.then == "talosctl apply-config --insecure --nodes 127.0.0.1 --file controlplane.yaml"
    jsonschema.validate(waited.as_json(), SCHEMA)
    der = piped(["openssl", "x509", "-in", str(certificate[0]), "-noout", "-pubkey"])
    der = piped(["openssl", "pkey", "-pubin", "-outform", "DER"], der)
    digest = piped(["openssl", "dgst", "-sha256", "-binary"], der)
    assert waited.seen.fingerprint == base64.b64encode(digest).decode()


def piped(command: list[str], data: bytes = b"") -> bytes:
    return subprocess.run(command, input=data, check=True, capture_output=True).stdout


def test_a_server_that_demands_a_certificate_has_a_configuration(certificate: tuple[Path, Path]) -> None:
    with serving(over_tls(context(certificate, mutual=True))) as port:
        waited = api.wait("127.0.0.1", timeout=10, port=port)
    assert waited.verdict is Verdict.FAILS
    assert waited.then == ""
    assert "has a configuration already" in waited.seen.text
    jsonschema.validate(waited.as_json(), SCHEMA)


def test_other_servers_are_not_taken_for_it(certificate: tuple[Path, Path]) -> None:
    answers = {
        "closes before": lambda _: None,
        "no TLS": lambda connection: connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n"),
        "no service of this kind": over_tls(context(certificate), b"HTTP/1.1 400 Bad Request\r\n\r\n"),
    }
    for words, answer in answers.items():
        with serving(answer) as port:
            seen = look("127.0.0.1", port, seconds=2)
        assert seen.stage is Stage.LISTENS, words
        assert "open" in seen.text or words in seen.text


@pytest.mark.parametrize("name", ["localhost", "maintenance-service.talos.dev.example"])
def test_an_http2_server_of_another_name_is_not_taken_for_it(tmp_path: Path, name: str) -> None:
    """Every HTTP/2 server begins with the same frame."""
    with serving(over_tls(context(made_certificate(tmp_path, name)))) as port:
        waited = api.wait("127.0.0.1", timeout=0, port=port)
    assert waited.verdict is Verdict.UNKNOWN
    assert waited.then == ""
    assert f"certificate is not {NAME}'s" in waited.seen.text
    jsonschema.validate(waited.as_json(), SCHEMA)


def test_a_server_that_says_nothing_is_given_up(certificate: tuple[Path, Path]) -> None:
    held = threading.Event()
    with serving(lambda _: (bool(held.wait(10)) and None) or None) as port:
        seen = look("127.0.0.1", port, seconds=0.3)
        held.set()
    assert seen.stage is Stage.LISTENS


def test_it_waits_until_the_service_is_there(certificate: tuple[Path, Path]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    stages: list[str] = []

    class Notes:
        def step(self, text: str) -> contextlib.AbstractContextManager[None]:
            return contextlib.nullcontext()

        def advance(self, done: float, total: float | None, unit: str) -> None:
            pass

        def note(self, text: str) -> None:
            stages.append(text)

    with contextlib.ExitStack() as stack:
        timer = threading.Timer(
            0.5, lambda: stack.enter_context(serving(over_tls(context(certificate)), port))
        )
        timer.start()
        waited = api.wait("127.0.0.1", timeout=20, port=port, progress=Notes())
        timer.join()
    assert waited.verdict is Verdict.WORKS
    assert stages[0] == f"127.0.0.1 answers, and nothing listens on port {port} yet"
    assert stages[-1] == "127.0.0.1 waits for a configuration"


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bootwright", "wait", *words], capture_output=True, text=True, check=False
    )


def test_the_command_and_its_exit_statuses(certificate: tuple[Path, Path]) -> None:
    with serving(over_tls(context(certificate))) as port:
        done = run("127.0.0.1", "--port", str(port), "--timeout", "10")
    assert done.returncode == 0
    assert "\n  talosctl apply-config --insecure --nodes 127.0.0.1 --file controlplane.yaml\n" in done.stdout
    done = run("127.0.0.1", "--port", str(port), "--timeout", "0")
    assert done.returncode == 3
    assert done.stdout.startswith("unknown: 127.0.0.1 answers, and nothing listens")
    assert run("a b").returncode == 2
    assert (
        "127.0.0.1"
        in json.loads(run("127.0.0.1", "--port", str(port), "--timeout", "0", "--json").stdout)["host"]
    )


NO_HOSTS = ["", "a b", "a/b", "x\x1b[2J", "h" * 300, "a..b", "-a", "192.168.1.300", "192.168.1", "x[1]"]


@pytest.mark.parametrize("host", NO_HOSTS)
def test_what_is_no_host_is_refused(host: str) -> None:
    with pytest.raises(Refused):
        api.wait(host, timeout=0)


@pytest.mark.parametrize(
    ("host", "meant"),
    [
        ("[::1]", "::1"),
        ("127.0.0.1:50000", "127.0.0.1 --port 50000"),
        ("pi5.local:50000", "pi5.local --port 50000"),
        ("[fe80::1%eth0]:50000", "fe80::1%eth0 --port 50000"),
    ],
)
def test_how_addresses_stand_in_urls_is_refused_with_what_was_meant(host: str, meant: str) -> None:
    with pytest.raises(Refused) as refused:
        api.wait(host, timeout=0)
    assert refused.value.hint.endswith(f": {meant}")


@pytest.mark.parametrize(
    "host", ["192.168.1.23", "::1", "fe80::1%eth0", "talos-pi5", "pi_5.lan.", "größe.fritz.box"]
)
def test_addresses_and_names_are_hosts(host: str) -> None:
    require_host(host)


def test_what_to_do_follows_from_how_far_it_is() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    done = run("127.0.0.1", "--port", port, "--timeout", "0")
    assert "--service silent" in done.stdout
    assert "--lights off" not in done.stdout
    done = run("no-such-name.invalid", "--timeout", "0")
    assert "--address none" in done.stdout


def test_a_name_without_an_address_is_said() -> None:
    seen = look("no-such-name.invalid", 50000, seconds=1)
    assert seen.stage is Stage.NO_NAME
