"""The cache: its parts by name, how large each may grow, and what goes first when one is full.

Everything here can be fetched or made again, is named by what it was made of, and appears atomically. A part
with a limit is held below it whenever something is added: what was used least recently goes first. Kernels
and downloads have none: they are removed by name (`bootwright kernels remove`), or with `bootwright cache
clear`.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from attrs import frozen

from bootwright.foundation.atomic import explained, write_bytes
from bootwright.foundation.places import cache_dir
from bootwright.foundation.processes.locks import locked
from bootwright.foundation.processes.work_folder import sweep, work_folder
from bootwright.foundation.progress import Progress

_MB = 10**6
_WORK = ".work-"
"""How the names of unfinished folders begin."""
_STALE = 86400
"""Seconds after which an unfinished file is one that a killed process left behind."""
_TRUSTED = 60.0
"""Seconds for which the measured size of a part counts, and only what is added here is added to it."""
_measured: dict[Path, tuple[float, int]] = {}
"""Folder of a part → when it was measured (`time.monotonic`), and the bytes with what came since."""


@frozen
class Part:
    """One part of the cache."""

    name: str
    """Its folder, relative to the cache."""
    holds: str
    """What it is for, in a few words."""
    limit: int | None
    """Bytes of disk that it may take; None: it grows until something is removed by name."""

    def folder(self) -> Path:
        """Where it is; it need not be there."""
        return cache_dir() / self.name

    def entries(self) -> Iterator[tuple[float, int, Path]]:
        """(time of the last use, bytes of disk, path) of each file or folder directly in it."""
        try:
            paths = list(self.folder().iterdir())
        except OSError:
            return
        for path in paths:
            try:
                yield path.stat().st_mtime, _taken(path), path
            except OSError:
                continue

    def size(self) -> int:
        """Bytes of disk that it takes."""
        return sum(size for _, size, _ in self.entries())

    def sweep_unfinished(self) -> None:
        """Remove the folders that killed processes left unfinished."""
        with contextlib.suppress(OSError):  # there is none yet
            sweep(self.folder(), _WORK)

    def kept(self, name: str, make: Callable[[], bytes]) -> Path:
        """The file of that name; made, and the part held below its limit, where it is not there yet.

        In `folder/file` the folder is the entry: it is used, and evicted, as a whole.
        """
        path = self.folder() / name
        if path.is_file():
            self.used(path)
        else:
            self.write(path, make())
        return path

    def write(self, path: Path, data: bytes) -> None:
        """Put a file of the part in place, and hold the part below its limit."""
        write_bytes(path, data)
        self.evict(keep=path)

    def read(self, path: Path) -> bytes:
        """A file of the part, which is thereby used; raises `OSError` where it is not there."""
        data = path.read_bytes()
        self.used(path)
        return data

    def fetched_folder(
        self, name: str, fill: Callable[[Path], None], sha256: str, progress: Progress
    ) -> Path:
        """`kept_folder`, for what `fill` makes of the download of that SHA256.

        Of several processes one is at it at a time: they would write into the same unfinished download.
        """
        if (self.folder() / name).is_dir():
            return self.kept_folder(name, fill)
        with locked(self.folder() / f".{sha256}.lock", progress):
            return self.kept_folder(name, fill)

    def kept_folder(self, name: str, fill: Callable[[Path], None]) -> Path:
        """The folder of that name; where it is not there yet, `fill` writes its files into an empty one.

        It appears only once `fill` has returned; what killed processes left unfinished here is removed.
        Raises what `fill` raises, and `Refused` where files cannot be written.
        """
        path = self.folder() / name
        if path.is_dir():
            self.used(path)
            return path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with work_folder(path.parent, _WORK) as temporary:
                work = temporary / "files"
                work.mkdir()
                fill(work)
                try:
                    work.rename(path)
                except OSError:
                    if not path.is_dir():  # otherwise another process made the same first
                        raise
        except OSError as error:
            raise explained(error, path) from error
        self.evict(keep=path)
        return path

    def used(self, path: Path) -> None:
        """Note that the entry which `path` is, or is in, was used now."""
        with contextlib.suppress(OSError):
            os.utime(self.folder() / path.relative_to(self.folder()).parts[0])

    def evict(self, *, keep: Path) -> None:
        """Hold the part below its limit, by removing what was used least recently; `keep` stays.

        Whoever uses an entry again sets its time (`os.utime`). What killed processes left unfinished is
        removed: folders now, files, whose names begin with a dot, when they are a day old.

        Thousands of files are not measured for every one that is added: a part that was measured within the
        last minute, and has room by that, is left alone. What other processes add meanwhile may exceed the
        limit until then.
        """
        if self.limit is None or self._has_room(keep):
            return
        self.sweep_unfinished()
        whole: list[tuple[float, int, Path]] = []
        for used, size, path in self.entries():
            if not path.name.startswith("."):
                whole.append((used, size, path))
            elif time.time() - used > _STALE:
                _remove(path)
        total = sum(size for _, size, _ in whole)
        for _, size, path in sorted(whole):
            if total <= self.limit:
                break
            if path != keep and path not in keep.parents:
                _remove(path)
                total -= size
        _measured[self.folder()] = time.monotonic(), total

    def _has_room(self, added: Path) -> bool:
        """Whether the part was measured lately, and is within its limit with the entry that was added."""
        folder = self.folder()
        at, total = _measured.get(folder, (0.0, 0))
        if folder not in _measured or time.monotonic() - at > _TRUSTED:
            return False
        with contextlib.suppress(OSError, ValueError):
            total += _taken(folder / added.relative_to(folder).parts[0])
        _measured[folder] = at, total
        return self.limit is not None and total <= self.limit

    def drop(self, name: str) -> None:
        """Remove the entry of that name, where there is one."""
        _remove(self.folder() / name)

    def clear(self) -> None:
        """Remove everything in it."""
        for _, _, path in self.entries():
            _remove(path)


KERNELS = Part("kernels", "kernels of archives and your own, the archives' indexes", None)
PARTS = Part("parts", "boot loaders and stubs", None)
EXPANDED = Part("expanded", "compressed images and archives, expanded", 24_000 * _MB)
FETCHED = Part("fetched", "artifacts of web servers", 24_000 * _MB)
GIVEN_KERNELS = Part("given/kernels", "kernel files of your own, unpacked", 4_000 * _MB)
GIVEN_IMAGES = Part("given/images", "kernel images taken out of artifacts, bare", 2_000 * _MB)
GIVEN_MODULES = Part("given/modules", "modules taken out of artifacts", 4_000 * _MB)
GIVEN_TREES = Part("given/trees", "devicetrees and overlays taken out of artifacts", 200 * _MB)
GIVEN_FOLDERS = Part(
    "given/folders", "kernels of registries and web servers, laid out as packages", 4_000 * _MB
)
GIVEN_CONFIGS = Part("given/configs", "kernel configurations taken out of artifacts", 100 * _MB)
INITRAMFS = Part("initramfs", "initramfs archives of boots", 3_000 * _MB)
CONTENTS = Part("contents", "modules and file systems for probes", 1_000 * _MB)
MODULES = Part("modules", "indexes of kernels' modules", 1_000 * _MB)
DEMANDS = Part("demands", "what drivers' code asks of the devicetree", 500 * _MB)
MESSAGES = Part("messages", "messages that kernels can print", 200 * _MB)
GATE = Part("gate", "symbols and signatures that modules are checked against", 500 * _MB)
DRIVERS = Part("drivers", "drivers and match tables of kernels", 500 * _MB)
FILESYSTEMS = Part("filesystems", "file systems for guests to mount", 500 * _MB)
DEVICETREES = Part("devicetrees", "compiled devicetrees of plans", 100 * _MB)
TREES = Part("trees", "devicetrees of other trees, fetched", 500 * _MB)
TRUTH = Part("truth", "devicetrees that truth is recorded with", 100 * _MB)
PROBES = Part("probes", "compiled programs that run in guests", 200 * _MB)
FUNCTIONS = Part("functions", "where the functions of kernels are, for traces", 200 * _MB)
ANSWERS = Part("answers", "what kernels answered to probes, by cold boots", 100 * _MB)
SNAPSHOTS = Part("snapshots", "kernels that wait for a probe, as snapshots of their machines", 4_000 * _MB)
KERNEL_TREES = Part("kernel-trees", "kernel sources, unpacked", 8_000 * _MB)
KERNEL_BUILDS = Part("kernel-builds", "kernels as far as they are built, patched sources", 16_000 * _MB)
KERNEL_SYMBOLS = Part("kernel-symbols", "vmlinux, System.map and logs of kernels built here", 4_000 * _MB)
QEMU = Part("qemu", "versions and machines of installed QEMUs", 1 * _MB)
KNOWLEDGE = Part("knowledge", "the product's own knowledge files, parsed", 20 * _MB)
DIGESTS = Part("digests", "hashes of images that were looked at", 10 * _MB)
NPM = Part("npm", "npm packages that the page in the browser is made of", 500 * _MB)
UPSTREAMS = Part("upstreams", "mirrors of repositories that are watched", None)
FLASH = Part("flash", "how far writes to cards have come", None)

ALL_PARTS = (
    KERNELS, PARTS, EXPANDED, FETCHED, GIVEN_KERNELS, GIVEN_IMAGES, GIVEN_MODULES, GIVEN_TREES, GIVEN_CONFIGS,
    GIVEN_FOLDERS, INITRAMFS, CONTENTS, MODULES, DRIVERS, DEMANDS, MESSAGES, GATE, FILESYSTEMS, DEVICETREES,
    TREES, TRUTH, PROBES, FUNCTIONS, ANSWERS, SNAPSHOTS, KERNEL_TREES, KERNEL_BUILDS, KERNEL_SYMBOLS, QEMU,
    KNOWLEDGE, DIGESTS, NPM, UPSTREAMS, FLASH,
)  # fmt: skip


def _taken(path: Path) -> int:
    if not path.is_dir():
        return path.stat().st_blocks * 512
    return sum(file.lstat().st_blocks * 512 for file in path.rglob("*") if not file.is_symlink())


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        import shutil  # slow to import too

        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
