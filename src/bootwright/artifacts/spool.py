"""Expanded files in the cache: sparse, made once, named by the hash of the compressed bytes.

Runs of zeros become holes, so that a 2.4 GB image of which 200 MB are used takes 200 MB. A file on this
machine is expanded by the `xz` or `zstd` program where there is one (`xz -dc` writes holes by itself);
anything else, such as an initramfs inside a partition, in this process.
"""

from __future__ import annotations

import hashlib
import os
import resource
import signal
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from bootwright.artifacts.bytesource import ByteSource, FileBytes
from bootwright.foundation import tools
from bootwright.foundation.atomic import new_file
from bootwright.foundation.errors import Malformed, ToolFailed
from bootwright.foundation.places import cache_dir
from bootwright.foundation.progress import Progress, Silent

_CHUNK = 1 << 20
_HOLE = 1 << 16
"""Zeros are looked for in pieces of this size, a multiple of every file system's block."""

_ZEROS = bytes(_CHUNK)
CACHE_LIMIT = 24 << 30
"""Bytes of disk the expanded files may take together; the least recently used go first."""

_COMMANDS = {
    "xz": ("xz", "--decompress", "--stdout", "--threads=0", "--memlimit-decompress=256MiB"),
    "zstd": ("zstd", "--decompress", "--stdout", "--sparse", "--quiet", "--memory=256MB"),
}


class Renamed:
    """A source under another name."""

    def __init__(self, source: ByteSource, name: str) -> None:
        self._source = source
        self._name = name

    @property
    def name(self) -> str:
        """The name it was given."""
        return self._name

    def __len__(self) -> int:
        return len(self._source)

    def read(self, offset: int, size: int) -> bytes:
        """See `ByteSource.read`."""
        return self._source.read(offset, size)


def digest(source: ByteSource) -> str:
    """SHA-256 of the whole source, in hexadecimal."""
    total = hashlib.sha256()
    for start in range(0, len(source), 4 * _CHUNK):
        total.update(source.read(start, min(4 * _CHUNK, len(source) - start)))
    return total.hexdigest()


def spooled(key: str, name: str) -> ByteSource | None:
    """The expanded file of that key, if the cache has it."""
    path = _folder() / key
    try:
        os.utime(path)
    except OSError:
        return None
    return Renamed(FileBytes(path), name)


def spool(
    source: ByteSource,
    kind: str,
    chunks: Iterator[bytes],
    *,
    key: str,
    name: str,
    limit: int,
    progress: Progress | None = None,
) -> ByteSource:
    """Expand `source` into the cache; `chunks` is how to do it without a program.

    Raises `Malformed` for a broken stream or one beyond `limit` bytes, `Missing` for a full disk.
    """
    progress = progress or Silent()
    folder = _folder()
    path = folder / key
    with progress.step(f"expanding {source.name}"), new_file(path, mode=0o600) as file:
        command = _COMMANDS.get(kind)
        if command and isinstance(source, FileBytes) and tools.find(command[0]):
            _by_program(command, source.name, file, limit)
        else:
            _write_sparse(chunks, file, progress)
    _evict(folder, keep=path)
    return Renamed(FileBytes(path), name)


def _folder() -> Path:
    return cache_dir() / "expanded"


def _write_sparse(chunks: Iterable[bytes], file: IO[bytes], progress: Progress) -> None:
    handle = file.fileno()
    position = 0
    for chunk in chunks:
        if len(chunk) != _CHUNK or chunk != _ZEROS:
            for start in range(0, len(chunk), _HOLE):
                piece = chunk[start : start + _HOLE]
                if piece != _ZEROS[: len(piece)]:
                    os.pwrite(handle, piece, position + start)
        position += len(chunk)
        progress.advance(position / 1e6, None, "MB")
    os.truncate(handle, position)


def _by_program(command: tuple[str, ...], name: str, file: IO[bytes], limit: int) -> None:
    program = tools.need(command[0], purpose=f"expand {name}")
    with Path(name).open("rb") as compressed:
        # One step into a regular file: both programs leave holes for zeros there.
        process = subprocess.Popen(
            [program, *command[1:]],
            stdin=compressed,
            stdout=file.fileno(),
            stderr=subprocess.PIPE,
            env={**os.environ, "LC_ALL": "C"},
        )
        with process:
            try:
                resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (limit, limit))
            except ProcessLookupError:
                pass  # it has ended already, within any limit
            except BaseException:
                process.kill()
                raise
            try:
                _, complaint = process.communicate()
            except BaseException:
                process.kill()
                raise
    if process.returncode == 0:
        return
    text = complaint.decode(errors="replace")
    if process.returncode == -signal.SIGXFSZ or "File too large" in text:
        raise Malformed(name, None, f"at most {limit} bytes expanded", "more", hint="a decompression bomb?")
    if "space" in text:
        raise OSError(28, "No space left on device")
    if process.returncode < 0:
        raise ToolFailed(command[0], f"ended by signal {-process.returncode}")
    last = text.strip().rpartition("\n")[2].removeprefix(f"{command[0]}: (stdin): ").rstrip(".")
    raise Malformed(name, None, f"a whole {command[0]} stream", last[:200] or "a broken one")


def _evict(folder: Path, *, keep: Path) -> None:
    files: list[tuple[float, int, Path]] = []
    for path in folder.iterdir():
        try:
            status = path.stat()
        except OSError:
            continue
        if not path.name.startswith("."):
            files.append((status.st_mtime, status.st_blocks * 512, path))
    total = sum(size for _, size, _ in files)
    for _, size, path in sorted(files):
        if total <= CACHE_LIMIT:
            break
        if path != keep:
            path.unlink(missing_ok=True)
            total -= size
