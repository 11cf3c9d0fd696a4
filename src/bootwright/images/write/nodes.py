"""Files, directories, links and nodes to be put into a new file system, with all that belongs to them."""

from __future__ import annotations

import posixpath
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from attrs import frozen

from bootwright.formats.filesystems.attributes import Attributes, Times
from bootwright.images.write.new_filesystems import EPOCH


@frozen
class Node:
    """One of them."""

    attributes: Attributes
    source: Path | None = None
    """A regular file's content, on this machine."""
    target: str | None = None
    """Where a symbolic link points."""

    @property
    def kind(self) -> int:
        """The type bits of `st_mode`."""
        return stat.S_IFMT(self.attributes.mode)


NEW = Times.all_at(EPOCH)


def new_file(source: Path, mode: int = 0o644) -> Node:
    """A file of ours: root's, dated like everything made here."""
    return Node(Attributes(stat.S_IFREG | mode, times=NEW), source)


def new_folder() -> Node:
    """A directory of ours."""
    return Node(Attributes(stat.S_IFDIR | 0o755, times=NEW))


def with_parents(nodes: Mapping[str, Node]) -> dict[str, Node]:
    """The nodes, by absolute path, with the directories that hold them and `/`; parents first, sorted."""
    complete = {"/": nodes.get("/", new_folder())}
    for path in (*nodes, *parents(nodes)):
        complete.setdefault(path, nodes.get(path) or new_folder())
    return dict(sorted(complete.items(), key=lambda item: item[0].split("/")))


def parents(paths: Iterable[str]) -> Iterator[str]:
    """The directories above absolute paths, without `/`."""
    for path in paths:
        above = posixpath.dirname(path)
        while above not in {"/", ""}:
            yield above
            above = posixpath.dirname(above)
