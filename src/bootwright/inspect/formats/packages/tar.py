"""Tar archives, container images among them."""

from __future__ import annotations

from bootwright.formats.archives.archive_tree import ArchiveTree
from bootwright.formats.archives.tar_index import tar_members
from bootwright.formats.sources.bytesource import ByteSource
from bootwright.inspect.containers import container, is_container
from bootwright.inspect.facts import Item, ItemKind
from bootwright.inspect.files import described
from bootwright.inspect.format import Context, Format


def tar(explorer: Context, source: ByteSource, name: str, depth: int) -> Item:
    """A tar archive: a container image where it has that form, else just files."""
    tree = ArchiveTree(source.name, "tar", tar_members(source))
    if is_container(tree):
        return container(explorer, tree, name, depth)
    return described(explorer, tree, name, depth, source=source, kind=ItemKind.ARCHIVE)


def _matches(source: ByteSource, head: bytes) -> bool:  # noqa: ARG001
    return head[257:262] == b"ustar"


FORMAT = Format(
    name="tar",
    title="tar archive, container image",
    documentation="POSIX.1-2001 pax, GNU tar; OCI Image Specification 1.1",
    limits="GNU sparse files and multi-volume archives are refused",
    describe=tar,
    matches=_matches,
    order=120,
)
