"""LZ4 frames and the legacy format of kernels and initramfs, through the `lz4` program."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator

from bootwright.formats.sources.bytesource import ByteSource
from bootwright.formats.sources.streams import damaged
from bootwright.foundation import tools
from bootwright.foundation.errors import Malformed

_CHUNK = 1 << 20


def lz4_chunks(source: ByteSource, offset: int) -> Iterator[bytes]:
    """The expanded bytes of what begins at `offset`, in chunks.

    Raises `Malformed`, or `Missing` when lz4 is not installed.
    """
    program = tools.need("lz4", purpose=f"expand {source.name}")
    process = subprocess.Popen(
        [program, "--decompress", "--stdout", "--quiet"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    feeder = threading.Thread(target=_feed, args=(source, offset, process), daemon=True)
    feeder.start()
    try:
        assert process.stdout is not None  # noqa: S101  (asked for with PIPE)
        assert process.stderr is not None  # noqa: S101
        while data := process.stdout.read(_CHUNK):
            yield data
        if process.wait() != 0:
            complaint = process.stderr.read(4096).decode(errors="replace")
            why = complaint.strip().rpartition("\n")[2]
            raise damaged(source.name, "lz4", why or "its program does not say which")
    finally:
        process.kill()
        process.wait()
        feeder.join(timeout=5)
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


def _feed(source: ByteSource, offset: int, process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None  # noqa: S101  (asked for with PIPE)
    try:
        for start in range(offset, source.size, _CHUNK):
            process.stdin.write(source.read(start, min(_CHUNK, source.size - start)))
        process.stdin.close()
    except (OSError, ValueError, Malformed):
        process.kill()  # the reader has gone, or the source is broken: either way the stream ends here
