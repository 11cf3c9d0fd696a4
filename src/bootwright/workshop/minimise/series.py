"""A series on its base: what each patch needs, and which tree any subset of it gives.

Only files that a patch touches are looked at, in a git repository that is made for it and removed: a kernel's
source has 90,000 files, a series touches some tens.
"""

from __future__ import annotations

import os
import re
import stat
import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from attrs import frozen

from bootwright.foundation.errors import Malformed, Refused
from bootwright.workshop.patches.commits import Commit
from bootwright.workshop.patches.needs import closed, declared_needs, joined, textual_needs
from bootwright.workshop.patches.unified import FileChange, read_changes
from bootwright.workshop.repository import Repository, ScratchTree
from bootwright.workshop.trees.series import Patch
from bootwright.workshop.trials.trials import Unbuildable, digest

_FIRST_LINE = re.compile(rb"From ([0-9a-f]{40}) ")
_SUBJECT = re.compile(rb"^Subject: *(?:\[[^\]\n]*\] *)*((?:.*)(?:\n[ \t].*)*)", re.MULTILINE)
_END_OF_MESSAGE = re.compile(rb"^(?:---|diff --git .*|--- .*)$", re.MULTILINE)
_ENVIRONMENT = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}


@frozen
class SeriesOnBase:
    """The patches of a series, on one base. Make one with `series_on`."""

    patches: tuple[Patch, ...]
    needs: tuple[frozenset[int], ...]
    """For each patch all earlier ones that it needs: by lines, or by what they say."""
    scratch: ScratchTree
    base_tree: str

    def chosen(self, kept: Collection[int]) -> tuple[Patch, ...]:
        """These patches, in their order."""
        return tuple(self.patches[number] for number in sorted(kept))

    def tree(self, kept: Collection[int]) -> str:
        """What the files are with these patches: the same text, the same files.

        Raises `Unbuildable` where one does not apply without those that are left out.
        """
        self.scratch.start(self.base_tree)
        for patch in self.chosen(kept):
            trouble = self.scratch.apply(patch.data, three_way=False)
            if trouble is not None:
                raise Unbuildable(f"{patch.name} does not apply without those left out: {trouble}")
        return self.scratch.tree


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
    with tempfile.TemporaryDirectory(prefix="bootwright-") as temporary:
        repository = Repository(Path(temporary) / "files", _ENVIRONMENT)
        repository.folder.mkdir()
        repository.run("init", "-q")
        base_tree = _put(repository, base, changes, patches)
        with repository.scratch() as scratch:
            diffs = _apply(scratch, base_tree, patches)
            commits = [_commit(patch) for patch in patches]
            needs = closed(joined(textual_needs(diffs), declared_needs(commits)))
            yield SeriesOnBase(tuple(patches), needs, scratch, base_tree)


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


def _apply(scratch: ScratchTree, base_tree: str, patches: Sequence[Patch]) -> list[tuple[FileChange, ...]]:
    """Each patch as the exact difference that it makes in the whole series."""
    scratch.start(base_tree)
    diffs: list[tuple[FileChange, ...]] = []
    for number, patch in enumerate(patches):
        before = scratch.tree
        trouble = scratch.apply(patch.data, three_way=False)
        if trouble is not None:
            after = f", after {patches[number - 1].name}" if number else ""
            raise Refused(
                f"{patch.name} does not apply to the base{after}: {trouble}",
                hint="the series has to apply in its order: rebase it, or give the base that it was made for",
            )
        # Without renames: what git takes for one by likeness says nothing of who needs whom.
        diff = scratch.repository.run(
            *("diff-tree", "-p", "--full-index", "--no-renames", "--no-ext-diff", "--no-textconv"),
            *("--no-color", before, scratch.tree),
        )
        diffs.append(read_changes(diff, patch.name))
    return diffs


def _commit(patch: Patch) -> Commit:
    """What a patch's mail says of itself; a plain diff says nothing."""
    end = _END_OF_MESSAGE.search(patch.data)
    message = patch.data[: end.start()] if end is not None else b""
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
