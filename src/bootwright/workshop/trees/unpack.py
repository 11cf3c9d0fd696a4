"""A source tree out of a tar archive: regular files and links that stay inside, nothing else."""

from __future__ import annotations

import os
import posixpath
from pathlib import Path

from bootwright.formats.archives.tarstream import TarMember, read_tar
from bootwright.formats.sources.streams import CHUNK, Limited, Stream
from bootwright.foundation import atomic
from bootwright.foundation.errors import Malformed
from bootwright.foundation.progress import Progress

MOST_BYTES = 16 << 30
"""Of files in all. Linux 7.3 has 1.7 GB."""


def unpack_tree(stream: Stream, where: str, target: Path, progress: Progress) -> None:
    """Write the files of a tar stream below `target`, without the one folder that all of them are in.

    Raises `Malformed` for an archive that is damaged, leaves its root or is too large, `Missing` where the
    disk is full.
    """
    total = count = 0
    folders: set[str] = set()
    links: set[str] = set()
    for member, content in read_tar(stream, where):
        name = member.name.partition("/")[2]  # linux-6.12/Makefile
        if not name:
            continue
        total += member.size
        count += 1
        if total > MOST_BYTES:
            raise Malformed(where, None, f"at most {MOST_BYTES >> 30} GiB of files", "more")
        if count % 500 == 0:
            progress.advance(count, None, "files")
        path = target / name
        try:
            folder = posixpath.dirname(name)
            if folder not in folders:
                if links and any(parent in links for parent in _parents(name)):
                    raise _untrusted(where, "files in folders", f"{name!r} behind a link")
                path.parent.mkdir(parents=True, exist_ok=True)
                folders.add(folder)
            if member.kind == "file":
                _write(content, path, executable=bool(member.mode & 0o100))
            elif member.kind == "link":
                _link(member, name, path, target, where)
                links.add(name)
        except OSError as error:
            raise atomic.explained(error, path) from error
    if not count:
        raise Malformed(where, None, "a tarball of a kernel's source", "an archive without a file")


def _write(content: Limited, path: Path, *, executable: bool) -> None:
    # Never through a link of the archive's own: the name is made new.
    handle = os.open(
        path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o755 if executable else 0o644
    )
    with os.fdopen(handle, "wb") as file:
        while piece := content.read(CHUNK):
            file.write(piece)


def _link(member: TarMember, name: str, path: Path, root: Path, where: str) -> None:
    """A symbolic link, or a second name of a file (its target counts from the archive's root)."""
    top = member.name.partition("/")[0]
    whole = root / member.target.removeprefix(f"{top}/")
    if member.target.startswith(f"{top}/") and whole.is_file() and not whole.is_symlink():
        os.link(whole, path)
        return
    steps = [step for step in member.target.split("/") if step not in {"", "."}]
    up = next((number for number, step in enumerate(steps) if step != ".."), len(steps))
    if member.target.startswith("/") or ".." in steps[up:] or up > name.count("/"):
        raise _untrusted(where, "links that stay inside the tree", f"{name} -> {member.target[:100]!r}")
    path.symlink_to(member.target)


def _parents(name: str) -> list[str]:
    steps = name.split("/")[:-1]
    return ["/".join(steps[: count + 1]) for count in range(len(steps))]


def _untrusted(where: str, expected: str, found: str) -> Malformed:
    return Malformed(
        where, None, expected, found, hint="no kernel's source is packed so; do not trust this archive"
    )
