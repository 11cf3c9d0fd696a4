"""The git repository that a source tree is in: read, never written to, and nothing of its own is run."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from attrs import frozen

from bootwright.foundation import tools
from bootwright.foundation.choices import no_such
from bootwright.foundation.errors import Refused, ToolFailed

# Programs that a repository's own configuration can name.
_SETTINGS = ("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-c", "core.quotePath=false")
_ENVIRONMENT = {"GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "GIT_PAGER": "cat"}
_SECONDS = 600.0


@frozen
class Checkout:
    """A repository, by a folder in it."""

    folder: Path

    @classmethod
    def open(cls, folder: Path) -> Checkout:
        """Raises `Refused` where the folder is in no repository, `Missing` without git."""
        tools.need("git", purpose="read a repository")
        checkout = cls(folder)
        try:
            checkout.text("rev-parse", "--git-dir")
        except ToolFailed as error:
            if "dubious ownership" in error.output:
                raise Refused(
                    f"{folder} belongs to somebody else, and git does not read it",
                    hint=f"git config --global --add safe.directory {folder.absolute()}",
                ) from error
            raise Refused(f"{folder} is no git repository", hint="give the folder of one") from error
        return checkout

    def command(self, *arguments: str) -> list[str]:
        """The command line of git."""
        return [
            str(tools.need("git", purpose="read a repository")),
            "-C",
            str(self.folder),
            *_SETTINGS,
            *arguments,
        ]

    def environment(self) -> Mapping[str, str]:
        """The environment that it runs in."""
        return {**os.environ, **_ENVIRONMENT}

    def run(self, *arguments: str) -> bytes:
        """What git prints; raises `ToolFailed`."""
        return tools.run(self.command(*arguments), timeout=_SECONDS, env=_ENVIRONMENT)

    def text(self, *arguments: str) -> str:
        """The same as text, without the last newline."""
        return self.run(*arguments).decode("utf-8", "surrogateescape").rstrip("\n")

    def commit(self, reference: str) -> str:
        """The commit that a name stands for; raises `Refused` with the one that was meant."""
        if reference and not reference.startswith("-"):
            try:
                return self.text("rev-parse", "--verify", "-q", "--end-of-options", f"{reference}^{{commit}}")
            except ToolFailed:
                pass
        names = self.text("for-each-ref", "--format=%(refname:short)").splitlines()
        raise no_such(f"{self.folder} has no commit {reference!r}", reference, names, kind="references")

    def tree(self, commit: str) -> str:
        """The name of a commit's tree, which says its content."""
        return self.text("rev-parse", f"{commit}^{{tree}}")

    def state(self, folder: Path) -> str:
        """What the files of a work tree are, changes and new files included.

        Raises `Refused` where `folder` is not the root of a work tree, `ToolFailed`.
        """
        if Path(self.text("rev-parse", "--show-toplevel")).resolve() != folder.resolve():
            raise Refused(f"{folder} is no work tree of its own", hint="give the root of one")
        tree = self.tree("HEAD")
        changed = self.run("diff", "HEAD", "--binary", "--no-ext-diff", "--no-textconv", "--no-color")
        new = self.run("ls-files", "--others", "--exclude-standard", "-z").split(b"\0")
        if not changed and not any(new):
            return f"git tree {tree}"
        digest = hashlib.sha256(changed)
        for name in filter(None, new):
            path = folder / os.fsdecode(name)
            content = os.fsencode(path.readlink()) if path.is_symlink() else path.read_bytes()
            digest.update(name + b"\0" + hashlib.sha256(content).digest())
        return f"git tree {tree}, changed {digest.hexdigest()}"
