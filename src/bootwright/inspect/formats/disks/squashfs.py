"""squashfs 4.0 as items of the tree."""

from __future__ import annotations

from bootwright.formats.filesystems.squashfs import SquashFs, is_squashfs
from bootwright.formats.sources.bytesource import ByteSource
from bootwright.inspect.facts import Item, ItemKind, Value
from bootwright.inspect.files import described
from bootwright.inspect.format import Context, Format


def squashfs(explorer: Context, source: ByteSource, name: str, depth: int) -> Item:
    """A squashfs image."""
    files = SquashFs(source)
    super_ = files.superblock
    more: dict[str, Value] = {
        "block_size": super_.block_size,
        "compression": super_.compression,
        "inodes": super_.inodes,
        "modified": super_.modified,
    }
    return described(explorer, files, name, depth, source=source, more=more)


def _matches(source: ByteSource, head: bytes) -> bool:  # noqa: ARG001
    return is_squashfs(source)


FORMAT = Format(
    name="squashfs",
    title="squashfs 4.0",
    documentation="fs/squashfs/squashfs_fs.h (Linux 6.12)",
    limits="versions before 4.0 are not read",
    describe=squashfs,
    matches=_matches,
    order=30,
    names=(r".*\.(sqsh|sqfs|squashfs|sfs)",),
    name_order=140,
    fits=frozenset({ItemKind.FILESYSTEM}),
)
