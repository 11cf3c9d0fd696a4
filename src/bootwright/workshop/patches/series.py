"""A series of commits put on another tree: what applies, what was merged to fit, what conflicts and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum

from attrs import define, field, frozen

from bootwright.foundation.progress import Progress, Silent
from bootwright.workshop.patches.commits import Commit, patch_of
from bootwright.workshop.patches.compare import Chosen, Difference
from bootwright.workshop.patches.needs import CONTEXT, declared_needs, textual_needs
from bootwright.workshop.patches.resolve import Resolution, Resolver
from bootwright.workshop.patches.unified import read_changes
from bootwright.workshop.repository import Repository, ScratchTree


class Fit(StrEnum):
    """Whether a commit's patch goes onto the tree."""

    APPLIES = "applies"
    """As it is; lines may have moved."""
    MERGED = "merged"
    """Its surroundings differ, and git merged it without a conflict."""
    NOTHING = "nothing"
    """The tree has all of it already."""
    CONFLICT = "conflict"


@frozen
class Placed:
    """One commit of the series, as it came onto the tree."""

    chosen: Chosen
    fit: Fit
    tree_before: str
    tree: str
    """The tree afterwards; that before, where it conflicts."""
    conflict: str = ""
    """What git says."""
    resolution: Resolution | None = None
    """What would have to come first."""

    @property
    def commit(self) -> Commit:
        """The commit itself."""
        return self.chosen.commit


@frozen
class Series:
    """The commits of a series on their tree, in the order in which they apply."""

    placed: tuple[Placed, ...]
    needs: Mapping[str, tuple[str, ...]]
    """Commit → those of the series before it that it needs: their lines, or by its own words."""
    tree: str
    """The tree with everything that applies."""

    @property
    def applied(self) -> tuple[Placed, ...]:
        """Those that changed the tree."""
        return tuple(placed for placed in self.placed if placed.fit in {Fit.APPLIES, Fit.MERGED})

    @property
    def conflicts(self) -> tuple[Placed, ...]:
        """Those that did not apply."""
        return tuple(placed for placed in self.placed if placed.fit is Fit.CONFLICT)


def place(
    repository: Repository,
    scratch: ScratchTree,
    difference: Difference,
    *,
    resolve: bool,
    progress: Progress | None = None,
) -> Series:
    """Put the commits that FROM lacks onto FROM's tree one after the other, in an index of their own.

    One that conflicts is left out, and those that would resolve it are looked for and tried; with `resolve`
    they join the series.
    """
    progress = progress or Silent()
    scratch.start(difference.span.start_commit)
    placer = _Placer(repository, scratch, Resolver(repository, difference))
    with progress.step(f"put {len(difference.lacking)} commits on {difference.span.start}"):
        for number, choice in enumerate(difference.lacking):
            progress.advance(number, len(difference.lacking), "commits")
            placer.add(choice, resolve=resolve)
    placed = tuple(placer.placed)
    applied = [patch for patch in placed if patch.fit in {Fit.APPLIES, Fit.MERGED}]
    return Series(placed, _needs(scratch, applied), scratch.tree)


@define
class _Placer:
    repository: Repository
    scratch: ScratchTree
    resolver: Resolver
    placed: list[Placed] = field(factory=list)
    _names: set[str] = field(factory=set)

    def add(self, choice: Chosen, *, resolve: bool) -> None:
        name = choice.commit.name
        if name in self._names:
            return
        patch = patch_of(self.repository, name)
        before = self.scratch.tree
        fit = Fit.APPLIES
        trouble = self.scratch.apply(patch, three_way=False)
        if trouble is not None:
            fit, trouble = Fit.MERGED, self.scratch.apply(patch)
        if trouble is None:
            fit = Fit.NOTHING if self.scratch.tree == before else fit
            self._keep(Placed(choice, fit, before, self.scratch.tree))
            return
        resolution = self.resolver.resolve(self.scratch, choice.commit, self._names)
        if resolve and resolution is not None and resolution.enough:
            for needed in resolution.commits:
                self.add(Chosen(needed, f"{choice.commit.short} needs it"), resolve=False)
            self.add(choice, resolve=False)
            return
        self._keep(Placed(choice, Fit.CONFLICT, before, before, trouble, resolution))

    def _keep(self, placed: Placed) -> None:
        self.placed.append(placed)
        if placed.fit is not Fit.CONFLICT:
            self._names.add(placed.commit.name)
        self.resolver.seen(placed.commit.name, applied=placed.fit is not Fit.CONFLICT)


def _needs(scratch: ScratchTree, applied: Sequence[Placed]) -> dict[str, tuple[str, ...]]:
    repository = scratch.repository
    # Without renames: what git takes for one by likeness says nothing of who needs whom.
    diffs = [
        read_changes(
            repository.run(
                *("diff-tree", "-p", f"-U{CONTEXT}", "--full-index", "--no-renames", "--no-ext-diff"),
                *("--no-textconv", "--no-color", placed.tree_before, placed.tree),
            ),
            placed.commit.name,
        )
        for placed in applied
    ]
    names = [placed.commit.name for placed in applied]
    position = {name: number for number, name in enumerate(names)}
    direct = textual_needs(diffs)
    said = declared_needs([placed.commit for placed in applied])
    return {
        name: tuple(names[number] for number in sorted(direct[position[name]] | said[position[name]]))
        for name in names
    }
