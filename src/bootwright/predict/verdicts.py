"""The verdicts of a board's goals with what was gathered: what `check` and a release gate ask."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from attrs import frozen

from bootwright.boards.model import Board, boards
from bootwright.formats.devicetree.fdt import read_fdt_file
from bootwright.foundation.errors import Missing
from bootwright.foundation.versions import Version
from bootwright.predict.api import OS_GOAL, GoalVerdict, judge, judge_os, predict
from bootwright.predict.given.gather import Gathered, blob_for
from bootwright.predict.kernel.drivers import KernelFacts


@frozen
class Asked:
    """What is asked about each board."""

    goals: tuple[str, ...] = ()
    """Names; empty for all of the board's, and the operating system's mounts where something is known of
    them."""
    os: Mapping[str, Version] | None = None
    """The operating system, where none is in the artifacts or another is meant."""
    overlays: tuple[Path, ...] = ()
    code: int | None = None
    """The board's revision code, where known."""


@frozen
class BoardVerdicts:
    """What is predicted of one stepping of a board."""

    board: Board
    stepping: str
    dtb: Path
    kernel: str
    """Its name."""
    goals: Mapping[str, GoalVerdict]

    @property
    def title(self) -> str:
        """For a person."""
        return f"{self.board.name} {self.stepping} with {self.kernel} and {self.dtb.name}"


def candidates(
    found: Gathered, chosen: Sequence[Board], stepping: str | None
) -> Iterator[tuple[Board, str, Path]]:
    """(board, stepping, blob): of the boards asked for, or of all that a blob here is for.

    Raises `Missing` where a board that was asked for has no blob.
    """
    for board in chosen:
        one = board.stepping(stepping)
        yield board, one.name, blob_for(found, one.dtb, board)
    if chosen:
        return
    for board in boards():
        for one in board.steppings:
            if stepping is not None and one.name != stepping:
                continue
            try:
                path = blob_for(found, one.dtb, board)
            except Missing:
                continue
            if board.compatible[0] in read_fdt_file(path).compatible:
                yield board, one.name, path


def verdicts(
    found: Gathered, facts: KernelFacts, place: tuple[Board, str, Path], asked: Asked
) -> BoardVerdicts:
    """Judge every goal asked for. `facts` are those of `found`, which cost most and serve every board."""
    board, stepping, path = place
    os = dict(asked.os) if asked.os is not None else (found.os or None)
    # The order matters: what of config.txt could not be applied is known once the tree is made.
    tree = found.tree(board, path, asked.overlays, asked.code)
    given = found.given(board)
    solved = predict(facts, tree, board=board, stepping=stepping, os=os, given=given)
    wanted = asked.goals or tuple(goal.name for goal in board.goals)
    goals = {
        name: judge_os(solved) if name == OS_GOAL else judge(solved, board, board.goal(name))
        for name in wanted
    }
    if any(goal.first_broken is not None and goal.first_broken.lacks for goal in goals.values()):
        from bootwright.predict.elsewhere import with_remedy

        goals = {name: with_remedy(goal, facts) for name, goal in goals.items()}
    if (os is not None or given.filesystems) and not asked.goals:
        goals.setdefault(OS_GOAL, judge_os(solved))
    assert found.kernel is not None  # noqa: S101 - gather() refuses otherwise
    return BoardVerdicts(board, stepping, path, found.kernel.name, goals)
