"""Copies that take no more disk space than the data: by reflink where possible, else without the holes."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from attrs import frozen

from bootwright.foundation import atomic

_FICLONE = 0x40049409  # linux/fs.h: _IOW(0x94, 9, int)
_CHUNK = 4 << 20
_HOLE = 64 << 10
_ZEROS = bytes(_HOLE)


@frozen
class Copied:
    """How a copy was made."""

    how: str
    """`reflink` or `sparse`."""
    written: int
    """Bytes of data written; 0 for a reflink."""


def data_ranges(handle: int, start: int, size: int) -> Iterator[tuple[int, int]]:
    """(offset, bytes) of the data between holes, by lseek(2) SEEK_DATA; the whole range where holes are
    not reported."""
    position, end = start, start + size
    while position < end:
        try:
            data = os.lseek(handle, position, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return
            data = position
        if data >= end:
            return
        hole = min(os.lseek(handle, data, os.SEEK_HOLE), end)
        yield data, hole - data
        position = hole


def clone(source: int, target: int) -> Copied:
    """Make the file open as `target` (empty) a copy of the one open as `source`."""
    try:
        fcntl.ioctl(target, _FICLONE, source)
    except OSError:
        size = os.fstat(source).st_size
        os.truncate(target, size)
        return Copied("sparse", copy_range(source, 0, size, target, 0))
    return Copied("reflink", 0)


def copy_range(source: int, start: int, size: int, target: int, at: int) -> int:
    """Copy the data of a range into a range of `target` that holds nothing; returns the bytes written.

    Runs of zeros of 64 KiB are left out, whether or not the source has them as holes.
    """
    written = 0
    for offset, length in data_ranges(source, start, size):
        position = offset
        while position < offset + length:
            chunk = os.pread(source, min(_CHUNK, offset + length - position), position)
            if not chunk:
                return written
            written += _write_data(target, chunk, at + position - start)
            position += len(chunk)
    return written


def replace_range(source: int, size: int, target: int, at: int, space: int) -> int:
    """Put the first `size` bytes of `source` at `at` of `target` and make the rest of `space` bytes zeros.

    What was there is removed by punching a hole where the file system can. Returns the bytes written.
    """
    clear(target, at, space)
    return copy_range(source, 0, size, target, at)


def clear(handle: int, at: int, size: int) -> None:
    """Make a range read as zeros, without taking disk space where the file system can punch holes."""
    if not _punched(handle, at, size):
        for offset, length in list(data_ranges(handle, at, size)):
            for start in range(offset, offset + length, _CHUNK):
                os.pwrite(handle, bytes(min(_CHUNK, offset + length - start)), start)


def _punched(handle: int, at: int, size: int) -> bool:
    import ctypes

    # linux/falloc.h: FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE
    library = ctypes.CDLL(None, use_errno=True)
    library.fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
    return int(library.fallocate(handle, 1 | 2, at, size)) == 0


def _write_data(target: int, chunk: bytes, at: int) -> int:
    written = 0
    start: int | None = None
    for begin in range(0, len(chunk), _HOLE):
        piece = chunk[begin : begin + _HOLE]
        if piece == _ZEROS[: len(piece)]:
            if start is not None:
                written += _write_all(target, chunk[start:begin], at + start)
                start = None
        elif start is None:
            start = begin
    if start is not None:
        written += _write_all(target, chunk[start:], at + start)
    return written


def _write_all(target: int, data: bytes, at: int) -> int:
    view = memoryview(data)
    done = 0
    while done < len(view):
        done += os.pwrite(target, view[done:], at + done)
    return done


def extract(image: Path, offset: int, size: int, to: Path) -> None:
    """A range of `image` as a sparse file of its own; raises `Missing` for a full disk."""
    try:
        source = os.open(image, os.O_RDONLY | os.O_CLOEXEC)
        try:
            target = os.open(to, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            try:
                os.truncate(target, size)
                copy_range(source, offset, size, target, 0)
            finally:
                os.close(target)
        finally:
            os.close(source)
    except OSError as error:
        raise atomic.explained(error, to) from error
