"""Fuzz what a web server may answer: `python fuzz/fuzz_url.py CORPUS` with atheris installed.

An input is answers one after the other, separated by a line `--`: status, headers, an empty line, a body.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from unittest import mock

import httpx

from bootwright.formats.sources.transport import Transport
from bootwright.formats.sources.url import open_url
from bootwright.foundation.errors import BootwrightError

_Client = httpx.Client
_FOLDER = tempfile.mkdtemp(prefix="fuzz-url-")


def one_input(data: bytes) -> None:
    """Open it, and read what is there."""
    answers = iter(data.split(b"\n--\n"))

    def answer(_: httpx.Request) -> httpx.Response:
        head, _, body = next(answers, b"404").partition(b"\n\n")
        status, *lines = head.split(b"\n")
        pairs = [line.split(b": ", 1) for line in lines if b": " in line]
        headers = [(name, value) for name, value in pairs]
        return httpx.Response(
            int(status) if status.isdigit() and 100 <= int(status) <= 599 else 200,
            headers=headers,
            stream=httpx.ByteStream(body),
        )

    def client(**options: object) -> httpx.Client:
        return _Client(transport=httpx.MockTransport(answer), **options)  # type: ignore[arg-type]

    with (
        mock.patch.object(httpx, "Client", client),
        mock.patch.dict(os.environ, BOOTWRIGHT_CACHE=_FOLDER),
        contextlib.suppress(BootwrightError),
    ):
        source = open_url("http://fuzz.invalid/x", transport=Transport(first_wait=0))
        for offset, size in ((0, 1), (0, min(source.size, 100)), (max(source.size - 5, 0), 5)):
            with contextlib.suppress(BootwrightError):
                assert len(source.read(offset, size)) == size


if __name__ == "__main__":
    import sys

    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
