"""A web server of one folder on loopback, with ranges or without."""

from __future__ import annotations

import contextlib
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path


class Ranges(http.server.SimpleHTTPRequestHandler):
    """A server with ranges, or without; it counts what it sends."""

    ranges = True
    etag = '"one"'
    sent = 0

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        if not path.is_file():
            self.send_error(404)
            return
        data = path.read_bytes()
        wanted = self.headers.get("Range", "") if self.ranges else ""
        if wanted:
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            start, end = int(first), min(int(last or len(data)), len(data) - 1)
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{end}/{len(data)}")
            data = data[start : end + 1]
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        if self.etag:
            self.send_header("ETag", self.etag)
        self.end_headers()
        type(self).sent += len(data)
        self.wfile.write(data)


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[tuple[str, type[Ranges]]]:
    """The server's address, and its class, which counts; the folder is made."""

    class Handler(Ranges):
        def __init__(self, *arguments: object, **options: object) -> None:
            super().__init__(*arguments, directory=str(folder), **options)  # type: ignore[arg-type]

    folder.mkdir()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{running.server_address[1]}", Handler
        running.shutdown()
