"""Puts another kernel's modules into an initramfs: into its own tree, and into the squashfs roots it holds.

Talos keeps its modules in `rootfs.sqsh` inside the initramfs. Everything else is kept as it is: members of
the archive byte for byte, files of a squashfs root with owners, device nodes and labels.
"""

from __future__ import annotations

import posixpath
import stat
from collections.abc import Sequence
from pathlib import Path

from attrs import define, field

from bootwright.formats.archives import cpio
from bootwright.formats.archives.initramfs import Segment, read_segments
from bootwright.formats.filesystems.squashfs import SquashFs
from bootwright.formats.modules.early_loader import OWN_INIT, OWN_LIST
from bootwright.formats.sources.bytesource import ByteSource
from bootwright.foundation.errors import Malformed, Missing, Refused
from bootwright.foundation.guest import program
from bootwright.foundation.progress import Progress
from bootwright.images.change.squashfs_edit import squashfs_with_modules
from bootwright.images.opened import all_files
from bootwright.images.parts import module_files
from bootwright.images.parts.initramfs_part import compressed
from bootwright.images.parts.inits import Init, init_of
from bootwright.images.parts.kernel_part import KernelFiles
from bootwright.images.parts.module_gate import ModuleGate
from bootwright.images.parts.tree_names import (
    LISTS,
    MODULE,
    MODULES,
    is_compressed,
    module_name,
    relisted,
    selection,
)
from bootwright.kernels.modules import ModuleFiles

_MOST_ARCHIVE = 1 << 30
"""Bytes of an initramfs once expanded; it is taken into memory to be written again."""

_MAGICS = (b"070701", b"070702")
_HEADER = 110


@define
class Replaced:
    """What was done, for the manifest and the user."""

    trees: list[str] = field(factory=list)
    """`/rootfs.sqsh:/usr/lib/modules/6.18.5: 12 modules → 6.12.1: 11`."""
    left_out: list[str] = field(factory=list)
    """Modules that the other kernel does not have (or has built in)."""
    early: list[str] = field(factory=list)
    """Modules that are now loaded before the image's own init, which expects them built in."""
    checked: list[str] = field(factory=list)
    """What was checked of the modules, in words."""


def replace_modules(
    initramfs: ByteSource, kernel: KernelFiles, gate: ModuleGate, work: Path, progress: Progress
) -> tuple[Path, Replaced]:
    """The initramfs with the modules of `kernel`, compressed as it was.

    Raises `Malformed` for an archive that cannot be read, `Refused` for one that cannot be made again, for
    modules that the kernel does not accept, and for a kernel that cannot mount the root that is in there.
    """
    kernel.module_tree()
    work.mkdir(parents=True, exist_ok=True)
    done = Replaced()
    pieces: list[bytes] = []
    segments = read_segments(initramfs, limit=_MOST_ARCHIVE, progress=progress)
    for number, segment in enumerate(segments):
        rewriter = _Rewriter(
            segment, kernel, gate, work=work / f"segment-{number}", done=done, progress=progress
        )
        archive = rewriter.archive()
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
    releases: dict[str, None] = {}
    for segment in read_segments(initramfs, limit=_MOST_ARCHIVE):
        for entry in cpio.read(segment.archive):
            match = MODULES.fullmatch(_clean(entry.name, segment, entry.offset))
            if match and MODULE.fullmatch(entry.name):
                releases[match["release"]] = None
            elif entry.is_file and entry.name.endswith(".sqsh"):
                for inner in all_files(SquashFs(cpio.content(segment.archive, entry))):
                    match = MODULES.fullmatch(inner.path.lstrip("/"))
                    if match and MODULE.fullmatch(inner.path):
                        releases[match["release"]] = None
    return tuple(releases)


def _clean(name: str, segment: Segment, offset: int) -> str:
    parts = [part for part in name.split("/") if part not in {"", "."}]
    if ".." in parts or "\0" in name:
        raise Malformed(
            segment.archive.name,
            offset,
            "a name below the archive's root",
            repr(name[:80]),
            hint="the archive tries to write outside its root; do not trust it",
        )
    return "/".join(parts)


