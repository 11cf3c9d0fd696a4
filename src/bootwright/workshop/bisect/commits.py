"""A range of git commits as the history of a goal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

from attrs import frozen

from bootwright.foundation.errors import Refused
from bootwright.kernels.model import Kernel
from bootwright.workshop.patches.commits import read_commit
from bootwright.workshop.repository import Repository
from bootwright.workshop.trees.series import Patch

MOST_COMMITS = 20_000
"""Beyond that only the first parents are looked at: what each commit is made of takes the square of it."""


@frozen
class Commits:
    """The commits of a range, each behind those it is made on."""

    names: tuple[str, ...]
    contains: tuple[int, ...]
    """For each a bit mask of the commits of the range that it is made of, itself included."""
    old_end: str
    fix_wanted: bool
    """Whether the older end is the bad one: the commit that mended it is looked for."""
    first_parents: bool
    """Whether only merges and commits of the main line are among them."""


def commits_between(
    repository: Repository, good: str, bad: str, *, paths: Sequence[str], first_parents: bool
) -> Commits:
    """The commits that may have turned it, between a good and a bad one (names), whichever is older.

    `paths` keeps those that touch one of them. Raises `Refused` where neither contains the other, and for an
    empty range.
    """
    if good == bad:
        raise Refused("the good and the bad commit are the same", hint="give two that differ")
    base = _merge_base(repository, good, bad)
    if base not in {good, bad}:
        hint = (
            f"both come from {base[:12]}: try that one as the good end" if base else "they share no history"
        )
        raise Refused(f"{good[:12]} is not in the history of {bad[:12]}, nor the other way round", hint=hint)
    old, new = base, bad if base == good else good
    rows = _rows(repository, old, new, paths, first_parents=first_parents)
    if len(rows) > MOST_COMMITS and not first_parents:
        first_parents = True
        rows = _rows(repository, old, new, paths, first_parents=True)
    if not rows:
        raise Refused(
            f"no commit between {old[:12]} and {new[:12]} touches {' or '.join(paths)}",
            hint="check --paths: they are relative to the top of the source tree",
        )
    if len(rows) > MOST_COMMITS:
        raise Refused(
            f"{len(rows)} commits lie between them", hint=f"at most {MOST_COMMITS}: begin with releases"
        )
    position = {name: number for number, (name, _) in enumerate(rows)}
    contains: list[int] = []
    for number, (_, parents) in enumerate(rows):
        mask = 1 << number
        for parent in parents:
            if parent in position:
                mask |= contains[position[parent]]
        contains.append(mask)
    names = [name for name, _ in rows]
    if names[-1] != new:
        # With --paths: the new end contains them all, though it touches none of the paths itself.
        names.append(new)
        contains.append((1 << len(names)) - 1)
    return Commits(tuple(names), tuple(contains), old, old == bad, first_parents)


def _merge_base(repository: Repository, first: str, second: str) -> str | None:
    lines = repository.lines("rev-list", "--max-count=1", first, "--not", second)
    if not lines:
        return first
    if not repository.lines("rev-list", "--max-count=1", second, "--not", first):
        return second
    common = repository.try_lines("merge-base", first, second)
    return common[0] if common else None


def _rows(
    repository: Repository, old: str, new: str, paths: Sequence[str], *, first_parents: bool
) -> list[tuple[str, list[str]]]:
    way = ("--first-parent",) if first_parents else ()
    lines = repository.lines(
        *("rev-list", "--parents", "--topo-order", "--reverse", *way), f"{old}..{new}", "--", *paths
    )
    return [(words[0], words[1:]) for line in lines if (words := line.split())]


@frozen
class Revision:
    """The source at one commit, as a subject: the old end with the difference as one patch.

    So that all are built in one tree, where only what differs is compiled again.
    """

    repository: Repository
    old_end: str
    name: str
    build: Callable[[tuple[Patch, ...]], Kernel]

    @cached_property
    def key(self) -> str:
        """Its tree. See `Subject`."""
        return self.repository.text("rev-parse", f"{self.name}^{{tree}}").strip()

    @cached_property
    def title(self) -> str:
        """See `Subject`."""
        return f"{self.name[:12]} {read_commit(self.repository, self.name).subject}"

    def kernel(self) -> Kernel:
        """See `Subject`."""
        difference = self.repository.run(
            *("diff-tree", "-p", "--binary", "--full-index", "--no-renames", "--no-ext-diff"),
            *("--no-textconv", "--no-color", self.old_end, self.name),
        )
        return self.build((Patch(self.title, difference),) if difference else ())
