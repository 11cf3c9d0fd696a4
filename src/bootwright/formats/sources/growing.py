"""A file that is read while it is still being expanded.

`xz` and `zstd` write from front to back, so what lies before the end of the file so far is final. The
reader waits only for what it asks for: the first partitions of an image are looked at while the rest is
expanded on another core, and nothing is expanded twice.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
import uuid
from pathlib import Path

from bootwright.formats.sources.bytesource import ByteSource, FileBytes, check_range
from bootwright.formats.sources.streams import damaged
from bootwright.foundation import tools
from bootwright.foundation.atomic import new_file
from bootwright.foundation.errors import DAMAGED, BootwrightError, Malformed, Missing, ToolFailed
from bootwright.foundation.progress import Progress, Silent

COMMANDS = {
    "xz": ("xz", "--decompress", "--stdout", "--threads=0", "--memlimit-decompress=256MiB"),
    "zstd": ("zstd", "--decompress", "--stdout", "--sparse", "--quiet", "--memory=256MB"),
}
"""Both leave holes for zeros when they write into a file."""

_WAIT = 0.01
"""Seconds between two looks at how far the program is."""


class Growing:
    """The expanded file as a `ByteSource` of `size` bytes, while a program writes it.

    `finish` must be called in the end: it waits for the program and puts the file into `folder`, under the
    name that `key` gave, or removes it. Reading raises `Malformed` for a broken stream.
    """

    def __init__(
        self,
        kind: str,
        source: FileBytes,
        folder: Path,
        *,
        name: str,
        size: int,
        progress: Progress | None = None,
    ) -> None:
        self._progress = progress or Silent()
        self._source = source
        self._folder = folder
        self._name = name
        self._size = size
        self._error: BaseException | None = None
        self._ended = threading.Event()
        self._known: ByteSource | None = None
        self._stack = contextlib.ExitStack()
        self._path = folder / f"unnamed-{uuid.uuid4().hex}"
        self._file = self._stack.enter_context(new_file(self._path, mode=0o600))
        try:
            self._process = start_program(kind, source.name, self._file.fileno(), limit=size)
        except BaseException as error:
            self._stack.__exit__(type(error), error, None)
            raise

    @property
    def name(self) -> str:
        """The name it was given."""
        return self._name

    @property
    def size(self) -> int:
        """See `ByteSource.size`."""
        return self._size

    def read(self, offset: int, size: int) -> bytes:
        """See `ByteSource.read`."""
        check_range(self._name, self._size, offset, size)
        if self._known is not None:
            return self._known.read(offset, size)
        while not self._ended.is_set() and os.fstat(self._file.fileno()).st_size < offset + size:
            if self._process.poll() is not None:
                self._end()
                break
            self._tell()
            time.sleep(_WAIT)
        return self._read_now(offset, size)

    def _read_now(self, offset: int, size: int) -> bytes:
        if self._error is not None:
            raise self._error
        if self._known is not None:
            return self._known.read(offset, size)
        pieces: list[bytes] = []
        while size:
            piece = os.pread(self._file.fileno(), size, offset)
            if not piece:
                raise Malformed(self._name, offset, f"{size} bytes", "the end of what was expanded")
            pieces.append(piece)
            offset += len(piece)
            size -= len(piece)
        return b"".join(pieces)

    def settle(self) -> None:
        """Have what was written so far put on the disk, so that less is left to do in the end."""
        with contextlib.suppress(OSError, ValueError):  # it may have been closed meanwhile
            os.fdatasync(self._file.fileno())

    def finish(self, key: str) -> None:
        """Wait for the program, and keep the file as `key`; raises what `read` would raise."""
        while self._process.poll() is None:
            self._tell()
            time.sleep(_WAIT)
        self._end()
        if self._error is not None:
            raise self._error
        with contextlib.suppress(FileNotFoundError):
            self._path.replace(self._folder / key)

    def _tell(self) -> None:
        done = os.fstat(self._file.fileno()).st_size
        self._progress.advance(done / 1e6, self._size / 1e6, "MB expanded")

    def abandon(self) -> None:
        """Stop the program and remove what it wrote."""
        if not self._ended.is_set():
            self._process.kill()
            self._process.wait()
            self._end()
        self._path.unlink(missing_ok=True)

    def _end(self) -> None:
        """What is to be done once the program has ended, once."""
        if self._ended.is_set():
            return
        try:
            check_end(self._process, self._source.name, self._size)
            self._file.flush()
            length = os.fstat(self._file.fileno()).st_size
            if length != self._size:
                raise Malformed(
                    self._source.name, None, f"{self._size} bytes expanded", f"{length}", hint=DAMAGED
                )
        except BootwrightError as error:
            self._error = error
            self._stack.__exit__(type(error), error, None)
        else:
            try:
                self._stack.close()
                self._known = FileBytes(self._path)
            except BootwrightError as error:
                self._error = error
        self._ended.set()


def start_program(kind: str, name: str, output: int, *, limit: int) -> subprocess.Popen[bytes]:
    """Start the program that expands the file `name` into the descriptor `output`.

    It is stopped by the system beyond `limit` bytes. Raises `Missing` when it is not installed.
    """
    command = COMMANDS[kind]
    program = tools.need(command[0], purpose=f"expand {name}")
    try:
        with Path(name).open("rb") as compressed:
            process = subprocess.Popen(
                [program, *command[1:]],
                stdin=compressed,
                stdout=output,
                stderr=subprocess.PIPE,
                env={**os.environ, "LC_ALL": "C"},
            )
    except OSError as error:
        raise Missing(f"cannot expand {name}: {error.strerror}", hint="check the permissions") from error
    import resource  # not there where there are no processes either

    with contextlib.suppress(ProcessLookupError):  # it may have ended already, within any limit
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (limit, limit))
    return process


def check_end(process: subprocess.Popen[bytes], name: str, limit: int) -> None:
    """Raise what the program's end means: `Malformed` for the stream, `Missing` for a full disk."""
    assert process.stderr is not None  # noqa: S101  (asked for with PIPE)
    with process.stderr:
        complaint = process.stderr.read(65536).decode(errors="replace")
    status = process.wait()
    if status == 0:
        return
    tool = Path(str(process.args[0] if isinstance(process.args, list) else process.args)).name
    if status == -signal.SIGXFSZ or "File too large" in complaint:
        raise Malformed(name, None, f"at most {limit} bytes expanded", "more", hint="a decompression bomb?")
    if "No space left" in complaint:
        raise Missing(
            f"no space left to expand {name}",
            hint="free some space, or set BOOTWRIGHT_CACHE to a folder on a larger disk",
        )
    if status < 0:
        raise ToolFailed(tool, f"ended by signal {-status}")
    last = complaint.strip().rpartition("\n")[2].rpartition("(stdin): ")[2].rstrip(".")
    raise damaged(name, tool, last or "its program does not say which")
