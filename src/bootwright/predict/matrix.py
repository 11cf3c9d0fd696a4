"""Many kernels, each with its own and each other's devicetrees, for boards and goals at once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from attrs import field, frozen

from bootwright.boards.fit import require_fit
from bootwright.boards.model import Board, boards
from bootwright.formats.devicetree.fdt import Tree
from bootwright.foundation.errors import Missing
from bootwright.foundation.progress import Progress
from bootwright.foundation.verdict import Verdict
from bootwright.kernels.model import Kernel
from bootwright.predict.api import facts_of
from bootwright.predict.given.blobs import tree_of
from bootwright.predict.given.gather import blobs_in
from bootwright.predict.given.inputs import kernel_at
from bootwright.predict.goals import judge, predict
from bootwright.predict.verdicts import agreed


@frozen
class Cell:
    """One combination."""

    kernel: str
    dtbs: str
    """Whose devicetrees: a kernel's name, or a folder."""
    board: str
    stepping: str
    goal: str
    verdict: Verdict
    node: str
    """The first broken link's node; empty where nothing is broken."""
    reason: str
    hazards: tuple[str, ...]


@frozen
class Matrix:
    """All combinations."""

    kernels: tuple[str, ...]
    sources: tuple[str, ...]
    cells: tuple[Cell, ...] = field(factory=tuple)

    def together(self) -> dict[tuple[str, str, str, str], Verdict]:
        """(kernel, devicetrees, board, goal) → what holds on every stepping that was judged."""
        groups: dict[tuple[str, str, str, str], list[Verdict]] = {}
        for cell in self.cells:
            groups.setdefault((cell.kernel, cell.dtbs, cell.board, cell.goal), []).append(cell.verdict)
        return {key: agreed(verdicts) for key, verdicts in groups.items()}

    def as_json(self) -> dict[str, object]:
        """For `--json`."""
        return {
            "schema": "bootwright/check-matrix/1",
            "kernels": list(self.kernels),
            "dtbs": list(self.sources),
            "cells": [
                {
                    "kernel": cell.kernel,
                    "dtbs": cell.dtbs,
                    "board": cell.board,
                    "stepping": cell.stepping,
                    "goal": cell.goal,
                    "verdict": cell.verdict.value,
                    "first_broken": cell.node or None,
                    "reason": cell.reason,
                    "hazards": list(cell.hazards),
                }
                for cell in self.cells
            ],
        }


def matrix(
    artifacts: Sequence[str],
    chosen: Sequence[Board],
    goals: Sequence[str],
    progress: Progress,
    *,
    stepping: str | None = None,
) -> Matrix:
    """Every kernel among the artifacts with every source of devicetrees: the kernels' own, and folders.

    Only of that stepping, where one is named. Raises `Missing` where no kernel is among them, and `Refused`
    where a devicetree that is called as a board's is for something else.
    """
    kernels: list[Kernel] = []
    sources: dict[str, dict[str, Path]] = {}
    for artifact in artifacts:
        path = Path(artifact)
        if path.is_dir() and not any(path.glob("**/vmlinuz*")) and not any(path.glob("**/Image*")):
            sources[artifact] = _blobs(path)
            continue
        kernel = kernel_at(artifact, progress)
        kernels.append(kernel)
        if kernel.dtbs is not None:
            sources[kernel.name] = _blobs(kernel.dtbs)
    if not kernels:
        raise Missing("no kernel is among the artifacts", hint="give catalogue names, packages or folders")
    wanted = tuple(chosen) or boards()
    trees: dict[tuple[str, str], Tree | None] = {}
    cells: list[Cell] = []
    for kernel in kernels:
        with progress.step(f"check {kernel.name}"):
            facts = facts_of(kernel)
            for source, blobs in sources.items():
                for board in wanted:
                    for variant in board.steppings:
                        if stepping not in {None, variant.name}:
                            continue
                        if (source, variant.dtb) not in trees:
                            trees[source, variant.dtb] = tree_of(variant, blobs)
                        tree = trees[source, variant.dtb]
                        if tree is None:
                            continue
                        require_fit(board, str(blobs.get(variant.dtb, tree.name)), tree.compatible)
                        solved = predict(facts, tree, board=board, stepping=variant.name)
                        for goal in board.goals:
                            if goals and goal.name not in goals:
                                continue
                            verdict = judge(solved, board, goal)
                            broken = verdict.first_broken
                            cells.append(
                                Cell(
                                    kernel=kernel.name,
                                    dtbs=source,
                                    board=board.id,
                                    stepping=variant.name,
                                    goal=goal.name,
                                    verdict=verdict.verdict,
                                    node="" if broken is None else broken.node,
                                    reason="" if broken is None else broken.reason,
                                    hazards=tuple(hazard.name for hazard in verdict.hazards),
                                )
                            )
    if not cells:
        names = ", ".join(sorted({own_stepping.dtb for board in wanted for own_stepping in board.steppings}))
        raise Missing(
            "no devicetree of the boards asked for is among the kernels' and the folders'",
            hint=f"add a folder with one of {names}" if chosen else "see docs/boards.md for the boards",
        )
    return Matrix(tuple(kernel.name for kernel in kernels), tuple(sources), tuple(cells))


def _blobs(folder: Path) -> dict[str, Path]:
    return dict(blobs_in(folder))
