"""Puts another kernel's modules into an initramfs: into its own tree, and into the squashfs roots it holds.

Talos keeps its modules in `rootfs.sqsh` inside the initramfs. What is unpacked is read by our own readers
and written below a work folder by names they have checked; everything in the new archive is root's. Lost:
extended attributes of an old squashfs root (its reader does not read them).
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Sequence
from pathlib import Path

from attrs import define, field, frozen

from bootwright.artifacts import cpio
from bootwright.artifacts.bytesource import ByteSource
from bootwright.artifacts.filesystem import Entry, EntryKind
from bootwright.artifacts.initramfs import Segment, read_segments
from bootwright.artifacts.squashfs import SquashFs
from bootwright.foundation import atomic
from bootwright.foundation.errors import Malformed, Refused
from bootwright.foundation.progress import Progress
from bootwright.images import module_files
from bootwright.images.initramfs_part import compressed, make_squashfs
from bootwright.images.kernel_part import KernelFiles
from bootwright.images.opened import all_files
from bootwright.kernels.modules import ModuleFiles

_MODULES = re.compile(r"(?P<tree>(?:usr/)?lib/modules/(?P<release>[^/]+))(?:/(?P<rest>.*))?")
_MODULE = re.compile(r"(?:.*/)?(?P<name>[^/]+)\.ko(?P<suffix>\.(?:xz|zst|gz))?")
_LISTS = ("stand-in/modules", "usr/lib/stand-in/modules")
"""Where our stand-in lists modules to load, by path."""

_COPY = 4 << 20
_MOST_ARCHIVE = 1 << 30
"""Bytes of an initramfs once expanded; it is taken into memory to be written anew."""

_MOST_STAGED = 4 << 30
"""Bytes of a squashfs root that are unpacked; Talos's has 0.4 GB."""

_ENOUGH = 400
"""A tree of so many modules is a whole one, and is replaced by the whole other one."""


@define
class Replaced:
    """What was done, for the manifest and the user."""

    trees: list[str] = field(factory=list)
    """`/rootfs.sqsh:/usr/lib/modules/6.18.5: 12 modules → 6.12.1: 11`."""
    left_out: list[str] = field(factory=list)
    """Modules that the other kernel does not have (or has built in)."""
    mounts_root: bool = False
    """Whether the initramfs holds a squashfs root that the kernel must be able to mount."""
    loads_early: bool = False
    """Whether modules are at hand in the initramfs before the root is mounted."""


def replace_modules(
    initramfs: ByteSource, kernel: KernelFiles, work: Path, progress: Progress
) -> tuple[Path, Replaced]:
    """The initramfs with the modules of `kernel`, compressed as it was.

    Raises `Malformed` for an archive that cannot be read, `Refused` for one that cannot be made again.
    """
    kernel.module_tree()
    done = Replaced()
    pieces: list[bytes] = []
    segments = read_segments(initramfs, limit=_MOST_ARCHIVE, progress=progress)
    for number, segment in enumerate(segments):
        members = _rewritten(segment, kernel, work / f"segment-{number}", done, progress)
        archive = cpio.write(members)
        if segment.compression is None:
            pieces.append(archive + bytes(-len(archive) % 512))
        else:
            with progress.step("compress the initramfs"):
                path = compressed(archive, segment.compression, work / f"segment-{number}.packed")
            pieces.append(path.read_bytes())
    output = work / "initramfs"
    output.write_bytes(b"".join(pieces))
    return output, done


def has_modules(initramfs: ByteSource) -> tuple[str, ...]:
    """The releases whose modules an initramfs holds, in its own tree or in its squashfs roots."""
    found: dict[str, None] = {}
    for segment in read_segments(initramfs, limit=_MOST_ARCHIVE):
        for entry in cpio.read(segment.archive):
            match = _MODULES.fullmatch(_clean(entry.name, segment, entry.offset))
            if match and _MODULE.fullmatch(entry.name):
                found[match["release"]] = None
            elif entry.is_file and entry.name.endswith(".sqsh"):
                for inner in all_files(SquashFs(cpio.content(segment.archive, entry))):
                    match = _MODULES.fullmatch(inner.path.lstrip("/"))
                    if match and _MODULE.fullmatch(inner.path):
                        found[match["release"]] = None
    return tuple(found)


