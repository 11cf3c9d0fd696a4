"""A git repository of the user's: read, never written to, and nothing of its configuration is run.

Objects that a question needs (a patch applied to another tree) go to a folder of their own, with the
repository's as alternates (gitrepository-layout(5), Git 2.39: objects/info/alternates).
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from attrs import define, field, frozen

from bootwright.foundation import tools
from bootwright.foundation.choices import no_such
from bootwright.foundation.errors import Refused, ToolFailed
from bootwright.foundation.processes.work_folder import temporary_folder

_SECONDS = 600.0
# apply.c, Git 2.39: what it says of a file that it cannot change.
_STOPPING = re.compile(
    r"^error: patch failed: (.+):\d+$"
    r"|^error: (.+): (?:patch does not apply|already exists in index|does not (?:exist in|match) index)$"
    r"|^Applied patch to '(.+)' with conflicts",
    re.MULTILINE,
)
_MOST_PATHS = 500
"""Named on a command line; of more files all are read."""
# Programs that a repository's configuration can name: a diff driver, a monitor, hooks.
_SETTINGS = ("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-c", "core.quotePath=false")
_ENVIRONMENT = {"GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "GIT_PAGER": "cat"}


@frozen
class Span:
    """The two ends of `FROM..TO`, as given and as commits."""

    start: str
    end: str
    start_commit: str
    end_commit: str


def parse_span(text: str, *, form: str) -> tuple[str, str]:
    """The two names of `A..B`; raises `Refused`, with `form` as the example to follow."""
    start, dots, end = text.partition("..")
    if not dots or not start or not end or end.startswith("."):
        raise Refused(f"{text!r} is not a range", hint=f"two names with two dots between them: {form}")
    return start, end


@define
class Repository:
    """A git repository in a folder, with or without a work tree. Make one with `open_repository`."""

    folder: Path
    environment: Mapping[str, str] = field(factory=dict)
    """Further variables for git: where a scratch keeps its index and objects."""

    def run(self, *arguments: str, input_bytes: bytes | None = None, timeout: float = _SECONDS) -> bytes:
        """What git prints; raises `ToolFailed`."""
        return tools.run(
            ["git", "-C", self.folder, *_SETTINGS, *arguments],
            timeout=timeout,
            input_bytes=input_bytes,
            env={**_ENVIRONMENT, **self.environment},
        )

    @contextmanager
    def stream(self, *arguments: str) -> Iterator[IO[bytes]]:
        """The same as it comes, for what is too large for memory; raises `ToolFailed` at its end."""
        program = str(tools.need("git", purpose="read a repository"))
        with subprocess.Popen(
            [program, "-C", str(self.folder), *_SETTINGS, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            env={**os.environ, "LC_ALL": "C", **_ENVIRONMENT, **self.environment},
        ) as process:
            assert process.stdout is not None  # noqa: S101 - as asked for
            yield process.stdout
        if process.returncode != 0:
            raise ToolFailed(f"git {arguments[0]}", f"it ended with status {process.returncode}")

    def text(self, *arguments: str, input_bytes: bytes | None = None) -> str:
        """The same as text."""
        return self.run(*arguments, input_bytes=input_bytes).decode(errors="replace")

    def lines(self, *arguments: str) -> list[str]:
        """The same by lines."""
        return self.text(*arguments).splitlines()

    def try_lines(self, *arguments: str) -> list[str]:
        """The same; nothing where git fails, as where it finds nothing."""
        try:
            return self.lines(*arguments)
        except ToolFailed:
            return []

    def commit(self, reference: str) -> str:
        """The commit that a name stands for; raises `Refused`, with the reference that was meant."""
        if not reference.startswith("-"):
            try:
                return self.text(
                    "rev-parse", "--verify", "-q", "--end-of-options", f"{reference}^{{commit}}"
                ).strip()
            except ToolFailed:
                pass
        names = self.lines("for-each-ref", "--format=%(refname:short)")
        raise no_such(f"{self.folder} has no commit {reference!r}", reference, names, kind="references")

    def span(self, text: str) -> Span:
        """The two commits of `FROM..TO`; raises `Refused`."""
        start, end = parse_span(text, form="v6.12..v6.18")
        return Span(start, end, self.commit(start), self.commit(end))

    def file(self, commit: str, path: str) -> bytes | None:
        """The bytes of a file of a commit or tree; None where it has none of that name."""
        try:
            return self.run("cat-file", "blob", f"{commit}:{path}")
        except ToolFailed:
            return None

    @contextmanager
    def scratch(self) -> Iterator[ScratchTree]:
        """A tree to apply patches to, which is gone afterwards, with all objects made in it."""
        objects = self.text("rev-parse", "--path-format=absolute", "--git-path", "objects").strip()
        with temporary_folder() as place:
            (place / "objects").mkdir()
            environment = {
                "GIT_INDEX_FILE": str(place / "index"),
                "GIT_OBJECT_DIRECTORY": str(place / "objects"),
                "GIT_ALTERNATE_OBJECT_DIRECTORIES": objects,
            }
            yield ScratchTree(Repository(self.folder, environment))


@define
class ScratchTree:
    """A tree in an index of its own; `repository` sees its objects."""

    repository: Repository
    tree: str = ""

    def start(self, tree: str, paths: Collection[str] | None = None) -> None:
        """Begin with a tree or a commit's; with `paths` only these of its files, which is much quicker."""
        if paths is None or len(paths) > _MOST_PATHS:
            self.repository.run("read-tree", tree)
            self.tree = self.repository.text("rev-parse", f"{tree}^{{tree}}").strip()
            return
        self.repository.run("read-tree", "--empty")
        names = sorted(path.encode("utf-8", "surrogateescape") for path in paths)
        entries = self.repository.run(
            "ls-tree", "-r", "-z", "--full-tree", tree, "--", *map(os.fsdecode, names)
        )
        self.repository.run("update-index", "-z", "--index-info", input_bytes=entries)
        self.tree = self.repository.text("write-tree").strip()

    def apply(self, patch: bytes, *, three_way: bool = True) -> str | None:
        """Apply a patch; None, or why it does not apply, and then the tree is as before.

        `three_way` also where lines near it differ: with the blobs that the patch names a merge is made
        (git-apply(1), --3way).
        """
        way = ("--3way",) if three_way else ()
        if not patch.strip():
            return None
        try:
            self.repository.run("apply", "--cached", *way, "--whitespace=nowarn", "-", input_bytes=patch)
        except ToolFailed as error:
            self.repository.run("read-tree", self.tree)
            return _reason(error.output)
        self.tree = self.repository.text("write-tree").strip()
        return None

    def stopping_files(self, patch: bytes) -> frozenset[str]:
        """The files for which a patch cannot be merged; the tree stays as it is."""
        try:
            self.repository.run("apply", "--cached", "--3way", "--whitespace=nowarn", "-", input_bytes=patch)
        except ToolFailed as error:
            names = (name for match in _STOPPING.finditer(error.output) for name in match.groups() if name)
            return frozenset(names)
        finally:
            self.repository.run("read-tree", self.tree)
        return frozenset()


def _reason(output: str) -> str:
    """The line of git-apply's output that says what is wrong."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    wrong = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    conflict = [line for line in lines if "with conflicts" in line or line.startswith("U ")]
    others = [line for line in lines if not line.endswith("cleanly.")]
    telling = [line for line in wrong if "does not apply" not in line] or wrong or conflict or others
    return telling[0][:300] if telling else "git apply gave no reason"


def open_repository(folder: Path, *, hint: str = "give one with --repository, or git init it") -> Repository:
    """The repository that a folder is in.

    Raises `Refused`, with `hint`, where it is in none; `Missing` without git.
    """
    tools.need("git", purpose="read the history of a source tree")
    if not folder.is_dir():
        raise Refused(f"there is no folder {folder}", hint="give a git repository with --repository")
    repository = Repository(folder)
    try:
        repository.run("rev-parse", "--git-dir")
    except ToolFailed as error:
        if "dubious ownership" in error.output:
            raise Refused(
                f"{folder} belongs to somebody else, and git does not read it",
                hint=f"git config --global --add safe.directory {folder.absolute()}",
            ) from error
        raise Refused(f"{folder} is not a git repository", hint=hint) from error
    return repository
