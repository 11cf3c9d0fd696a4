"""Where devicetrees of other trees are to be had: one file of `data/devicetrees/` each."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath

from attrs import field, frozen

from bootwright.foundation.knowledge import Kind
from bootwright.foundation.structure import STEM

_COMMIT = re.compile(r"[0-9a-f]{40}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_ADDRESS = re.compile(r"https?://[^\s\x00-\x1f]+")


@frozen
class DevicetreeSource:
    """A folder of one commit of a git repository.

    The commit's name is the hash of everything in it, so that it alone decides which bytes are taken, from
    whatever server they come.
    """

    name: str = field(metadata=STEM)
    title: str
    repository: str
    """Its address, http or https."""
    commit: str
    """40 hexadecimal digits: no branch and no tag, which may move."""
    folder: str
    """Path in the repository; empty for its root."""
    files: tuple[str, ...]
    """Patterns of paths below `folder`; `*` stays within one part of a path."""
    found_at: tuple[str, ...]
    """Where it is written that this is the commit."""
    note: str = ""
    sha256: Mapping[str, str] = field(factory=dict, hash=False)
    """Path below `folder` → SHA-256 of its bytes, where known: then a file must have it too."""

    def __attrs_post_init__(self) -> None:
        """Raises `ValueError` for an address, a commit, a path or a hash that can be none."""
        if not _ADDRESS.fullmatch(self.repository):
            raise ValueError("an http:// or https:// address in `repository`", self.repository)
        if not _COMMIT.fullmatch(self.commit):
            raise ValueError("40 hexadecimal digits in `commit`", self.commit)
        if not self.files:
            raise ValueError("at least one pattern in `files`", "none")
        for path in (self.folder, *self.files, *self.sha256):
            if path.startswith("/") or ".." in PurePosixPath(path).parts:
                raise ValueError("a path inside the repository", path)
        for path, digest in self.sha256.items():
            if not _SHA256.fullmatch(digest):
                raise ValueError(f"64 hexadecimal digits for {path}", digest)


SOURCES = Kind("devicetrees", "a devicetree source", DevicetreeSource)
"""`data/devicetrees/`, and the user's own."""
