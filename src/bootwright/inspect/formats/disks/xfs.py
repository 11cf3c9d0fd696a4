"""XFS, versions 4 and 5 as items of the tree."""

from __future__ import annotations

from bootwright.formats.filesystems.xfs import Xfs
from bootwright.formats.filesystems.xfs_format import is_xfs
from bootwright.formats.sources.bytesource import ByteSource
from bootwright.inspect.facts import Item, Value
from bootwright.inspect.files import described
from bootwright.inspect.format import Context, Format


def xfs(explorer: Context, source: ByteSource, name: str, depth: int) -> Item:
    """An XFS file system."""
    files = Xfs(source)
    super_ = files.superblock
    more: dict[str, Value] = {
        "block_size": super_.block_size,
        "format_version": super_.version,
        "features": list(super_.features),
    }
    return described(explorer, files, name, depth, source=source, more=more)


def _matches(source: ByteSource, head: bytes) -> bool:  # noqa: ARG001
    return is_xfs(source)


FORMAT = Format(
    name="xfs",
    title="XFS, versions 4 and 5",
    documentation="fs/xfs/libxfs/xfs_format.h (Linux 6.12)",
    limits="what only the log holds, and files on a real-time device, are not read",
    describe=xfs,
    matches=_matches,
    order=40,
)
