"""ext2, ext3 and ext4 as items of the tree."""

from __future__ import annotations

from bootwright.formats.filesystems.ext4 import Ext, is_ext
from bootwright.formats.sources.bytesource import ByteSource
from bootwright.inspect.facts import Item, Value
from bootwright.inspect.files import described
from bootwright.inspect.format import Context, Format


def ext(explorer: Context, source: ByteSource, name: str, depth: int) -> Item:
    """An ext2, ext3 or ext4 file system."""
    files = Ext(source)
    super_ = files.superblock
    more: dict[str, Value] = {"block_size": super_.block_size, "features": list(super_.features)}
    return described(explorer, files, name, depth, source=source, more=more)


def _matches(source: ByteSource, head: bytes) -> bool:  # noqa: ARG001
    return is_ext(source)


FORMAT = Format(
    name="ext",
    title="ext2, ext3 and ext4",
    documentation="Documentation/filesystems/ext4/ (Linux 6.12)",
    limits="a journal that was not replayed is not looked at; encrypted files are refused",
    describe=ext,
    matches=_matches,
    order=110,
)
