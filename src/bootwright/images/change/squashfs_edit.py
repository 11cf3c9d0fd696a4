"""Puts another kernel's modules into a squashfs root; other files are kept with all that belongs to them."""

from __future__ import annotations

from pathlib import Path

from attrs import frozen

from bootwright.formats.filesystems.filesystem import Entry, EntryKind
from bootwright.formats.filesystems.squashfs import SquashFs
from bootwright.formats.filesystems.squashfs_attributes import SquashAttributes
from bootwright.formats.sources.bytesource import ByteSource
from bootwright.foundation import atomic
from bootwright.images.opened import all_files
from bootwright.images.parts import module_files
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
from bootwright.images.write.squashfs_writer import make_squashfs
from bootwright.images.write.tar_writer import TarWriter
from bootwright.kernels.modules import ModuleFiles

_MOST = 4 << 30
"""Bytes of a squashfs root that are unpacked; Talos's has 0.4 GB."""


@frozen
class NewRoot:
    """A root with other modules."""

    image: bytes
    summary: str
    left_out: list[str]
    checked: str


def squashfs_with_modules(
    source: ByteSource, kernel: KernelFiles, gate: ModuleGate, work: Path, where: str
) -> NewRoot | None:
    """The image with the modules of `kernel` in place of its own; None where it has none.

    Raises `Malformed` for an image that cannot be read or that writes elsewhere, `Refused` for one with
    sockets, for too much in it, and for modules that the kernel does not accept.
    """
    files = SquashFs(source)
    attributes = SquashAttributes(files, source)
    entries = list(all_files(files, limit=_MOST))
    old = [entry for entry in entries if _is_module(entry)]
    if not old:
        return None
    paths = [entry.path.lstrip("/") for entry in old]
    chosen = selection(kernel, paths, where, kernel.added)
    listed = {
        entry.path.lstrip("/"): files.open(entry).read(0, entry.size)
        for entry in entries
        if entry.path.lstrip("/") in LISTS and entry.kind is EntryKind.FILE
    }
    wanted = {
        module_name(line) for data in listed.values() for line in data.decode("utf-8", "replace").split()
    }
    present = {module_name(path.name) for path in chosen.files}
    load = ModuleFiles(kernel.module_tree()).order(sorted(wanted & present))
    every = [*dict.fromkeys([*chosen.files, *load])]
    checked = gate.check_files(every)
    # Uncompressed where the old ones were: not every system that has such reads others.
    plain = load if any(is_compressed(path) for path in paths) else every
    prefix = "usr/lib" if paths[0].startswith("usr/") else "lib"
    try:
        work.mkdir(parents=True)
        module_files.copy_tree(
            kernel.module_tree(), every, work / "modules", kernel.release, plain=plain, prefix=prefix
        )
        with TarWriter(work / "root.tar") as archive:
            _keep(archive, files, attributes, entries)
            # A label such as SELinux's is that of the modules which were there.
            archive.folder(work / "modules", like=attributes.of(old[0].handle))
            for name, data in listed.items():
                lines = [
                    f"/{prefix}/modules/{kernel.release}"
                    f"/{path.parent.relative_to(kernel.module_tree()).as_posix()}"
                    f"/{module_files.plain_name(path)}"
                    for path in load
                ]
                archive.file(name, relisted(data, lines))
        super_ = files.superblock
        make_squashfs(
            work / "root.tar",
            work / "new.sqsh",
            super_.compression,
            root=attributes.of(super_.root),
            block_size=super_.block_size,
        )
        (work / "root.tar").unlink()
    except OSError as error:
        raise atomic.explained(error, work) from error
    return NewRoot((work / "new.sqsh").read_bytes(), chosen.summary, chosen.left_out, checked)


def _is_module(entry: Entry) -> bool:
    match = MODULES.fullmatch(entry.path.lstrip("/"))
    return bool(match and match["rest"] and MODULE.fullmatch(match["rest"]))


def _keep(archive: TarWriter, files: SquashFs, attributes: SquashAttributes, entries: list[Entry]) -> None:
    first: dict[int, str] = {}
    for entry in entries:
        name = entry.path.lstrip("/")
        if MODULES.fullmatch(name) or (name in LISTS and entry.kind is EntryKind.FILE):
            continue
        own = attributes.of(entry.handle)
        if entry.kind is EntryKind.FILE and own.links > 1 and entry.handle in first:
            archive.add(entry.path, own, link_to=first[entry.handle])
            continue
        first[entry.handle] = entry.path
        content = files.open(entry) if entry.kind is EntryKind.FILE else None
        archive.add(entry.path, own, content=content, target=entry.target)
