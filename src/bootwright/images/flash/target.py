"""What an image is written to: a block device, or a file that takes its name when it is whole."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import struct
from pathlib import Path
from typing import Protocol

from bootwright.foundation.errors import Missing, Refused
from bootwright.foundation.processes.program import as_root
from bootwright.images.flash.devices import Device

# include/uapi/linux/fs.h and cdrom.h, Linux 6.12
_BLKRRPART = 0x125F
_BLKFLSBUF = 0x1261
_BLKZEROOUT = 0x127F
_CDROMEJECT = 0x5309

_NO_ZEROING = {errno.EOPNOTSUPP, errno.ENOTTY, errno.EINVAL}


class Target(Protocol):
    """Somewhere to write an image. Every method may raise `OSError`."""

    @property
    def name(self) -> str:
        """As the user gave it."""
        ...

    @property
    def identity(self) -> str:
        """The same for the same medium; compared when a write is resumed."""
        ...

    @property
    def capacity(self) -> int | None:
        """Bytes it holds; None where it grows."""
        ...

    def write(self, offset: int, data: memoryview) -> int:
        """Write at an offset; how many bytes were taken, as `pwrite` says."""
        ...

    def zero(self, offset: int, length: int) -> None:
        """Make a range read as zeros."""
        ...

    def read(self, offset: int, length: int) -> bytes:
        """Up to `length` bytes from an offset, as `pread` gives them."""
        ...

    def sync(self) -> None:
        """Return when everything written is on the medium."""
        ...

    def forget_cache(self) -> None:
        """Drop what is in memory, so that reading asks the medium."""
        ...

    def finish(self, size: int) -> None:
        """The image is whole and verified: give it its name, or have its partitions looked for."""
        ...

    def close(self, *, keep: bool) -> None:
        """Let go; `keep` what was written so far, for a later resume."""
        ...


class _Opened:
    """What both kinds do with their descriptor."""

    def __init__(self, handle: int) -> None:
        self.handle = handle

    def write(self, offset: int, data: memoryview) -> int:
        """See `Target.write`."""
        return os.pwrite(self.handle, data, offset)

    def read(self, offset: int, length: int) -> bytes:
        """See `Target.read`."""
        return os.pread(self.handle, length, offset)

    def sync(self) -> None:
        """See `Target.sync`: the data, and the size where it grew; times do not matter (fdatasync(2))."""
        os.fdatasync(self.handle)

    def forget_cache(self) -> None:
        """See `Target.forget_cache`: clean pages only, so `sync` comes first (posix_fadvise(2))."""
        os.posix_fadvise(self.handle, 0, 0, os.POSIX_FADV_DONTNEED)


class BlockTarget(_Opened):
    """A whole disk or card, held exclusively.

    `O_EXCL` on a block device fails where the kernel has it mounted or in use (open(2)); the lock keeps
    udev from probing it meanwhile (systemd.io/BLOCK_DEVICE_LOCKING). Raises `Refused` where either is had by
    somebody else, `Missing` where it cannot be opened.
    """

    def __init__(self, device: Device, path: Path) -> None:
        try:
            handle = os.open(path, os.O_RDWR | os.O_EXCL | os.O_CLOEXEC)
        except OSError as error:
            raise _cannot_open(path, error) from error
        super().__init__(handle)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.capacity: int | None = os.lseek(handle, 0, os.SEEK_END)
        except OSError as error:
            os.close(handle)
            raise Refused(
                f"{path} is in use by another program", hint="close what has it open (a disk utility?)"
            ) from error
        self.name = str(path)
        self.identity = f"device {device.name} {device.model} {device.serial} {self.capacity}"
        self._zeroes = True

    def zero(self, offset: int, length: int) -> None:
        """See `Target.zero`: the device does it itself where it can (block/ioctl.c, BLKZEROOUT)."""
        if self._zeroes and not offset % 4096 and not length % 4096:
            try:
                fcntl.ioctl(self.handle, _BLKZEROOUT, struct.pack("QQ", offset, length))
            except OSError as error:
                if error.errno not in _NO_ZEROING:
                    raise
                self._zeroes = False
            else:
                return
        view = memoryview(bytes(length))
        done = 0
        while done < length:
            count = os.pwrite(self.handle, view[done:], offset + done)
            if not count:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            done += count

    def forget_cache(self) -> None:
        """See `Target.forget_cache`."""
        super().forget_cache()
        with contextlib.suppress(OSError):  # needs CAP_SYS_ADMIN; the call above did most of it
            fcntl.ioctl(self.handle, _BLKFLSBUF, 0)

    def finish(self, size: int) -> None:  # noqa: ARG002
        """See `Target.finish`. A device without partitions to look for says EINVAL; it does not matter."""
        with contextlib.suppress(OSError):
            fcntl.ioctl(self.handle, _BLKRRPART, 0)

    def close(self, *, keep: bool) -> None:  # noqa: ARG002
        """See `Target.close`."""
        os.close(self.handle)


class FileTarget(_Opened):
    """A file, written under a hidden name beside it and renamed when it is whole.

    Raises `Missing` where it cannot be written, `Refused` where another bootwright is writing it.
    """

    capacity: int | None = None

    def __init__(self, path: Path, *, resume: bool) -> None:
        self.name = str(path)
        self.path = path
        self.part = path.with_name(f".{path.name[:200]}.flash-part")
        try:
            handle = os.open(self.part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
        except OSError as error:
            raise _cannot_open(self.part, error) from error
        super().__init__(handle)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(handle)
            raise Refused(f"another bootwright is writing {path}", hint="wait for it to end") from error
        if not resume:
            os.ftruncate(handle, 0)
        self.identity = f"file {self.part.resolve()} {os.fstat(handle).st_ino}"

    def zero(self, offset: int, length: int) -> None:
        """See `Target.zero`: a hole."""
        if offset < os.fstat(self.handle).st_size:
            # Left over from a write that is resumed; whatever it is, it must read as zeros.
            view = memoryview(bytes(length))
            while view:
                count = os.pwrite(self.handle, view, offset)
                offset, view = offset + count, view[count:]
        else:
            os.ftruncate(self.handle, offset + length)

    def finish(self, size: int) -> None:
        """See `Target.finish`."""
        os.ftruncate(self.handle, size)
        os.fsync(self.handle)
        self.part.replace(self.path)
        folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def close(self, *, keep: bool) -> None:
        """See `Target.close`."""
        empty = os.fstat(self.handle).st_size == 0
        os.close(self.handle)
        if empty or not keep:
            self.part.unlink(missing_ok=True)


def eject(path: Path) -> bool:
    """Ask the drive to eject its medium (`eject`); False where it has no such command.

    Cards in a slot of their own have none: once everything is synced they can be taken out.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.ioctl(handle, _CDROMEJECT, 0)
    except OSError:
        return False
    finally:
        os.close(handle)
    return True


def is_block_device(path: Path) -> bool:
    """Whether a path is a block device; False where there is nothing.

    Raises `Refused` for what is neither a block device nor a regular file.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        if path.is_relative_to("/dev"):
            raise Missing(
                f"there is no device {path}", hint="see `bootwright flash --list`; is the card in?"
            ) from None
        return False
    except OSError as error:
        raise _cannot_open(path, error) from error
    if stat.S_ISBLK(mode):
        return True
    if not stat.S_ISREG(mode):
        raise Refused(f"{path} is neither a disk nor a file", hint="see `bootwright flash --list`")
    return False


def _cannot_open(path: Path, error: OSError) -> Missing | Refused:
    if error.errno == errno.EBUSY:
        return Refused(f"{path} is in use: mounted, or part of something else", hint="unmount it first")
    if error.errno == errno.EROFS:
        return Refused(f"{path} is read-only", hint="is the card's lock switch set?")
    root = " ".join(as_root())
    hint = f"writing to a disk needs root: {root} flash …" if os.geteuid() else "check the name"
    if error.errno in {errno.ENOMEDIUM, errno.ENXIO}:
        return Missing(f"there is no medium in {path}", hint="put the card in")
    return Missing(f"cannot write {path}: {error.strerror}", hint=hint)
