"""Files that are either whole or not there, and what may be written at all.

What a user names as an output may be more than a new file: `/dev/stdout`, a named pipe, a terminal, a link.
A regular file is replaced, also behind a link, which stays; to what takes a stream the finished bytes are
written; a folder, a block device or a socket is refused. What a killed writer of the same file left beside it
is removed: an unfinished file whose lock nobody holds.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from bootwright.foundation.errors import Refused, Unequipped

_OWN = {"/dev/stdin": 0, "/dev/stdout": 1, "/dev/stderr": 2}
_DESCRIPTOR = re.compile(r"/(?:dev|proc/(?:self|thread-self|\d+))/fd/(\d{1,9})")
_SUFFIX = ".part"
_MOST_LINKS = 40
"""As many as Linux follows (MAXSYMLINKS, include/linux/namei.h)."""


@contextlib.contextmanager
def new_file(path: Path, *, mode: int = 0o644) -> Iterator[IO[bytes]]:
    """Open a temporary file that takes the name `path` only when the block ends without an error.

    The data is on disk before the name is. Where `path` is a terminal, a character device, a pipe or one of
    our own descriptors, the bytes are copied there at the end instead. Raises `Missing` when the disk is
    full, and `Refused` for a `path` that can be neither.
    """
    target, stream = _destination(path)
    if stream is not None:
        import tempfile  # slow to import, and this module is imported for its errors too

        with tempfile.SpooledTemporaryFile(max_size=1 << 24) as held:
            yield held
            held.seek(0)
            _copy_to(stream, held, path)
        return
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _sweep(target)
        handle, temporary = _unfinished(target)
    except OSError as error:
        raise explained(error, path) from error
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            temporary.chmod(mode)
            temporary.replace(target)  # while the lock is held
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise explained(error, path) from error
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _prefix(target: Path) -> str:
    return f".{target.name[:80]}."


def _unfinished(target: Path) -> tuple[int, Path]:
    """An open temporary file beside the target; its lock says that its writer lives."""
    while True:
        import tempfile

        handle, name = tempfile.mkstemp(prefix=_prefix(target), suffix=_SUFFIX, dir=target.parent)
        with contextlib.suppress(OSError):  # a file system without locks: nothing is swept there either
            fcntl.flock(handle, fcntl.LOCK_EX)
        if os.fstat(handle).st_nlink:
            return handle, Path(name)
        os.close(handle)  # another process swept it in the moment before it was locked


def _sweep(target: Path) -> None:
    """Remove what killed writers of this file left; what a living one holds is locked, and stays."""
    form = re.compile(re.escape(_prefix(target)) + r"[a-z0-9_]{8}" + re.escape(_SUFFIX))
    with os.scandir(target.parent) as entries:
        left = [target.parent / entry.name for entry in entries if form.fullmatch(entry.name)]
    for path in left:
        with contextlib.suppress(OSError):
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()
            finally:
                os.close(handle)


def check_new(path: Path, *, force: bool) -> None:
    """Raise `Refused` unless `path` can become a new regular file: before long work, and never by surprise.

    With `force` a regular file that is there may be replaced; anything else that is there may not.
    """
    if final(path).exists() and not force:
        raise Refused(f"{path} exists", hint="choose another name, or replace it with --force")


def final(path: Path) -> Path:
    """The file that `path` names once links are followed; raises `Refused` where that is no regular file."""
    target, stream = _destination(path)
    if stream is not None:
        raise Refused(f"{path} is {_kind(path)}, not a file", hint="an image needs a file of its own")
    return target


def _destination(path: Path) -> tuple[Path, int | Path | None]:
    """(the file to replace, None), or (as given, the descriptor or the path to write a stream to)."""
    target = path
    for _ in range(_MOST_LINKS):
        text = os.path.normpath(target.absolute())
        own = _OWN.get(text)
        match = _DESCRIPTOR.fullmatch(text)
        if own is not None:
            return path, own
        if match is not None and (target.parent.samefile("/proc/self/fd") if target.parent.exists() else 0):
            return path, int(match[1])
        try:
            if not target.is_symlink():
                break
            target = target.parent / target.readlink()
        except OSError as error:
            raise explained(error, path) from error
    else:
        raise Refused(f"{path} is a link that leads to itself", hint="choose another name")
    try:
        kind = target.stat().st_mode
    except FileNotFoundError:
        return target, None
    except OSError as error:
        raise explained(error, path) from error
    if stat.S_ISREG(kind):
        return target, None
    if stat.S_ISCHR(kind) or stat.S_ISFIFO(kind):
        return path, target
    raise Refused(f"{path} is {_kind(path)}, not a file", hint="choose the name of a file")


def _kind(path: Path) -> str:
    try:
        mode = path.stat().st_mode
    except OSError:
        return "a stream"
    names = {
        stat.S_IFDIR: "a folder",
        stat.S_IFBLK: "a block device",
        stat.S_IFCHR: "a character device",
        stat.S_IFIFO: "a pipe",
        stat.S_IFSOCK: "a socket",
    }
    return names.get(stat.S_IFMT(mode), "a stream")


def _copy_to(stream: int | Path, held: IO[bytes], path: Path) -> None:
    try:
        # A descriptor is written to as it is: opened anew, a file behind it would start over.
        handle = os.dup(stream) if isinstance(stream, int) else os.open(stream, os.O_WRONLY | os.O_NOCTTY)
        with os.fdopen(handle, "wb") as file:
            while piece := held.read(1 << 20):
                file.write(piece)
    except OSError as error:
        raise explained(error, path) from error


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
        return Unequipped(
            f"no space left to write {path}",
            hint="free some space, or set BOOTWRIGHT_CACHE and --out to a folder on a larger disk",
        )
    if error.errno == errno.EPIPE:
        return Unequipped(f"nobody reads {path} any more", hint="keep its reader running")
    if error.errno in {errno.EBADF, errno.ELOOP, errno.ENXIO}:
        return Unequipped(f"cannot write {path}: {error.strerror}", hint="choose another name")
    if error.errno in {errno.EACCES, errno.EROFS, errno.EPERM, errno.ENOTDIR, errno.EEXIST, errno.EISDIR}:
        return Unequipped(
            f"cannot write {path}: {error.strerror}", hint="choose a folder that you can write to"
        )
    return error
