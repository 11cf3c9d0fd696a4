"""What does an artifact hold, and what differs between two of them?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import frozen

from bootwright.api._common import reporter, texts

if TYPE_CHECKING:
    from bootwright.boards.model import Board
    from bootwright.bootchain.model import Chain
    from bootwright.foundation.progress import Progress
    from bootwright.inspect.booted import Boot
    from bootwright.inspect.difference.model import Difference
    from bootwright.inspect.facts import Item, Problem
    from bootwright.predict.goal_difference import Suspect
    from bootwright.predict.model import GoalVerdict


@frozen
class Inspected:
    """An artifact as a tree of facts, and what it boots."""

    artifact: str
    tree: Item
    boot: Boot | None
    """What its boot loader starts by itself, else its UKI, else its kernel."""
    chains: tuple[Chain, ...]
    """Every way it boots, what starts by itself first."""
    does_not_boot: str
    """Why nothing boots although a boot configuration is there; else empty."""

    @property
    def problems(self) -> tuple[Problem, ...]:
        """The parts that could not be read."""
        return tuple(problem for item in self.tree.walk() for problem in item.problems)

    def as_json(self) -> dict[str, Any]:
        """The document of `bootwright inspect --json`."""
        return {
            "format": "bootwright.inspect/1",
            "artifact": self.artifact,
            "boots": self.boot.as_json() if self.boot else None,
            "chains": [chain.as_json() for chain in self.chains],
            "does_not_boot": self.does_not_boot or None,
            "tree": self.tree.as_json(),
        }


def inspect(artifact: str | Path, *, board: str | None = None, progress: Progress | None = None) -> Inspected:
    """Read what an artifact holds, with the place each fact was read at.

    `artifact` is a file, a directory or an http(s) URL; what it holds is followed (disk image, partition,
    file system, kernel, initramfs, …). `board` decides what boots where that depends on the board.

    Returns an `Inspected`. Raises `Missing` for what is not there, `Refused` for an unknown board, and
    `Malformed` for what is no artifact at all; damaged parts inside are `problems` of their items.

        inspected = inspect("bcm2712-rpi-5-b.dtb")
        inspected.tree.kind, inspected.tree.fact("model")
    """
    from bootwright.formats.sources.compressed import Growth

    progress = reporter(progress)
    artifact = str(artifact)
    with Growth() as growth:
        growth.begin(artifact, progress)  # before the imports, which take some tenths of a second

        from bootwright.boards.model import board as board_named
        from bootwright.foundation.errors import BootwrightError, Missing
        from bootwright.inspect.booted import boot_of, chains_of
        from bootwright.inspect.explore import Explorer

        item = Explorer(progress=progress, growth=growth).artifact(artifact)
    boot, stopped = None, ""
    chains: tuple[Chain, ...] = ()
    try:
        chosen = board_named(board) if board is not None else None
        chains = chains_of(item, chosen)
        boot = boot_of(item, board=chosen)
    except BootwrightError as error:
        # A configuration that cannot be read is a problem of its item as well.
        stopped = "" if type(error) is Missing else error.message
    return Inspected(artifact, item, boot, chains, stopped)


@frozen
class ComparedGoal:
    """What a goal's prediction says of both sides, and which differences lie on its chain."""

    name: str
    board: Board
    stepping: str
    before: GoalVerdict
    after: GoalVerdict
    suspects: tuple[Suspect, ...]
    """The most suspect first."""


@frozen
class Compared:
    """Two artifacts, and what differs between them in meaning."""

    before: str
    after: str
    trees: tuple[Item, Item]
    differences: tuple[Difference, ...]
    goal: ComparedGoal | None = None

    def as_json(self) -> dict[str, Any]:
        """The document of `bootwright diff --json`."""
        document: dict[str, Any] = {
            "format": "bootwright.diff/1",
            "before": self.before,
            "after": self.after,
            "differences": [difference.as_json() for difference in self.differences],
            "problems": {
                name: [problem.as_json() for item in tree.walk() for problem in item.problems]
                for name, tree in zip(("before", "after"), self.trees, strict=True)
            },
        }
        if self.goal is not None:
            document["goal"] = {
                "name": self.goal.name,
                "board": self.goal.board.id,
                "stepping": self.goal.stepping,
                "before": self.goal.before.as_json(),
                "after": self.goal.after.as_json(),
                "suspicions": [
                    {"rank": int(suspect.suspicion), "why": suspect.why} for suspect in self.goal.suspects
                ],
            }
        return document