def _clean(name: str, segment: Segment, offset: int) -> str:
    parts = [part for part in name.split("/") if part not in {"", "."}]
    if ".." in parts or "\0" in name:
        raise Malformed(
            segment.archive.name,
            offset,
            "a name below the archive's root",
            repr(name[:80]),
            hint="the archive tries to write elsewhere; do not trust it",
        )
    return "/".join(parts)


def _rewritten(
    segment: Segment, kernel: KernelFiles, work: Path, done: Replaced, progress: Progress
) -> list[cpio.Member]:
    members: list[cpio.Member] = []
    old: list[str] = []
    listed: dict[str, bytes] = {}
    links: set[str] = set()
    for entry in cpio.read(segment.archive):
        name = _clean(entry.name, segment, entry.offset)
        match = _MODULES.fullmatch(name)
        if match:
            if match["rest"] and _MODULE.fullmatch(match["rest"]):
                old.append(name)
            continue
        data = segment.archive.read(entry.offset, entry.size)
        if name in _LISTS:
            listed[name] = data
            continue
        if stat.S_ISLNK(entry.mode):
            links.add(name)
        if entry.is_file and name.endswith(".sqsh"):
            done.mounts_root = done.mounts_root or name == "rootfs.sqsh"
            with progress.step(f"replace the modules in {name}"):
                source = cpio.content(segment.archive, entry)
                data = _squashfs(source, kernel, work / f"root-{len(members)}", done, f"/{name}")
        members.append(cpio.Member(name or ".", data, entry.mode, entry.device))
    if not old:
        return [*members, *(cpio.Member(name, data) for name, data in listed.items())]
    done.loads_early = True
    tree = "usr/lib/modules" if "lib" in links or old[0].startswith("usr/") else "lib/modules"
    files = _selection(kernel, old, done, "")
    plain = not any((_MODULE.fullmatch(name) or {"suffix": None})["suffix"] for name in old)
    new: list[tuple[str, bytes]] = []
    for path in files:
        folder = path.parent.relative_to(kernel.module_tree()).as_posix()
        name = module_files.plain_name(path) if plain else path.name
        data = module_files.plain_bytes(path) if plain else path.read_bytes()
        new.append((f"{tree}/{kernel.release}/{folder}/{name}", data))
    known = {member.name for member in members}
    for name, _ in new:
        parts = name.split("/")[:-1]
        for depth in range(1, len(parts) + 1):
            above = "/".join(parts[:depth])
            if above not in known:
                known.add(above)
                members.append(cpio.folder(above))
    members += [cpio.Member(name, data) for name, data in new]
    paths = {_name(name): f"/{name}" for name, _ in new}
    members += [
        cpio.Member(name, _relisted(data, [paths[each] for each in paths])) for name, data in listed.items()
    ]
    return members


def _relisted(old: bytes, paths: Sequence[str]) -> bytes:
    """A list of modules to load, in the other kernel's load order; empty stays empty."""
    return "".join(f"{path}\n" for path in paths).encode() if old.strip() else b""


def _name(path: str) -> str:
    match = _MODULE.fullmatch(path)
    return match["name"].replace("-", "_") if match else path


def _selection(kernel: KernelFiles, old: Sequence[str], done: Replaced, where: str) -> list[Path]:
    """The other kernel's files for the same modules with all they need; all of them for a whole tree."""
    names = [_name(path) for path in old]
    if len(names) >= _ENOUGH:
        files = module_files.all_modules(kernel.module_tree())
    else:
        there = {_name(path.name) for path in module_files.all_modules(kernel.module_tree())}
        absent = [name for name in names if name not in there]
        done.left_out += [name for name in absent if name not in done.left_out]
        wanted = [name for name in names if name in there]
        files = ModuleFiles(kernel.module_tree()).order(wanted)
    match = _MODULES.match(old[0])
    release, tree = (match["release"], match["tree"]) if match else ("?", "")
    done.trees.append(f"{where}/{tree}: {len(old)} modules of {release} → {len(files)} of {kernel.release}")
    return files


