"""The server of one folder: its files with the right headers, and nothing else of the machine."""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from site_kit import served

from bootwright.foundation.errors import Missing, Refused
from bootwright.serving.folder import POLICY, Server


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("serving")
    (root / "secret.txt").write_text("not served")
    folder = root / "site"
    (folder / "sub").mkdir(parents=True)
    (folder / "index.html").write_text("<p>page")
    (folder / "sub/index.html").write_text("<p>below")
    (folder / "code.wasm").write_bytes(b"\0asm")
    (folder / "module.mjs").write_text("export {}")
    (folder / "link").symlink_to(root / "secret.txt")
    os.mkfifo(folder / "pipe")
    return folder


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    with served(folder) as address:
        yield address


def asked(address: str, request: bytes) -> bytes:
    """The whole answer to bytes on a connection of their own."""
    host, _, port = address.removeprefix("http://").rstrip("/").partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        pieces = []
        while piece := connection.recv(1 << 16):
            pieces.append(piece)
    return b"".join(pieces)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "text/html"),
        ("/sub/", "text/html"),
        ("/code.wasm", "application/wasm"),
        ("/module.mjs", "text/javascript"),
    ],
)
def test_files_have_their_types_and_the_policy(address: str, path: str, kind: str) -> None:
    answer = httpx.get(address.rstrip("/") + path)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith(kind)
    assert answer.headers["content-security-policy"].startswith(POLICY)
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "'unsafe" not in POLICY.replace("'wasm-unsafe-eval'", "")


def test_what_has_not_changed_is_not_sent_again(address: str, folder: Path) -> None:
    first = httpx.get(address + "module.mjs")
    again = httpx.get(address + "module.mjs", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    (folder / "module.mjs").write_text("export {}; // changed")
    assert (
        httpx.get(address + "module.mjs", headers={"If-None-Match": first.headers["etag"]}).status_code == 200
    )


def test_a_head_has_no_body_and_other_methods_are_refused(address: str) -> None:
    head = httpx.head(address + "code.wasm")
    assert (head.headers["content-length"], head.content) == ("4", b"")
    assert httpx.post(address, content=b"log").status_code == 501


OUTSIDE = (
    *("/../secret.txt", "/%2e%2e/secret.txt", "/sub/../../secret.txt", "/..%2fsecret.txt"),
    *("/link", "/pipe", "//etc/passwd", "/index.html/", "/nothing"),
    *("/%00", "/\\..\\secret.txt", "/%ff", "/" + "a" * 5000),
)


@pytest.mark.parametrize("path", OUTSIDE)
def test_nothing_else_is_served(address: str, path: str) -> None:
    answer = asked(address, b"GET " + path.encode() + b" HTTP/1.0\r\n\r\n")
    assert answer.split(b" ")[1] == b"404"
    assert b"not served" not in answer


@pytest.mark.parametrize("path", ["/sub", "//sub", "/%73ub", "/sub/../sub"])
def test_a_folder_leads_to_its_page(address: str, path: str) -> None:
    answer = asked(address, b"GET " + path.encode() + b" HTTP/1.0\r\n\r\n")
    assert answer.split(b" ")[1] == b"301"
    assert b"\r\nLocation: /sub/\r\n" in answer


def test_what_is_no_folder_is_not_called_an_empty_one(folder: Path) -> None:
    with pytest.raises(Missing, match="gone is not there"):
        Server(folder / "gone", 0)
    with pytest.raises(Missing, match=r"index\.html is a file"):
        Server(folder / "index.html", 0)


@given(path=st.binary(max_size=60))
def test_any_request_gets_an_answer_without_what_is_outside(address: str, path: bytes) -> None:
    line = b"GET /" + path.translate(None, b"\r\n") + b" HTTP/1.0\r\n\r\n"
    answer = asked(address, line)
    assert answer.startswith(b"HTTP/1.") or b"Error" in answer
    assert b"not served" not in answer


def test_a_browser_that_goes_away_is_not_an_error(folder: Path) -> None:
    command = [sys.executable, "-m", "bootwright", "serve", str(folder), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        assert server.stderr is not None
        address = server.stdout.readline().split()[0]
        host, _, port = address.removeprefix("http://").rstrip("/").partition(":")
        connection = socket.create_connection((host, int(port)), timeout=10)
        connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert connection.recv(1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()  # with a reset, while the server waits for the next request
        assert asked(address, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        server.send_signal(signal.SIGINT)
        assert server.stderr.read() == ""


def test_a_folder_without_a_page_and_a_taken_port_are_said(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(Missing, match=r"index\.html"):
        Server(tmp_path, 0)
    with Server(folder, 0) as server, pytest.raises(Refused, match="cannot be used"):
        Server(folder, server.server_port)


def test_the_command_says_where_and_ends_by_ctrl_c(folder: Path) -> None:
    command = [sys.executable, "-m", "bootwright", "serve", str(folder), "--port", "0"]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert running.stdout is not None
        address = running.stdout.readline().split()[0]
        assert httpx.get(address).text == "<p>page"
    finally:
        running.send_signal(signal.SIGINT)
        _, said = running.communicate(timeout=30)
    assert (running.returncode, said) == (0, "")


def test_the_command_without_a_page_says_how_to_make_it(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bootwright", "serve", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "make site" in done.stderr