def diff(
    before: str | Path,
    after: str | Path,
    *,
    areas: str | Sequence[str] = (),
    dtbs: str | Sequence[str] = (),
    goal: str | None = None,
    board: str | None = None,
    stepping: str | None = None,
    progress: Progress | None = None,
) -> Compared:
    """Compare two artifacts by meaning: what a boot depends on first.

    `areas` keeps only those (`kernel`, `devicetree`, …), `dtbs` only devicetrees of these file names or
    patterns. With `goal` and `board` both sides are predicted, and only what lies on the goal's chain is
    kept, the most suspect first; without `stepping` the board's first one is taken.

    Returns a `Compared`; equal artifacts have no `differences`. Raises `Refused` for unknown names,
    `Missing` for what is not there, `Malformed` for what is damaged.

        compared = diff("old/bcm2712-rpi-5-b.dtb", "new/bcm2712-rpi-5-b.dtb", areas="devicetree")
        [difference.change for difference in compared.differences]
    """
    from bootwright.foundation.choices import one_of
    from bootwright.foundation.errors import Refused
    from bootwright.inspect.difference.compare import compare
    from bootwright.inspect.difference.model import Area
    from bootwright.inspect.explore import Explorer

    wanted_areas = texts(areas)
    for area in wanted_areas:
        one_of(area, [known.value for known in Area], what="area", kind="areas")
    if (goal is None) != (board is None):
        raise Refused("a goal is one board's", hint="give both --goal and --board")
    progress = reporter(progress)
    before, after = str(before), str(after)
    given = patterns = texts(dtbs)
    chosen = None
    if board is not None:
        from bootwright.api.asked import asked_boards

        boards, stepping = asked_boards([board], stepping=stepping, goals=[goal] if goal else [])
        chosen = boards[0]
        if stepping is None and len(chosen.steppings) > 1:
            stepping = chosen.steppings[0].name
            progress.note(f"note: judged for stepping {stepping} of {chosen.name}; --stepping takes another")
        # Other boards' devicetrees are not on the chain.
        patterns = patterns or (chosen.stepping(stepping).dtb,)
    predicted = None
    if goal is not None and chosen is not None:
        from bootwright.predict.goal_difference import chain_of, suspects

        predicted = [chain_of(side, chosen, goal, stepping, progress) for side in (before, after)]
    first = Explorer(progress=progress).artifact(before)
    second = Explorer(progress=progress).artifact(after)
    for pattern in given:
        _check_pattern(pattern, first, second)
    with progress.step("comparing"):
        modules = predicted[0].modules | predicted[1].modules if predicted is not None else None
        differences = tuple(
            difference
            for difference in compare(first, second, dtbs=patterns, modules=modules)
            if not wanted_areas or difference.area.value in wanted_areas
        )
    judged = None
    if goal is not None and chosen is not None and predicted is not None:
        ranked = suspects(differences, *predicted)
        name = chosen.stepping(stepping).name
        judged = ComparedGoal(goal, chosen, name, predicted[0].verdict, predicted[1].verdict, ranked)
        differences = tuple(suspect.difference for suspect in ranked)
    return Compared(before, after, (first, second), differences, judged)


def _check_pattern(pattern: str, *items: Item) -> None:
    """Raise `Refused` for a devicetree that is on neither side: nothing would differ in it."""
    import fnmatch

    from bootwright.foundation.choices import no_such
    from bootwright.inspect.facts import ItemKind

    kinds = (ItemKind.DEVICETREE, ItemKind.OVERLAY)
    trees = [tree for item in items for tree in item.of_kind(*kinds)]
    names = dict.fromkeys(tree.name.rpartition("/")[2] for tree in trees)
    if not any(fnmatch.fnmatchcase(name, pattern) for name in names):
        raise no_such(f"neither side has a devicetree {pattern!r}", pattern, names, kind="devicetrees")