class _Rewriter:
    """One archive of an initramfs, taken apart and put together with other modules."""

    def __init__(
        self,
        segment: Segment,
        kernel: KernelFiles,
        gate: ModuleGate,
        *,
        work: Path,
        done: Replaced,
        progress: Progress,
    ) -> None:
        self._segment = segment
        self._kernel = kernel
        self._gate = gate
        self._work = work
        self._done = done
        self._progress = progress
        self._pieces: list[bytes] = []
        self._known: set[str] = set()
        self._links: set[str] = set()
        self._old: list[str] = []
        self._listed: dict[str, bytes] = {}
        self._init: cpio.Entry | None = None
        self._known_init: Init | None = None
        self._wrapped = False

    def archive(self) -> bytes:
        """The new archive."""
        for entry in cpio.read(self._segment.archive):
            self._take(entry)
        names = self._modules() if self._old else []
        names += self._early(names)
        if self._init is not None and not self._wrapped:
            self._keep(self._init)
        for name, old in self._listed.items():
            given = [path for path in names if path.startswith("/")]
            self._add(cpio.Member(name, relisted(old, given)))
        return b"".join(self._pieces) + cpio.write(())

    def _take(self, entry: cpio.Entry) -> None:
        name = _clean(entry.name, self._segment, entry.offset)
        match = MODULES.fullmatch(name)
        if match:
            if match["rest"] and MODULE.fullmatch(match["rest"]):
                self._old.append(name)
            return
        self._known.add(name)
        if name in {*LISTS, OWN_LIST}:
            self._listed[name] = self._data(entry)
            return
        if name == "init":
            self._init = entry  # written at the end, as it may have to be moved for ours
            return
        if stat.S_ISLNK(entry.mode):
            self._links.add(name)
        if entry.is_file and name.endswith(".sqsh"):
            self._known_init = self._known_init or init_of([name])
            with self._progress.step(f"replace the modules in {name}"):
                source = cpio.content(self._segment.archive, entry)
                made = squashfs_with_modules(
                    source, self._kernel, self._gate, self._work / f"root-{len(self._pieces)}", f"/{name}"
                )
            if made is not None:
                self._done.trees.append(made.summary)
                self._done.left_out += [
                    module for module in made.left_out if module not in self._done.left_out
                ]
                self._done.checked.append(made.checked)
                self._add(cpio.Member(name, made.image, entry.mode))
                return
        self._keep(entry)

    def _data(self, entry: cpio.Entry) -> bytes:
        return self._segment.archive.read(entry.offset, entry.size)

    def _keep(self, entry: cpio.Entry) -> None:
        """A member byte for byte: owner, times, inode and hard links stay as they are."""
        archive = self._segment.archive
        start = entry.offset - _aligned(_HEADER + len(entry.name.encode(errors="surrogateescape")) + 1)
        if start < 0 or archive.read(start, 6) not in _MAGICS:
            self._add(cpio.Member(entry.name, self._data(entry), entry.mode, entry.device))
            return
        data = archive.read(start, entry.offset + entry.size - start)
        self._pieces.append(data + bytes(-len(data) % 4))

    def _add(self, *members: cpio.Member) -> None:
        """Members of ours."""
        self._pieces.append(cpio.write(members)[: -len(cpio.write(()))])

    def _modules(self) -> list[str]:
        """Put the other kernel's modules in place of the old; returns their paths, in load order."""
        tree = "usr/lib/modules" if "lib" in self._links or self._old[0].startswith("usr/") else "lib/modules"
        # A root in the archive that has modules gets what is added: what is here is loaded before it.
        added = () if self._done.trees else self._kernel.added
        chosen = selection(self._kernel, self._old, "", added)
        self._done.trees.append(chosen.summary)
        self._done.left_out += [module for module in chosen.left_out if module not in self._done.left_out]
        plain = not any(map(is_compressed, self._old))
        return self._put(chosen.files, tree, plain=plain)

    def _put(self, files: Sequence[Path], tree: str, *, plain: bool) -> list[str]:
        self._done.checked.append(self._gate.check_files(files))
        paths: list[str] = []
        for path in files:
            folder = path.parent.relative_to(self._kernel.module_tree()).as_posix()
            name = module_files.plain_name(path) if plain else path.name
            data = module_files.plain_bytes(path) if plain else path.read_bytes()
            place = f"{tree}/{self._kernel.release}/{folder}/{name}"
            self._parents(place)
            self._add(cpio.Member(place, data))
            paths.append(f"/{place}")
        return paths

    def _parents(self, place: str) -> None:
        """The kernel makes no folder by itself."""
        parts = place.split("/")[:-1]
        for depth in range(1, len(parts) + 1):
            above = "/".join(parts[:depth])
            if above not in self._known:
                self._known.add(above)
                self._add(cpio.folder(above))

    def _early(self, there: Sequence[str]) -> list[str]:
        """Modules the image's init expects to be built in: they are loaded in front of it.

        Talos's init mounts the squashfs at once and loads none. An init with modules of its own at hand is
        left to load them. Raises `Refused` for a kernel that has no such file system at all.
        """
        known = self._known_init
        if known is None:
            return []
        modules = ModuleFiles(self._kernel.module_tree())
        try:
            wanted = (name for name in (*known.ends_without, *known.mounts) if name in modules)
            files = modules.order([*known.mounts_root, *wanted])
        except Missing as error:
            raise Refused(
                f"{self._kernel.release} cannot mount the root of this image: {error.message}",
                hint="a kernel with CONFIG_SQUASHFS and CONFIG_BLK_DEV_LOOP, built in or as modules, can",
            ) from error
        present = {module_name(path) for path in there}
        files = [path for path in files if module_name(path.name) not in present]
        if not files or self._init is None or (there and OWN_LIST not in self._listed):
            return []
        self._done.early += [module_name(path.name) for path in files]
        if OWN_INIT not in self._known:
            self._wrap()
            self._listed[OWN_LIST] = b"\n"
        return self._put(files, "lib/modules" if "lib" not in self._links else "usr/lib/modules", plain=True)

    def _wrap(self) -> None:
        init = self._init
        assert init is not None  # noqa: S101 - looked at before
        self._add(cpio.folder("bootwright"))
        if stat.S_ISLNK(init.mode):
            target = posixpath.normpath(
                posixpath.join("/", self._data(init).decode(errors="surrogateescape"))
            )
            self._add(cpio.Member(OWN_INIT, target.encode(errors="surrogateescape"), init.mode))
        else:
            self._add(cpio.Member(OWN_INIT, self._data(init), init.mode))
        self._wrapped = True
        self._add(cpio.Member("init", program("early").path.read_bytes(), stat.S_IFREG | 0o755))


def _aligned(offset: int) -> int:
    return (offset + 3) & ~3
