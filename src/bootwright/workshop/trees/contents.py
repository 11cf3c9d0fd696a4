"""What the files of a folder are, as one hash: of a source that no version control knows.

A whole kernel is 90,000 files of 1.5 GB. They are read once: as long as no file's times, size and number
(inode) change, the answer is kept.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from bootwright.foundation.cache import DIGESTS

_SETTLED = 2.0
"""Seconds. What changed later than that before it was looked at may change again with the same times."""
_DIGITS = 64


def content(folder: Path) -> str:
    """SHA256 over the names, kinds and contents of all files, but for `.git`; raises `OSError`."""
    now = time.time()
    files = list(_files(str(folder), ""))
    stamps = hashlib.sha256(os.fsencode(folder.resolve()))
    for name, _, state in files:
        facts = (name, state.st_mode, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns)
        stamps.update(repr(facts).encode("utf-8", "surrogateescape"))
    kept = DIGESTS.folder() / f"tree-{stamps.hexdigest()}"
    with contextlib.suppress(OSError, UnicodeDecodeError):
        known = DIGESTS.read(kept).decode("ascii")
        if len(known) == _DIGITS:
            return known
    digest = _digest(files)
    if max((state.st_ctime for _, _, state in files), default=now) < now - _SETTLED:
        DIGESTS.write(kept, digest.encode())
    return digest


def _digest(files: list[tuple[str, str, os.stat_result]]) -> str:
    digest = hashlib.sha256()
    for name, path, state in files:
        digest.update(f"{name}\0".encode("utf-8", "surrogateescape"))
        if stat.S_ISLNK(state.st_mode):
            digest.update(b"link " + os.fsencode(os.readlink(path)) + b"\0")  # noqa: PTH115 - exact, and quick
        else:
            with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - as above
                digest.update(hashlib.file_digest(file, "sha256").digest())
            digest.update(b"x" if state.st_mode & 0o100 else b"-")
    return digest.hexdigest()


def _files(folder: str, prefix: str) -> Iterator[tuple[str, str, os.stat_result]]:
    """Relative name, path and state of each file and link: those of a folder by name, then its folders'.

    Texts instead of path objects: these would take longer than the files.
    """
    with os.scandir(folder) as listing:
        entries = sorted(listing, key=lambda entry: entry.name)
    folders = []
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            folders.append(entry)
        elif entry.is_symlink() or entry.is_file(follow_symlinks=False):
            yield prefix + entry.name, entry.path, entry.stat(follow_symlinks=False)
    for entry in folders:
        if entry.name != ".git":
            yield from _files(entry.path, f"{prefix}{entry.name}/")
