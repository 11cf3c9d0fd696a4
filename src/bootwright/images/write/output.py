"""Where an output image is made before it takes its name: a work folder beside it, and disk space for it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from bootwright.foundation import atomic
from bootwright.foundation.atomic import new_file
from bootwright.foundation.errors import Unequipped
from bootwright.foundation.progress import Progress
from bootwright.images.write.raw_image import compress, is_compressed


@contextlib.contextmanager
def work_folder(output: Path, progress: Progress) -> Iterator[Path]:
    """An empty folder on the output's file system, removed at the end.

    What killed runs for the same output left is removed first: a folder whose lock nobody holds. Where the
    output's folder is not there it is made, which is said: the name may have a slip in it.
    """
    output = atomic.final(output)
    prefix = f".{output.name[:60]}.work-"
    is_new = not output.parent.exists()
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        _sweep(output.parent, prefix)
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=output.parent.resolve()))
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        if is_new:
            progress.note(f"the folder {output.parent} was not there and is made")
    except OSError as error:
        raise atomic.explained(error, output) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder
    except OSError as error:
        raise atomic.explained(error, output) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)
        if is_new:
            with contextlib.suppress(OSError):
                output.parent.rmdir()  # where nothing came of it


def _sweep(folder: Path, prefix: str) -> None:
    for path in folder.iterdir():
        if not path.name.startswith(prefix) or path.is_symlink() or not path.is_dir():
            continue
        try:
            handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path, ignore_errors=True)
        except OSError:
            pass  # another run is at work in it
        finally:
            os.close(handle)


@contextlib.contextmanager
def whole_image(
    output: Path, work: Path, progress: Progress, judge: Callable[[Path], None] | None = None
) -> Iterator[IO[bytes]]:
    """A new image to write to, which takes the name `output` when the block ends without an error.

    It is compressed where that name ends in .xz, .zst or .gz. `judge` sees it before, uncompressed: what it
    raises leaves nothing behind.
    """
    path = work / "image"
    with new_file(path) as file:
        yield file
    if judge is not None:
        judge(path)
    if is_compressed(output):
        path = compress(path, output, progress)
    path.replace(atomic.final(output))


def check_space(output: Path, need: int, progress: Progress) -> None:
    """Say how many bytes are needed at the peak, and raise `Missing` where the disk has not so many."""
    free = shutil.disk_usage(output.parent.resolve()).free
    progress.note(
        f"needs at most {need / 1e6:.0f} MB on the disk of {output.parent}; {free / 1e6:.0f} are free"
    )
    if need > free:
        raise Unequipped(
            f"no space left to write {output}: {need / 1e6:.0f} MB are needed, {free / 1e6:.0f} MB are free",
            hint="free some space, or choose another folder for the output",
        )
