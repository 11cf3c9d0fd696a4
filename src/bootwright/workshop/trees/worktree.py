"""What the files of a git work tree are, as one text: its commit's tree, and what differs from it."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from bootwright.foundation.errors import Refused
from bootwright.workshop.repository import Repository


def tree_of(repository: Repository, commit: str) -> str:
    """The name of a commit's tree, which says its content."""
    return repository.text("rev-parse", f"{commit}^{{tree}}").strip()


def state(repository: Repository, folder: Path) -> str:
    """What the files of a work tree are, changes and new files included; the same text, the same files.

    Raises `Refused` where `folder` is not the root of a work tree, `ToolFailed`.
    """
    if Path(repository.text("rev-parse", "--show-toplevel").rstrip("\n")).resolve() != folder.resolve():
        raise Refused(f"{folder} is no work tree of its own", hint="give the root of one")
    tree = tree_of(repository, "HEAD")
    changed = repository.run("diff", "HEAD", "--binary", "--no-ext-diff", "--no-textconv", "--no-color")
    new = [
        name
        for name in repository.run("ls-files", "--others", "--exclude-standard", "-z").split(b"\0")
        if name
    ]
    if not changed and not new:
        return f"git tree {tree}"
    digest = hashlib.sha256(changed)
    for name in new:
        path = folder / os.fsdecode(name)
        content = os.fsencode(path.readlink()) if path.is_symlink() else path.read_bytes()
        digest.update(name + b"\0" + hashlib.sha256(content).digest())
    return f"git tree {tree}, changed {digest.hexdigest()}"
