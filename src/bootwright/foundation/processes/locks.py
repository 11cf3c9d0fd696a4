"""Locks between processes, on files: whoever comes second waits, and says so."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from bootwright.foundation import atomic
from bootwright.foundation.progress import Progress


@contextlib.contextmanager
def locked(path: Path, progress: Progress, *, shared: bool = False) -> Iterator[None]:
    """Hold the lock that a file of this name stands for; it is made where it is not there, and stays.

    Several may hold it `shared`. It ends with the process, however that ends. Raises `Refused` or `Missing`
    where the file cannot be made.
    """
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise atomic.explained(error, path) from error
    try:
        try:
            fcntl.flock(handle, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            progress.note("another bootwright is at work on this; waiting for it")
            fcntl.flock(handle, kind)
        yield
    finally:
        os.close(handle)
