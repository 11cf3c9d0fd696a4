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

_MOST_TOGETHER = 12
"""Commits tried together for one conflict."""
_MOST_APPLIED = 400
"""Patches applied in search of what one conflict waits for; after that it ends with what is known."""
_MOST_SINGLE = 30
"""Commits tried one by one, where nobody can be blamed."""


@frozen
class Resolution:
    """What a commit that conflicts waits for."""

    commits: tuple[Commit, ...]
    """In the order in which they apply."""
    enough: bool
    """It was tried: with them it applies. Else they wrote lines that it changes, and more is missing."""
    left_out: bool = False
    """They are of the series themselves, and conflict."""


@define
class Resolver:
    """Looks for what is missing, among the commits of a range."""

    repository: Repository
    difference: Difference
    _commits: dict[str, Commit] = field(init=False)
    _order: dict[str, int] = field(init=False)
    _present: set[str] = field(init=False)
    _left_out: set[str] = field(factory=set, init=False)
    _patches: dict[str, bytes] = field(factory=dict, init=False)
    _left: int = field(default=_MOST_APPLIED, init=False)

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
        self._left = _MOST_APPLIED
        try:
            together = self._together(scratch, commit, set(applied) | self._present)
            if together is not None and (together.enough or together.left_out):
                return together
            return self._single(scratch, start, commit, applied) or together
        finally:
            scratch.start(start)

    def _together(self, scratch: ScratchTree, commit: Commit, there: set[str]) -> Resolution | None:
        """The writers of the lines that stop it, those of the lines that stop these, and so on."""
        start = scratch.tree
        wanted: set[str] = set()
        first: list[str] = []
        while len(wanted) <= _MOST_TOGETHER and self._left > 0:
            ordered = self._sorted(wanted)
            stopped = self._first_to_stop(scratch, start, [*ordered, commit.name])
            if stopped is None:
                return Resolution(self._fewest(scratch, start, ordered, commit), enough=True)
            files = scratch.stopping_files(self._patch(stopped))
            new = self._writers(self._commits[stopped], files) - there - wanted
            if not first:
                conflicting = self._sorted(new & self._left_out)
                if conflicting:
                    return Resolution(self._named(conflicting), enough=False, left_out=True)
                first = self._sorted(new)
            if not new:
                break
            wanted |= new
        return Resolution(self._named(first), enough=False) if first else None

    def _sorted(self, names: Collection[str]) -> list[str]:
        return sorted(names, key=self._order.__getitem__)

    def _named(self, names: Collection[str]) -> tuple[Commit, ...]:
        return tuple(self._commits[name] for name in names)

    def _fewest(
        self, scratch: ScratchTree, start: str, names: list[str], commit: Commit
    ) -> tuple[Commit, ...]:
        """Those without which it does not apply; each is left out once."""
        kept = list(names)
        for name in reversed(names):
            fewer = [other for other in kept if other != name]
            if fewer and self._fit(scratch, start, [*fewer, commit.name]):
                kept = fewer
        return self._named(kept)

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
            if tried > _MOST_SINGLE or self._left <= 0:
                break
            if self._fit(scratch, start, [name, commit.name]):
                return Resolution((self._commits[name],), enough=True)
        return None

    def _fit(self, scratch: ScratchTree, start: str, names: list[str]) -> bool:
        return self._first_to_stop(scratch, start, names) is None

    def _first_to_stop(self, scratch: ScratchTree, start: str, names: list[str]) -> str | None:
        """The first of these that does not apply on the others; None where all do."""
        scratch.start(start, frozenset[str]().union(*(self._paths(name) for name in names)))
        self._left -= len(names)
        patches = ((name, self._patch(name)) for name in names)
        return next((name for name, patch in patches if scratch.apply(patch) is not None), None)

    def _patch(self, name: str) -> bytes:
        if name not in self._patches:
            self._patches[name] = patch_of(self.repository, name)
        return self._patches[name]

    def _paths(self, name: str) -> frozenset[str]:
        return frozenset[str]().union(*(change.paths for change in self._changes(self._commits[name])))

    def _changes(self, commit: Commit) -> tuple[FileChange, ...]:
        return read_changes(self._patch(commit.name), commit.name)

    def _writers(self, commit: Commit, files: frozenset[str]) -> set[str]:
        """The commits of the range that wrote a line of these files which this one names."""
        if not commit.parents:
            return set()
        writers: set[str] = set()
        parent = commit.parents[0]
        for change in self._changes(commit):
            if change.old is None or not files & change.paths:
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
