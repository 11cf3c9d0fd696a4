"""Expanded files in the cache: sparse, made once, named by the hash of the compressed bytes.

Runs of zeros become holes, so that a 2.4 GB image of which 200 MB are used takes 200 MB. A file on this
machine is expanded by the `xz` or `zstd` program where there is one (`xz -dc` writes holes by itself);
anything else, such as an initramfs inside a partition, in this process.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, TypeGuard

from bootwright.formats.sources.bytesource import ByteSource, FileBytes
from bootwright.formats.sources.growing import COMMANDS, Growing, check_end, start_program
from bootwright.foundation import tools
from bootwright.foundation.atomic import new_file
from bootwright.foundation.cache import EXPANDED
from bootwright.foundation.progress import Progress, Silent

_CHUNK = 1 << 20
_HOLE = 1 << 16
"""Zeros are looked for in pieces of this size, a multiple of every file system's block."""

_ZEROS = bytes(_CHUNK)


class Renamed:
    """A source under another name."""

    def __init__(self, source: ByteSource, name: str) -> None:
        self._source = source
        self._name = name

    @property
    def name(self) -> str:
        """The name it was given."""
        return self._name

    @property
    def size(self) -> int:
        """See `ByteSource.size`."""
        return self._source.size

    def read(self, offset: int, size: int) -> bytes:
        """See `ByteSource.read`."""
        return self._source.read(offset, size)


def digest(source: ByteSource) -> str:
    """SHA-256 of the whole source, in hexadecimal."""
    total = hashlib.sha256()
    for start in range(0, source.size, 4 * _CHUNK):
        total.update(source.read(start, min(4 * _CHUNK, source.size - start)))
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
        if can_grow(source, kind):
            process = start_program(kind, source.name, file.fileno(), limit=limit)
            try:
                check_end(process, source.name, limit)
            except BaseException:
                process.kill()
                process.wait()
                raise
        else:
            _write_sparse(chunks, file, progress)
    EXPANDED.evict(keep=path)
    return Renamed(FileBytes(path), name)


def spool_checked(
    chunks: Iterable[bytes], check: Callable[[], None], *, key: str, name: str, progress: Progress
) -> ByteSource:
    """Put bytes as they come into the cache; they are kept once `check`, called after the last, has returned.

    Raises what `chunks` and `check` raise, and `Missing` for a full disk.
    """
    path = _folder() / key
    with new_file(path, mode=0o600) as file:
        _write_sparse(chunks, file, progress)
        check()
    EXPANDED.evict(keep=path)
    return Renamed(FileBytes(path), name)


def can_grow(source: ByteSource, kind: str) -> TypeGuard[FileBytes]:
    """Whether a program can expand it: a file of this machine, in a format there is a program for."""
    command = COMMANDS.get(kind)
    return command is not None and isinstance(source, FileBytes) and tools.find(command[0]) is not None


def holds(size: int) -> bool:
    """Whether the cache has any file of that size: if not, nothing is to be gained from a hash."""
    return any(path.stat().st_size == size for path in _folder().glob("[0-9a-f]*"))


def grow(source: FileBytes, kind: str, *, name: str, size: int, progress: Progress | None = None) -> Growing:
    """Begin to expand `source` into the cache; see `Growing`, and `keep` for the end."""
    return Growing(kind, source, _folder(), name=name, size=size, progress=progress)


def keep(growing: Growing, key: str) -> None:
    """Wait for a growing file and keep it as `key`; raises `Malformed` for a broken stream."""
    growing.finish(key)
    EXPANDED.evict(keep=_folder() / key)


def _folder() -> Path:
    return EXPANDED.folder()


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
