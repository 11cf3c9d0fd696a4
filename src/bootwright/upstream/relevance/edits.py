"""A commit's changes by lines, with their numbers on both sides."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from attrs import frozen

from bootwright.foundation.errors import Malformed
from bootwright.workshop.patches.unified import FileChange, Hunk, read_changes
from bootwright.workshop.repository import Repository


@frozen
class Edit:
    """One run of lines that is taken away, put in, or both."""

    removed: tuple[tuple[int, str], ...]
    """(line number before, text)."""
    added: tuple[tuple[int, str], ...]
    """(line number afterwards, text)."""
    context: tuple[str, ...] = ()
    """All lines of the hunk as they stand in a patch, where there are lines around."""


@frozen
class FileEdits:
    """What a commit, or a patch in a file, does to one file."""

    old: str | None
    new: str | None
    edits: tuple[Edit, ...]

    @property
    def path(self) -> str:
        """Its name afterwards, or the one that it had."""
        return self.new or self.old or ""

    @property
    def removed(self) -> list[tuple[int, str]]:
        """Every line that is taken away."""
        return [line for edit in self.edits for line in edit.removed]

    @property
    def added(self) -> list[tuple[int, str]]:
        """Every line that is put in."""
        return [line for edit in self.edits for line in edit.added]


def edits_of_commit(repository: Repository, name: str, paths: Sequence[str] = ()) -> list[FileEdits]:
    """What a commit does, against its first parent; with `paths` only there."""
    patch = repository.run(
        *("diff-tree", "-p", "-U0", "--root", "--no-ext-diff", "--no-textconv", "--no-renames"),
        *("--no-commit-id", name, "--", *paths),
    )
    return [numbered(change) for change in read_changes(patch, name)]


def edits_of_patch(text: bytes, where: str) -> list[FileEdits]:
    """What a patch in a file does; nothing where it is damaged."""
    try:
        return [numbered(change) for change in read_changes(text, where)]
    except Malformed:
        return []


def numbered(change: FileChange) -> FileEdits:
    """A change with the numbers of its lines."""
    return FileEdits(change.old, change.new, tuple(_edits(change.hunks)))


def _edits(hunks: Iterable[Hunk]) -> list[Edit]:
    edits: list[Edit] = []
    ahead = 0
    """How many lines more there are afterwards, so far."""
    for hunk in hunks:
        # With no line before, the number is of the line after which to add.
        old = hunk.old_start + (hunk.old_lines == 0)
        new = old + ahead
        removed: list[tuple[int, str]] = []
        added: list[tuple[int, str]] = []
        for line in hunk.lines:
            text = line[1:].decode(errors="replace")
            if line.startswith(b"-"):
                removed.append((old, text))
                old += 1
            elif line.startswith(b"+"):
                added.append((new, text))
                new += 1
            else:
                old += 1
                new += 1
        ahead += len(added) - len(removed)
        context = tuple(line.decode(errors="replace") for line in hunk.lines)
        edits.append(Edit(tuple(removed), tuple(added), context))
    return edits
