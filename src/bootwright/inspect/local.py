"""What lies elsewhere (`http(s)://`, `oci://`), as files of this machine for whoever needs files.

A kernel with what belongs to it becomes a folder laid out as its package would be; a disk image a file. Both
are kept in the cache under names made of their content.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from bootwright.formats.filesystems.filesystem import Entry, EntryKind, FileSystem, Unreadable, lookup, walk
from bootwright.formats.kernel.config import KernelConfig
from bootwright.formats.sources.address import REGISTRY, is_address
from bootwright.formats.sources.bytesource import Bytes, ByteSource
from bootwright.formats.sources.compressed import DEFAULT_LIMIT, Expansion
from bootwright.formats.sources.spool import digest
from bootwright.formats.sources.streams import compression_of
from bootwright.foundation.cache import FETCHED, GIVEN_FOLDERS
from bootwright.foundation.errors import BootwrightError, Malformed, Missing, Refused
from bootwright.foundation.progress import Progress, Silent

if TYPE_CHECKING:  # a file of this machine, which most are, needs nothing of it
    from bootwright.inspect.booted import Boot
    from bootwright.inspect.facts import Item

_PIECE = 1 << 20
_PEEK = 1 << 17
"""Bytes; the last magic that is looked for is at 64 KiB."""
_LEAST_DISK = 1 << 20
"""Bytes; nothing smaller is a disk image that anything boots from."""


def local_kernel(address: str, progress: Progress | None = None) -> Path:
    """A folder with the kernel that an artifact elsewhere boots: `boot/`, `lib/modules/`, `dtbs/`.

    Raises what `Explorer.artifact` and `boot_of` raise: `Missing` where it holds no arm64 kernel.
    """
    from bootwright.inspect.explore import Explorer

    progress = progress or Silent()
    return kernel_folder(Explorer(progress=progress).artifact(address), progress)


def kernel_folder(item: Item, progress: Progress) -> Path:
    """The kernel of an explored artifact with its modules, devicetrees and configuration, as a folder."""
    from bootwright.inspect.booted import boot_of

    boot = boot_of(item)
    files = dict(_kernel_files(boot))
    listing = "\n".join(f"{place} {source.size} {source.name}" for place, source in sorted(files.items()))
    kernel = files["boot/vmlinuz"]
    key = hashlib.sha256(f"{digest(kernel)}\n{listing}".encode("utf-8", "surrogateescape")).hexdigest()[:32]

    def fill(work: Path) -> None:
        with progress.step(f"take out {len(files)} files of {item.name}"):
            for place, source in files.items():
                _write(source, work / place)

    return GIVEN_FOLDERS.kept_folder(key, fill)


def local_image(what: str | Path, progress: Progress | None = None) -> Path:
    """The file of a disk image: what is on this machine as it is, what lies elsewhere fetched whole.

    Raises `Refused` for a container image with no disk image in it, or several; otherwise what fetching
    raises.
    """
    if not isinstance(what, str) or not is_address(what):
        return Path(what)
    from bootwright.formats.archives.registry_image import open_image
    from bootwright.formats.sources.url import fetch_url

    progress = progress or Silent()
    if not what.startswith(REGISTRY):
        return fetch_url(what, progress)
    pulled = open_image(what, limit=DEFAULT_LIMIT, progress=progress)
    tree = pulled.image.files(pulled.image.manifests[0], progress=progress).tree
    disks = list(_disks(tree))
    if len(disks) != 1:
        several = ", ".join(entry.path for entry in disks)
        raise Refused(
            f"{what} holds {f'several disk images: {several}' if disks else 'no disk image'}",
            hint="a container image's kernel is taken with --kernel, or looked at with check and inspect",
        )
    source = tree.open(disks[0])
    key = hashlib.sha256(f"{pulled.digest} {disks[0].path}".encode()).hexdigest()
    name = PurePosixPath(disks[0].path).name

    def fill(work: Path) -> None:
        with progress.step(f"take out {disks[0].path}"):
            _write(source, work / name)

    return FETCHED.kept_folder(key, fill) / name


def _disks(tree: FileSystem) -> Iterator[Entry]:
    from bootwright.inspect.detect import detect
    from bootwright.inspect.files import is_module_path

    for entry in walk(tree):
        if isinstance(entry, Unreadable) or entry.kind is not EntryKind.FILE or is_module_path(entry.path):
            continue
        source = tree.open(entry)
        kind = compression_of(source)
        if source.size < _LEAST_DISK and kind is None:
            continue
        if detect(source if kind is None else _beginning(source, kind)) == "disk":
            yield entry


def _beginning(source: ByteSource, kind: str) -> ByteSource:
    first = b""
    try:
        for chunk in Expansion(source, kind):
            first += chunk
            if len(first) >= _PEEK:
                break
    except BootwrightError:
        pass
    return Bytes(first[:_PEEK], source.name)


def _kernel_files(boot: Boot) -> Iterator[tuple[str, ByteSource]]:
    """(place in the folder, bytes) of everything that belongs to a kernel; a module counts once."""
    from bootwright.inspect.files import ModuleTree

    if boot.kernel.source is None:
        raise Missing(f"{boot.kernel.origin.where} has no bytes of its own", hint="give the kernel itself")
    yield "boot/vmlinuz", boot.kernel.source
    release = str(boot.kernel.fact("release") or "unknown")
    if boot.config is not None and isinstance(boot.config.detail, KernelConfig):
        yield (
            f"boot/config-{_plain(release, boot.config)}",
            Bytes(boot.config.detail.text().encode(), "config"),
        )
    known: set[str] = set()
    for item in boot.module_trees:
        tree, files = item.detail, item.files
        if not isinstance(tree, ModuleTree) or files is None:
            continue
        root = f"lib/modules/{_plain(tree.release, item)}"
        for name, entry in tree.names.items():
            if name not in known:
                known.add(name)
                yield f"{root}/{_below(tree.path, entry.path, item)}", files.open(entry)
        for table in tree.tables:
            listing = lookup(files, f"{tree.path}/{table}")
            if listing is not None and f"{root}/{table}" not in known:
                known.add(f"{root}/{table}")
                yield f"{root}/{_plain(table, item)}", files.open(listing)
    for blob in (*boot.devicetrees, *boot.overlays):
        if blob.source is not None:
            parts = [part for part in blob.name.split("/") if part not in {"", ".", ".."}]
            # The vendor's folder stays, as packages have it.
            yield "/".join(["dtbs", *parts[-2:]]), blob.source


def _below(folder: str, path: str, item: Item) -> str:
    """A module's path below its tree, in `kernel/` as kernel builds install them."""
    parts = [part for part in path.removeprefix(folder).split("/") if part]
    if ".." in parts or any("\0" in part for part in parts):
        raise Malformed(item.origin.where, None, "names below the modules' folder", repr(path[:80]))
    return "/".join(parts if parts[0] == "kernel" else ["kernel", *parts])


def _plain(name: str, item: Item) -> str:
    if "/" in name or name in {"", ".", ".."} or "\0" in name:
        raise Malformed(item.origin.where, None, "a name without '/'", repr(name[:80]))
    return name


def _write(source: ByteSource, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        for at in range(0, source.size, _PIECE):
            file.write(source.read(at, min(_PIECE, source.size - at)))
