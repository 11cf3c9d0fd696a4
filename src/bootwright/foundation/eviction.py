"""Keeping a folder of the cache within a size: what was used least recently goes first."""

from __future__ import annotations

import time
from pathlib import Path

_STALE = 86400
"""Seconds after which an unfinished file is one that a killed process left behind."""


def evict(folder: Path, *, keep: Path, limit: int) -> None:
    """Remove files of `folder` by the time of their last use, until all take at most `limit` bytes of disk.

    Whoever uses a file again sets its time (`os.utime`). `keep` is never removed. Unfinished files, whose
    names begin with a dot, are removed when they are a day old.
    """
    files: list[tuple[float, int, Path]] = []
    for path in folder.iterdir():
        try:
            status = path.stat()
        except OSError:
            continue
        if not path.name.startswith("."):
            files.append((status.st_mtime, status.st_blocks * 512, path))
        elif time.time() - status.st_mtime > _STALE:
            path.unlink(missing_ok=True)
    total = sum(size for _, size, _ in files)
    for _, size, path in sorted(files):
        if total <= limit:
            break
        if path != keep:
            path.unlink(missing_ok=True)
            total -= size