def _squashfs(source: ByteSource, kernel: KernelFiles, work: Path, done: Replaced, where: str) -> bytes:
    files = SquashFs(source)
    entries = list(all_files(files, limit=_MOST_STAGED))
    old = [
        entry.path.lstrip("/")
        for entry in entries
        if (match := _MODULES.fullmatch(entry.path.lstrip("/")))
        and match["rest"]
        and _MODULE.fullmatch(match["rest"])
    ]
    if not old:
        return source.read(0, len(source))
    staging = Staging(work / "root")
    listed: dict[str, bytes] = {}
    for entry in entries:
        name = entry.path.lstrip("/")
        if _MODULES.fullmatch(name):
            continue
        if name in _LISTS and entry.kind is EntryKind.FILE:
            listed[name] = files.open(entry).read(0, entry.size)
            continue
        staging.add(files, entry)
    selection = _selection(kernel, old, done, where)
    names_to_load = {
        _name(line) for data in listed.values() for line in data.decode("utf-8", "replace").split()
    }
    present = {_name(path.name) for path in selection}
    load = ModuleFiles(kernel.module_tree()).order(sorted(names_to_load & present))
    prefix = "usr/lib" if old[0].startswith("usr/") else "lib"
    staging.modules(kernel, [*dict.fromkeys([*selection, *load])], prefix, plain=load)
    for name, data in listed.items():
        lines = [
            f"/{prefix}/modules/{kernel.release}/{path.parent.relative_to(kernel.module_tree()).as_posix()}"
            f"/{module_files.plain_name(path)}"
            for path in load
        ]
        staging.write(name, _relisted(data, lines))
    image = work / "new.sqsh"
    super_ = files.superblock
    staging.finish()
    make_squashfs(staging.root, image, super_.compression, block_size=super_.block_size, modes=staging.modes)
    return image.read_bytes()


@frozen
class Staging:
    """A tree on this machine that a squashfs is made of.

    Names have been checked by the reader, and a folder is always made by us: nothing goes through a link.
    Permission bits that would keep us from reading are given to mksquashfs instead.
    """

    root: Path
    modes: dict[str, int] = field(factory=dict)
    folders: dict[str, int] = field(factory=dict)

    def __attrs_post_init__(self) -> None:
        self.root.mkdir(parents=True)

    def add(self, files: SquashFs, entry: Entry) -> None:
        """One entry of the old root; raises `Refused` for a device node, which takes root to make."""
        place = self.root / entry.path.lstrip("/")
        try:
            if entry.kind is EntryKind.DIRECTORY:
                place.mkdir(exist_ok=True)
                self.folders[entry.path] = entry.mode
            elif entry.kind is EntryKind.SYMLINK:
                place.symlink_to(entry.target or "")
            elif entry.kind is EntryKind.FILE:
                self._copy(files.open(entry), place)
                self._set_mode(entry.path, place, entry.mode, 0o400)
            else:
                raise Refused(
                    f"{files.name}:{entry.path} is a device node or socket, which cannot be made without root"
                )
        except OSError as error:
            raise atomic.explained(error, place) from error

    def write(self, name: str, data: bytes) -> None:
        """A file of ours."""
        place = self.root / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
        place.chmod(0o644)

    def modules(
        self, kernel: KernelFiles, selected: Sequence[Path], prefix: str, *, plain: Sequence[Path]
    ) -> None:
        """The other kernel's modules and their tables, below `prefix`/modules/RELEASE."""
        module_files.copy_tree(
            kernel.module_tree(), selected, self.root, kernel.release, plain=plain, prefix=prefix
        )

    def finish(self) -> None:
        """Set the folders' permission bits, deepest first."""
        for path, mode in sorted(self.folders.items(), reverse=True):
            self._set_mode(path, self.root / path.lstrip("/"), mode, 0o700)

    def _set_mode(self, path: str, place: Path, mode: int, needed: int) -> None:
        if mode & needed != needed:
            self.modes[path] = mode
        place.chmod(mode | needed)

    def _copy(self, source: ByteSource, place: Path) -> None:
        # O_EXCL: a name that is there twice in the old root is an attack, not a file.
        handle = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "wb") as file:
            for start in range(0, len(source), _COPY):
                file.write(source.read(start, min(_COPY, len(source) - start)))
