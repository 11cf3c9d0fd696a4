"""Files that are either whole or not there."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from bootwright.foundation.errors import Missing


@contextlib.contextmanager
def new_file(path: Path, *, mode: int = 0o644) -> Iterator[IO[bytes]]:
    """Open a temporary file that takes the name `path` only when the block ends without an error.

    The data is on disk before the name is. Raises `Missing` when the disk is full.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name[:80]}.", suffix=".part", dir=path.parent)
    except OSError as error:
        raise explained(error, path) from error
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(mode)
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise explained(error, path) from error
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data` to `path`, whole or not at all."""
    with new_file(path) as file:
        file.write(data)


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8 to `path`, whole or not at all."""
    write_bytes(path, text.encode())


def explained(error: OSError, path: Path) -> Exception:
    """The `OSError` of writing `path` in words for the user, where they are known; else the error itself."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return Missing(
            f"no space left to write {path}",
            hint="free some space, or set BOOTWRIGHT_CACHE and --out to a folder on a larger disk",
        )
    if error.errno in {errno.EACCES, errno.EROFS, errno.EPERM, errno.ENOTDIR, errno.EEXIST}:
        return Missing(f"cannot write {path}: {error.strerror}", hint="choose a folder that you can write to")
    return error
