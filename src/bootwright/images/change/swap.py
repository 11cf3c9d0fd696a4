"""Changes parts of an image in a copy: reflink or sparse, never the original, appearing whole or not at all.

FAT and ext4 volumes are changed in place (mtools, debugfs); an XFS volume is read out and made again as a
whole, with its label, id, owners, times and attributes, since nothing writes XFS without mounting it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from attrs import evolve, frozen

from bootwright.boards.model import Board
from bootwright.formats.filesystems.filesystem import Entry, EntryKind
from bootwright.formats.filesystems.xfs import Xfs
from bootwright.formats.filesystems.xfs_attributes import read_attributes
from bootwright.foundation import atomic
from bootwright.foundation.errors import Missing, Refused
from bootwright.foundation.progress import Progress, Silent
from bootwright.images.change.changes import Changes, NewFile, Plan, plan
from bootwright.images.manifest_model import ImageManifest, ImagePart, beside, load, sha256_of
from bootwright.images.opened import OpenImage, Volume, all_files, open_image
from bootwright.images.write import sparse
from bootwright.images.write.ext4_writer import change_ext4
from bootwright.images.write.new_filesystems import delete_fat_files, need_mtools, put_fat_files
from bootwright.images.write.nodes import NEW, Node
from bootwright.images.write.nodes import new_file as new_node
from bootwright.images.write.output import check_space, whole_image, work_folder
from bootwright.images.write.raw_image import is_compressed
from bootwright.images.write.xfs_writer import make_xfs

_COPY = 4 << 20
_OVERHEAD = 32 << 20


@frozen
class Swapped:
    """What was made."""

    image: Path
    manifest: ImageManifest
    changed: tuple[str, ...]
    """`EFI:/config.txt` of each file written or removed."""
    notes: tuple[str, ...]
    how: str
    """`reflink` or `sparse`: how the copy was made."""
    written: int
    """Bytes of data written to the output."""

    def as_json(self) -> dict[str, object]:
        """The document of docs/schemas/image-swap.schema.json."""
        return {
            "format": "bootwright.image-swap/1",
            "image": str(self.image),
            "changed": list(self.changed),
            "notes": list(self.notes),
            "copy": self.how,
            "written_bytes": self.written,
            "manifest": self.manifest.as_json(),
        }


def swap(
    image: Path,
    output: Path,
    changes: Changes,
    *,
    board: Board | None = None,
    judge: Callable[[Path], None] | None = None,
    progress: Progress | None = None,
) -> Swapped:
    """Write `output`, a copy of `image` with the changes; `board` decides where what boots depends on it.

    `judge` sees the new image before it has its name; what it raises leaves nothing behind.

    Raises `Refused` for a change that cannot be made (the reason names what stands against it), `Malformed`
    for an image that cannot be read, `Missing` for what is not there. The original is only ever read.
    """
    progress = progress or Silent()
    if not image.is_file():
        raise Missing(f"there is no image {image}", hint="check the name")
    if output.exists() and output.samefile(image):
        raise Refused("the output is the image itself", hint="name another file with -o")
    opened = open_image(image, progress)
    with work_folder(output, progress) as work:
        todo = plan(opened, changes, work, progress, board)
        for volume in todo.volumes:
            if volume.files.type not in _WRITERS:
                raise Refused(
                    f"{volume.title} is {volume.files.type}, which cannot be written here",
                    hint=f"{', '.join(sorted(_WRITERS))} can",
                )
        # The copy, what is new, and an XFS volume read out and made again.
        new = sum(new_file.path.stat().st_size for files in todo.put.values() for new_file in files.values())
        again = any(volume.files.type == "xfs" for volume in todo.volumes)
        data = opened.raw.stat().st_blocks * 512
        need = data * (3 if again else 1) + 2 * new + _OVERHEAD
        check_space(output, need + (data + new if is_compressed(output) else 0), progress)
        with whole_image(output, work, progress, judge) as file:
            handle = file.fileno()
            source = os.open(opened.raw, os.O_RDONLY | os.O_CLOEXEC)
            try:
                with progress.step(f"copy {image.name}"):
                    copied = sparse.clone(source, handle)
            finally:
                os.close(source)
            written = copied.written
            for volume in todo.volumes:
                with progress.step(f"change {volume.title} ({volume.files.type})"):
                    written += _WRITERS[volume.files.type](handle, volume, todo, work)
        manifest = _manifest(opened, output, todo)
        atomic.write_text(beside(output), manifest.text())
    changed = [volume.path(name) for volume in todo.volumes for name in todo.put.get(volume, ())]
    changed += [volume.path(name) for volume in todo.volumes for name in todo.remove.get(volume, ())]
    return Swapped(output, manifest, tuple(sorted(changed)), tuple(todo.notes), copied.how, written)


def _change_fat(handle: int, volume: Volume, todo: Plan, work: Path) -> int:
    need_mtools()
    put, remove = todo.put.get(volume, {}), todo.remove.get(volume, set())
    folders = frozenset(entry.path for entry in all_files(volume.files) if entry.kind is EntryKind.DIRECTORY)
    # mtools open the temporary file by our descriptor: it has no name of its own that they may know.
    path = Path(f"/proc/{os.getpid()}/fd/{handle}")
    offset = volume.partition.offset
    if remove:
        delete_fat_files(path, offset, remove)
    work_folder = work / f"fat-{volume.partition.number}"
    put_fat_files(path, offset, {name: new.path for name, new in put.items()}, work_folder, existing=folders)
    return sum(new.path.stat().st_size for new in put.values())


def _change_xfs(handle: int, volume: Volume, todo: Plan, work: Path) -> int:
    put, remove = todo.put.get(volume, {}), todo.remove.get(volume, set())
    work_folder = work / f"xfs-{volume.partition.number}"
    work_folder.mkdir()
    assert isinstance(volume.files, Xfs)  # noqa: S101 - its type says so
    super_ = volume.files.superblock
    nodes = {"/": Node(read_attributes(volume.source, super_, super_.root_inode))}
    for entry in all_files(volume.files):
        if entry.path in remove:
            continue
        attributes = read_attributes(volume.source, super_, entry.handle)
        new = put.get(entry.path)
        source = None
        if new is not None and entry.kind is not EntryKind.FILE:
            raise Refused(f"{volume.path(entry.path)} is not a file")
        if new is not None:
            attributes, source = evolve(attributes, times=NEW), new.path.resolve()
        elif entry.kind is EntryKind.FILE:
            source = _read_out(volume, entry, work_folder / f"file-{len(nodes)}")
        nodes[entry.path] = Node(attributes, source, entry.target)
        if entry.kind is EntryKind.FILE and attributes.links > 1:
            todo.notes.append(
                f"{volume.path(entry.path)} has several hard links, which become separate files"
            )
    for name, new in put.items():
        nodes.setdefault(name, new_node(new.path))
    made = work_folder / "made"
    make_xfs(
        made,
        volume.partition.size,
        label=volume.files.label or "",
        identity=volume.files.uuid or "",
        nodes=nodes,
        features=(*super_.features, *super_.kept),
    )
    source_handle = os.open(made, os.O_RDONLY | os.O_CLOEXEC)
    try:
        size = volume.partition.size
        return sparse.replace_range(source_handle, size, handle, volume.partition.offset, size)
    finally:
        os.close(source_handle)
        made.unlink()


def _change_ext4(handle: int, volume: Volume, todo: Plan, work: Path) -> int:
    return change_ext4(
        Path(f"/proc/{os.getpid()}/fd/{handle}"),
        volume.partition.offset,
        volume.partition.size,
        put={name: new.path for name, new in todo.put.get(volume, {}).items()},
        remove=todo.remove.get(volume, ()),
        work=work / f"ext4-{volume.partition.number}",
    )


_WRITERS = {
    "vfat": _change_fat, "xfs": _change_xfs, "ext2": _change_ext4, "ext3": _change_ext4, "ext4": _change_ext4,
}  # fmt: skip


def _read_out(volume: Volume, entry: Entry, path: Path) -> Path:
    source = volume.files.open(entry)
    try:
        with path.open("wb") as file:
            for start in range(0, source.size, _COPY):
                file.write(source.read(start, min(_COPY, source.size - start)))
    except OSError as error:
        raise atomic.explained(error, path) from error
    return path.resolve()


def _manifest(opened: OpenImage, output: Path, todo: Plan) -> ImageManifest:
    """The original's manifest with what changed; only that, where the original has none."""
    old = load(beside(opened.path))
    parts = {part.path: part for part in old.parts} if old is not None else {}
    for volume in todo.volumes:
        for name in todo.remove.get(volume, ()):
            parts.pop(volume.path(name), None)
        for name, new in todo.put.get(volume, {}).items():
            parts[volume.path(name)] = _part(volume.path(name), new, parts.get(volume.path(name)))
    ordered = tuple(parts[path] for path in sorted(parts))
    if old is None:
        return ImageManifest(output.name, ordered, None, complete=False)
    return evolve(old, image=output.name, parts=ordered)


def _part(path: str, new: NewFile, old: ImagePart | None) -> ImagePart:
    return ImagePart(
        name=old.name if old is not None else new.part,
        path=path,
        sha256=sha256_of(new.path),
        size=new.path.stat().st_size,
        version=new.version,
        origin=new.origin,
    )
