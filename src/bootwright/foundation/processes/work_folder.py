"""Folders for work under way: gone when it ends, and where its process was killed, with the next one.

Such a folder is locked as long as its process lives; one that nobody has locked was left behind.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@contextlib.contextmanager
def work_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """A new, empty folder in `parent`, removed with what it holds when the block is left.

    Those of the same prefix that killed processes of this user left are removed first. Raises `OSError`.
    """
    import shutil  # slow to import, and the cache imports this module

    sweep(parent, prefix)
    folder, handle = _locked(parent, prefix)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(handle)


def temporary_folder(parent: Path | None = None) -> contextlib.AbstractContextManager[Path]:
    """A folder for work, by default in the system's place for temporary files; raises `OSError`."""
    import tempfile

    return work_folder(parent or Path(tempfile.gettempdir()), "bootwright-work-")


def _locked(parent: Path, prefix: str) -> tuple[Path, int]:
    import tempfile

    while True:
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
        try:
            handle = os.open(folder, _OPEN)
        except FileNotFoundError:  # another process swept it in the moment before it was locked
            continue
        with contextlib.suppress(OSError):  # a file system without locks: nothing is swept there either
            fcntl.flock(handle, fcntl.LOCK_EX)
        if _is(folder, handle):
            return folder, handle
        os.close(handle)


def sweep(parent: Path, prefix: str) -> None:
    """Remove the folders of that prefix which killed processes of this user left; raises `OSError`."""
    import shutil

    with os.scandir(parent) as entries:
        left = [Path(entry.path) for entry in entries if entry.name.startswith(prefix)]
    for folder in left:
        with contextlib.suppress(OSError):
            handle = os.open(folder, _OPEN)
            try:
                if os.fstat(handle).st_uid == os.geteuid():
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(handle)


def _is(folder: Path, handle: int) -> bool:
    """Whether the path still names the open folder."""
    try:
        return os.path.samestat(folder.stat(), os.fstat(handle))
    except OSError:
        return False
