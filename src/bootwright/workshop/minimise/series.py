"""A series on its base: what each patch needs, and which tree any subset of it gives.

Only files that a patch touches are looked at, in a git repository that is made for it and removed: a kernel's
source has 90,000 files, a series touches some tens.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

from attrs import define, field

from bootwright.foundation.errors import Malformed, Refused
from bootwright.foundation.processes.work_folder import temporary_folder
from bootwright.workshop.patches.commits import Commit
from bootwright.workshop.patches.needs import CONTEXT, closed, declared_needs, joined, textual_needs
from bootwright.workshop.patches.unified import FileChange, read_changes
from bootwright.workshop.repository import Repository, ScratchTree
from bootwright.workshop.trees.series import Patch
from bootwright.workshop.trials.trials import Unbuildable, digest

_FIRST_LINE = re.compile(rb"From ([0-9a-f]{40}) ")
_SUBJECT = re.compile(rb"^Subject: *(?:\[[^\]\n]*\] *)*((?:.*)(?:\n[ \t].*)*)", re.MULTILINE)
_END_OF_MESSAGE = re.compile(rb"^(?:---|diff --git .*|--- .*)$", re.MULTILINE)
_ENVIRONMENT = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}


@define
class SeriesOnBase:
    """The patches of a series, on one base. Make one with `series_on`."""

    patches: tuple[Patch, ...]
    needs: tuple[frozenset[int], ...]
    """For each patch all earlier ones that it needs: by lines, or by what they say."""
    scratch: ScratchTree
    base_tree: str
    _differences: tuple[bytes, ...]
    """What each patch changes in the whole series, with the names of the files' contents."""
    _applied: dict[frozenset[int], tuple[str, tuple[Patch, ...]]] = field(factory=dict, init=False)

    def tree(self, kept: frozenset[int]) -> str:
        """What the files are with these patches: the same text, the same files.

        Raises `Unbuildable` where one cannot be merged without those that are left out.
        """
        return self._apply(kept)[0]

    def chosen(self, kept: frozenset[int]) -> tuple[Patch, ...]:
        """These patches in their order, as they apply one after the other without the rest.

        One whose surroundings differ is merged, and keeps its mail's head. Raises `Unbuildable` as `tree`.
        """
        return self._apply(kept)[1]

    def _apply(self, kept: frozenset[int]) -> tuple[str, tuple[Patch, ...]]:
        if kept not in self._applied:
            self.scratch.start(self.base_tree)
            patches = tuple(self._put(number) for number in sorted(kept))
            self._applied[kept] = self.scratch.tree, patches
        return self._applied[kept]

    def _put(self, number: int) -> Patch:
        patch, before = self.patches[number], self.scratch.tree
        if self.scratch.apply(patch.data, three_way=False) is None:
            return patch
        trouble = self.scratch.apply(self._differences[number])
        if trouble is not None:
            raise Unbuildable(f"{patch.name} cannot be merged without those left out: {trouble}")
        head = _head(patch.data)
        return Patch(
            patch.name, (head and head + b"---\n\n") + difference(self.scratch, before, self.scratch.tree)
        )


@contextmanager
def series_on(base: Path, patches: Sequence[Patch]) -> Iterator[SeriesOnBase]:
    """The series on the source in a folder.

    Raises `Refused` for a patch that does not apply to it after those before, and for one without changes,
    `Malformed` for one that is damaged.
    """
    changes = [read_changes(patch.data, patch.name) for patch in patches]
    for patch, parts in zip(patches, changes, strict=True):
        if not parts:
            raise Refused(f"{patch.name} changes no file", hint="leave it out of the series")
    with temporary_folder() as temporary:
        repository = Repository(temporary / "files", _ENVIRONMENT)
        repository.folder.mkdir()
        repository.run("init", "-q")
        base_tree = _put(repository, base, changes, patches)
        with repository.scratch() as scratch:
            trees = _trees(scratch, base_tree, patches)
            steps = list(pairwise(trees))
            narrow = [
                read_changes(difference(scratch, *step, context=CONTEXT), patch.name)
                for step, patch in zip(steps, patches, strict=True)
            ]
            commits = [_commit(patch) for patch in patches]
            needs = closed(joined(textual_needs(narrow), declared_needs(commits)))
            differences = tuple(difference(scratch, *step) for step in steps)
            yield SeriesOnBase(tuple(patches), needs, scratch, base_tree, differences)


def difference(scratch: ScratchTree, before: str, after: str, *, context: int = 3) -> bytes:
    """The difference between two trees, with so many lines around a change.

    Without renames: what git takes for one by likeness says nothing of who needs whom.
    """
    return scratch.repository.run(
        *("diff-tree", "-p", f"-U{context}", "--binary", "--full-index", "--no-renames", "--no-ext-diff"),
        *("--no-textconv", "--no-color", before, after),
    )


def _put(
    repository: Repository, base: Path, changes: Sequence[Sequence[FileChange]], patches: Sequence[Patch]
) -> str:
    """The base's files that the series touches, as a tree."""
    names: set[str] = set()
    for patch, parts in zip(patches, changes, strict=True):
        for name in frozenset[str]().union(*(change.paths for change in parts)):
            if name.startswith("/") or ".." in name.split("/") or "\n" in name or "\0" in name:
                raise Malformed(patch.name, None, "names of files inside the source", repr(name[:100]))
            names.add(name)
    entries: list[bytes] = []
    for name in sorted(names):
        path = base / name
        try:
            mode = path.lstat().st_mode
            if stat.S_ISLNK(mode):
                kind, data = "120000", os.fsencode(path.readlink())
            elif stat.S_ISREG(mode):
                kind, data = "100755" if mode & 0o100 else "100644", path.read_bytes()
            else:
                continue
        except (FileNotFoundError, NotADirectoryError):
            continue  # a patch makes it
        blob = repository.run("hash-object", "-w", "--stdin", input_bytes=data).decode().strip()
        entries.append(f"{kind} {blob}\t{name}".encode("utf-8", "surrogateescape"))
    repository.run("update-index", "-z", "--index-info", input_bytes=b"".join(e + b"\0" for e in entries))
    return repository.text("write-tree").strip()


def _trees(scratch: ScratchTree, base_tree: str, patches: Sequence[Patch]) -> list[str]:
    """The base's tree, and that after each patch of the whole series."""
    scratch.start(base_tree)
    trees = [scratch.tree]
    for number, patch in enumerate(patches):
        trouble = scratch.apply(patch.data, three_way=False)
        if trouble is not None:
            after = f", after {patches[number - 1].name}" if number else ""
            raise Refused(
                f"{patch.name} does not apply to the base{after}: {trouble}",
                hint="the series has to apply in its order: rebase it, or give the base that it was made for",
            )
        trees.append(scratch.tree)
    return trees


def _commit(patch: Patch) -> Commit:
    """What a patch's mail says of itself; a plain diff says nothing."""
    message = _head(patch.data)
    first = _FIRST_LINE.match(patch.data)
    subject = _SUBJECT.search(message)
    title = b" ".join(subject[1].split()) if subject is not None else b""
    return Commit(
        name=first[1].decode() if first is not None else digest(patch.digest)[:32],
        parents=(),
        author="",
        date="",
        subject=title.decode(errors="replace"),
        message=message.decode(errors="replace"),
    )


def _head(data: bytes) -> bytes:
    """What stands before the changes of a patch, and before the list of changed files."""
    end = _END_OF_MESSAGE.search(data)
    return data[: end.start()] if end is not None else b""
