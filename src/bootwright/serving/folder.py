"""A server on the loopback address for the page that `make site` makes, with the headers that it should have.

It answers GET and HEAD for regular files of one folder, and nothing else. A static web server does as well:
the page carries its policy itself, and its service worker adds it to what it keeps.
"""

from __future__ import annotations

import hashlib
import http.server
import os
import stat
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import IO
from urllib.parse import quote, unquote, urlsplit

from bootwright.foundation.errors import Missing, Refused

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self' 'wasm-unsafe-eval'",
        "worker-src 'self'",
        "connect-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
    )
)
"""Content Security Policy (level 3) of the page and its workers: nothing but files of its own origin."""
_HEADERS: Mapping[str, str] = {
    # What a page's own element cannot say: `frame-ancestors` counts in a header only.
    "Content-Security-Policy": f"{POLICY}; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    # Asked for each time, and answered with 304 where nothing has changed.
    "Cache-Control": "no-cache",
}
_TYPES: Mapping[str, str] = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".md": "text/markdown; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".wasm": "application/wasm",
    ".webmanifest": "application/manifest+json",
    ".zip": "application/zip",
}
_CHUNK = 1 << 18


class Server(http.server.ThreadingHTTPServer):
    """Serves one folder; `serve_forever` runs until `shutdown`."""

    daemon_threads = True

    def __init__(self, folder: Path, port: int) -> None:
        """Bind to 127.0.0.1; port 0 is any that is free.

        Raises `Missing` where the folder holds no page, and `Refused` where the port is taken.
        """
        self.root = folder.resolve()
        if not folder.is_dir():
            what = "is a file" if folder.exists() else "is not there"
            raise Missing(f"{folder} {what}", hint="give the folder that `make site` wrote")
        if not (self.root / "index.html").is_file():
            raise Missing(f"{folder} holds no page (index.html)", hint="make it with `make site`")
        try:
            super().__init__(("127.0.0.1", port), _Handler)
        except (OSError, OverflowError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise Refused(
                f"port {port} cannot be used: {reason}", hint="give another --port; 0 takes any that is free"
            ) from error

    @property
    def address(self) -> str:
        """Where the page is."""
        return f"http://127.0.0.1:{self.server_port}/"


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Server
    server_version = "bootwright"
    sys_version = ""
    protocol_version = "HTTP/1.1"
    timeout = 30

    def handle_one_request(self) -> None:
        """Answer a request; a browser that went away in the middle of asking gets none."""
        try:
            super().handle_one_request()
        except ConnectionError:
            self.close_connection = True

    def do_GET(self) -> None:
        """Send a file."""
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        """Say what a file is."""
        self._answer(with_body=False)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class has it so
        """Say nothing: a page is a dozen files."""

    def _answer(self, *, with_body: bool) -> None:
        path = self._path()
        if path is not None and path.is_dir():
            self._lead_into(path)
            return
        if path is None:
            self._refuse(HTTPStatus.NOT_FOUND, with_body=with_body)
            return
        try:
            with path.open("rb") as file:
                self._send(path, file, with_body=with_body)
        except ConnectionError:
            self.close_connection = True
        except OSError:
            self._refuse(HTTPStatus.NOT_FOUND, with_body=with_body)

    def _path(self) -> Path | None:
        """The regular file that is asked for, or the folder below with a page; None for anything else."""
        try:
            asked = unquote(urlsplit(self.path).path, errors="strict")
        except ValueError:
            return None
        if "\0" in asked or not asked.startswith("/"):
            return None
        try:
            path = (self.server.root / asked.lstrip("/")).resolve()
            if asked.endswith("/"):
                path /= "index.html"
            if not path.is_relative_to(self.server.root):
                return None
            return path if path.is_file() or (path / "index.html").is_file() else None
        except OSError:  # a name that is too long
            return None

    def _lead_into(self, folder: Path) -> None:
        """To a folder's page, whose links are relative to it: `/docs` is `/docs/`."""
        self.send_response(HTTPStatus.MOVED_PERMANENTLY)
        self.send_header("Location", f"/{quote(folder.relative_to(self.server.root).as_posix())}/")
        self.send_header("Content-Length", "0")
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        self.end_headers()

    def _send(self, path: Path, file: IO[bytes], *, with_body: bool) -> None:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            self._refuse(HTTPStatus.NOT_FOUND, with_body=with_body)
            return
        tag = hashlib.sha256(f"{status.st_size} {status.st_mtime_ns} {status.st_ino}".encode()).hexdigest()
        tag = f'"{tag[:32]}"'
        if self.headers.get("If-None-Match") == tag:
            self.send_response(HTTPStatus.NOT_MODIFIED)
            self._own_headers(tag)
            self.end_headers()
            return
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", _TYPES.get(path.suffix, "application/octet-stream"))
        self.send_header("Content-Length", str(status.st_size))
        self._own_headers(tag)
        self.end_headers()
        remaining = status.st_size if with_body else 0
        while remaining and (data := file.read(min(_CHUNK, remaining))):
            self.wfile.write(data)
            remaining -= len(data)
        if remaining:  # the file shrank: what was announced cannot be sent
            self.close_connection = True

    def _own_headers(self, tag: str) -> None:
        self.send_header("ETag", tag)
        for name, value in _HEADERS.items():
            self.send_header(name, value)

    def _refuse(self, status: HTTPStatus, *, with_body: bool) -> None:
        text = f"{status.value} {status.phrase}\n".encode() if with_body else b""
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(text)))
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text)
