"""Which commits would have to come first for one that conflicts: the ones that wrote the lines it changes.

The lines that a hunk names are blamed (git-blame(1)) on the tree that the commit was made on; who brought
them, and is not there yet, is what is missing. Lines that were taken away leave nothing to blame: then the
other commits to the same files are tried, the newest first. What is named as enough was tried.
"""

from __future__ import annotations

from collections.abc import Collection

from attrs import define, field, frozen

from bootwright.foundation.errors import ToolFailed
from bootwright.workshop.patches.commits import Commit, patch_of
from bootwright.workshop.patches.compare import Difference
from bootwright.workshop.patches.unified import FileChange, read_changes
from bootwright.workshop.repository import Repository, ScratchTree

_MOST_TOGETHER = 20
"""Commits tried together for one conflict."""
_MOST_SINGLE = 50
"""Commits tried one by one, where nobody can be blamed."""


@frozen
class Resolution:
    """What a commit that conflicts waits for."""

    commits: tuple[Commit, ...]
    """In the order in which they apply."""
    enough: bool
    """It was tried: with them it applies. Else they wrote lines that it changes, and more is missing."""


@define
class Resolver:
    """Looks for what is missing, among the commits of a range."""

    repository: Repository
    difference: Difference
    _commits: dict[str, Commit] = field(init=False)
    _order: dict[str, int] = field(init=False)
    _present: set[str] = field(init=False)
    _left_out: set[str] = field(factory=set, init=False)

    def __attrs_post_init__(self) -> None:
        self._commits = {commit.name: commit for commit in self.difference.history}
        self._order = {commit.name: number for number, commit in enumerate(self.difference.history)}
        self._present = {present.commit.name for present in self.difference.present}

    def seen(self, name: str, *, applied: bool) -> None:
        """Note what became of a commit of the series."""
        (self._present if applied else self._left_out).add(name)

    def resolve(self, scratch: ScratchTree, commit: Commit, applied: Collection[str]) -> Resolution | None:
        """What `commit` waits for on this tree; None where no commit of the range can be named."""
        start = scratch.tree
        try:
            together = self._together(scratch, commit, set(applied) | self._present)
            if together is not None and together.enough:
                return together
            return self._single(scratch, start, commit, applied) or together
        finally:
            scratch.start(start)

    def _together(self, scratch: ScratchTree, commit: Commit, there: set[str]) -> Resolution | None:
        """The writers of the lines, those of their own lines, and so on, tried together."""
        start = scratch.tree
        wanted: set[str] = set()
        new = self._writers(commit) - there
        while new and len(wanted) + len(new) <= _MOST_TOGETHER:
            wanted |= new
            ordered = sorted(wanted, key=self._order.__getitem__)
            if self._fit(scratch, start, [*ordered, commit.name]):
                return Resolution(self._fewest(scratch, start, ordered, commit), enough=True)
            new = set().union(*(self._writers(self._commits[name]) for name in new)) - there - wanted
        if not wanted:
            return None
        ordered = sorted(wanted, key=self._order.__getitem__)
        return Resolution(tuple(self._commits[name] for name in ordered), enough=False)

    def _fewest(
        self, scratch: ScratchTree, start: str, names: list[str], commit: Commit
    ) -> tuple[Commit, ...]:
        """Those without which it does not apply; each is left out once."""
        kept = list(names)
        for name in reversed(names):
            fewer = [other for other in kept if other != name]
            if fewer and self._fit(scratch, start, [*fewer, commit.name]):
                kept = fewer
        return tuple(self._commits[name] for name in kept)

    def _single(
        self, scratch: ScratchTree, start: str, commit: Commit, applied: Collection[str]
    ) -> Resolution | None:
        paths = sorted({path for change in self._changes(commit) for path in change.paths})
        before = self._order.get(commit.name, len(self._order))
        names = self.repository.lines(
            *("log", "--format=%H", "--no-merges"),
            *(commit.name, f"^{self.difference.span.start_commit}", "--", *paths),
        )
        tried = 0
        for name in names:
            if name in applied or name in self._present or self._order.get(name, before) >= before:
                continue
            tried += 1
            if tried > _MOST_SINGLE:
                break
            if self._fit(scratch, start, [name, commit.name]):
                return Resolution((self._commits[name],), enough=True)
        return None

    def _fit(self, scratch: ScratchTree, start: str, names: list[str]) -> bool:
        scratch.start(start)
        return all(scratch.apply(patch_of(self.repository, name)) is None for name in names)

    def _changes(self, commit: Commit) -> tuple[FileChange, ...]:
        return read_changes(patch_of(self.repository, commit.name), commit.name)

    def _writers(self, commit: Commit) -> set[str]:
        """The commits of the range that wrote a line which this one names."""
        if not commit.parents:
            return set()
        writers: set[str] = set()
        parent = commit.parents[0]
        for change in self._changes(commit):
            if change.old is None:
                continue
            spans = [f"-L{hunk.old_start},+{hunk.old_lines}" for hunk in change.hunks if hunk.old_lines]
            whole = not spans
            try:
                lines = self.repository.lines(
                    *("blame", "--porcelain", "-s", *([] if whole else spans)),
                    *(f"{self.difference.span.start_commit}..{parent}", "--", change.old),
                )
            except ToolFailed:
                continue
            writers |= {word for line in lines if (word := line.split(" ", 1)[0]) in self._commits}
            if self.repository.file(self.difference.span.start_commit, change.old) is None:
                writers |= self._makers(change.old, parent)
        return writers

    def _makers(self, path: str, end: str) -> set[str]:
        """Who made a file that the older tree does not have."""
        names = self.repository.lines(
            *("log", "--format=%H", "--diff-filter=AR", "--no-merges"),
            *(f"{self.difference.span.start_commit}..{end}", "--", path),
        )
        return set(names[:1]) & set(self._commits)
