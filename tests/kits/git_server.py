"""A git repository and a web server for it on loopback, as git's own `http-backend` serves one."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from attrs import define, field

from bootwright.foundation import tools

_AS = ("-c", "user.name=Test", "-c", "user.email=test@example.org", "-c", "init.defaultBranch=main")


def git(folder: Path, *arguments: str) -> str:
    """Run git in a folder; the text it prints."""
    return tools.run(["git", "-C", folder, *_AS, *arguments]).decode().strip()


def commit(folder: Path, files: Mapping[str, bytes], links: Mapping[str, str] | None = None) -> str:
    """Put files and links into the repository of a folder, which is made; the commit's name."""
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "-q")
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    for name, target in (links or {}).items():
        (folder / name).symlink_to(target)
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "files")
    return git(folder, "rev-parse", "HEAD")


@define
class Served:
    """A running server."""

    url: str
    requests: list[str] = field(factory=list)
    sent: int = 0
    """Bytes of bodies."""


@contextmanager
def serve(folder: Path, *, filters: bool = True) -> Iterator[Served]:
    """Serve the repository of a folder; `filters` lets clients leave files out, as large hosters do."""
    git(folder, "config", "uploadpack.allowFilter", str(filters).lower())
    git(folder, "config", "uploadpack.allowAnySHA1InWant", "true")
    state = Served("")

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            path, _, query = self.path.partition("?")
            state.requests.append(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            done = subprocess.run(
                ["git", "http-backend"],
                input=body,
                capture_output=True,
                check=False,
                env={
                    **os.environ,
                    "GIT_PROJECT_ROOT": str(folder),
                    "GIT_HTTP_EXPORT_ALL": "1",
                    "PATH_INFO": path,
                    "QUERY_STRING": query,
                    "REQUEST_METHOD": self.command,
                    "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                    "CONTENT_LENGTH": str(len(body)),
                    "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                    "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
                    "REMOTE_ADDR": "127.0.0.1",
                },
            )
            head, _, content = done.stdout.partition(b"\r\n\r\n")
            lines = [line.partition(": ") for line in head.decode().split("\r\n") if line]
            fields = {name: value for name, _, value in lines}
            self.send_response(int(fields.pop("Status", "200").split()[0]))
            for name, value in fields.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
            state.sent += len(content)

        do_GET = do_POST = _answer  # noqa: N815 - the names that http.server calls

        def log_message(self, *_: object) -> None:
            """Nothing on stderr."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    state.url = f"http://127.0.0.1:{server.server_address[1]}/.git"
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
