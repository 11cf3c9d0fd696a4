"""From a series and a goal to the fewest patches: every test is a kernel that is built and booted."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import cached_property

from attrs import frozen

from bootwright.foundation.errors import Refused
from bootwright.foundation.progress import Progress
from bootwright.foundation.verdict import Verdict
from bootwright.kernels.model import Kernel
from bootwright.workshop.minimise.search import Fewest, fewest
from bootwright.workshop.minimise.series import SeriesOnBase
from bootwright.workshop.trees.series import Patch
from bootwright.workshop.trials.trials import Decision, Trials, Unbuildable, digest

Build = Callable[[Sequence[Patch]], Kernel]
"""Builds the base with these patches; raises `Unbuildable`."""


@frozen
class Subset:
    """The base with some of the patches, as a subject of trials."""

    series: SeriesOnBase
    kept: frozenset[int]
    build: Build

    @cached_property
    def key(self) -> str:
        """What the files are: two subsets that give the same tree are one. See `Subject`."""
        try:
            return self.series.tree(self.kept)
        except Unbuildable:
            return digest(*(self.series.patches[number].digest for number in sorted(self.kept)))

    @property
    def title(self) -> str:
        """See `Subject`."""
        numbers = sorted(self.kept)
        if not numbers:
            return "the base alone"
        if len(numbers) == len(self.series.patches):
            return f"all {len(numbers)} patches"
        return f"{_plural(len(numbers))} ({_ranges([number + 1 for number in numbers])})"

    def kernel(self) -> Kernel:
        """See `Subject`."""
        return self.build(self.series.chosen(self.kept))


@frozen
class Minimised:
    """What was found."""

    fewest: Fewest
    tests: tuple[tuple[frozenset[int], Decision], ...]
    """Every subset that was tried, in order, and what came of it."""


def minimise(series: SeriesOnBase, build: Build, trials: Trials, progress: Progress) -> Minimised:
    """The fewest patches of the series with which the goal is reached.

    Raises `Refused` where the base reaches it alone, or all patches together do not.
    """
    tests: list[tuple[frozenset[int], Decision]] = []

    def decide(kept: Collection[int]) -> Decision:
        subset = Subset(series, frozenset(kept), build)
        with progress.step(f"try {subset.title}"):
            decision = trials.decide(subset, keep_failure=len(kept) < len(series.patches))
        progress.note(f"{decision.verdict}: {decision.reason}")
        tests.append((subset.kept, decision))
        return decision

    everything = range(len(series.patches))
    whole = decide(everything)
    if not whole.built:
        raise Refused(
            f"with all {len(series.patches)} patches no kernel can be made: {whole.reason}",
            hint="build it first: bootwright kernel build BASE --patches SERIES, with the same options",
        )
    if whole.verdict is not Verdict.WORKS:
        raise Refused(
            f"all {len(series.patches)} patches together do not reach the goal: {whole.reason}",
            hint="give a series and a goal that it reaches, or a longer --timeout",
        )
    alone = decide(())
    if alone.verdict is Verdict.WORKS:
        raise Refused(
            f"the base reaches the goal without any patch ({alone.reason})",
            hint="give a goal that it does not reach, or another base",
        )
    smallest = fewest(series.needs, lambda kept: decide(kept).verdict)
    return Minimised(smallest, tuple(tests))


def _plural(count: int) -> str:
    return f"{count} patch{'' if count == 1 else 'es'}"


def _ranges(numbers: Sequence[int]) -> str:
    """`1-3, 7` of 1, 2, 3, 7."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and parts[-1][-1] == number - 1:
            parts[-1].append(number)
        else:
            parts.append([number])
    return ", ".join(str(part[0]) if len(part) == 1 else f"{part[0]}-{part[-1]}" for part in parts)
