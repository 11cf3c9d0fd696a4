"""Every devicetree of a folder, each judged as its board's: what `check --all-devicetrees` asks."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from attrs import frozen

from bootwright.boards.architecture import require_arm64
from bootwright.boards.model import Board, boards_of
from bootwright.formats.devicetree.fdt import read_fdt_file
from bootwright.foundation.errors import BootwrightError, Malformed, Missing
from bootwright.foundation.processes.children import pool as process_pool
from bootwright.foundation.progress import Progress
from bootwright.foundation.verdict import Verdict, worst
from bootwright.kernels.model import Kernel
from bootwright.predict.api import facts_of, judge, predict
from bootwright.predict.kernel.drivers import KernelFacts
from bootwright.predict.roles.board import made_board, with_made_goals

SCHEMA = "bootwright/check-devicetrees/1"
_A_TASK = 128
"""Devicetrees that one process judges before it says how far it is, and keeps what it walked through: those
of one SoC lie together, and need the same walks."""


@frozen
class JudgedGoal:
    """One goal of one devicetree."""

    goal: str
    role: str
    verdict: Verdict
    node: str | None
    """Path of the goal's device; None where the devicetree has none."""
    broken: str
    """Path of the first broken link's node; empty where nothing is broken."""
    link: str
    reason: str

    def as_json(self) -> dict[str, object]:
        """The goal of docs/schemas/check-devicetrees.schema.json."""
        return {
            "verdict": self.verdict.value,
            "role": self.role,
            "node": self.node,
            "first_broken": {"node": self.broken, "link": self.link, "reason": self.reason}
            if self.broken
            else None,
        }


@frozen
class JudgedDevicetree:
    """One devicetree: a goal each, or why it has none."""

    dtb: str
    """Path below the folder that it is from."""
    model: str
    compatible: tuple[str, ...]
    board: str | None
    """The board whose file says what its goals are; None where they were made of its nodes' roles."""
    goals: tuple[JudgedGoal, ...]
    problem: str = ""
    """Why it was not judged; empty where it was."""
    damaged: bool = False
    """Whether that is because its bytes are no devicetree."""

    def as_json(self) -> dict[str, object]:
        """The devicetree of docs/schemas/check-devicetrees.schema.json."""
        return {
            "dtb": self.dtb,
            "model": self.model,
            "compatible": list(self.compatible),
            "board": self.board,
            "goals": {goal.goal: goal.as_json() for goal in self.goals},
            "problem": self.problem or None,
        }


@frozen
class AllDevicetrees:
    """Every devicetree under one kernel."""

    kernel: str
    devicetrees: tuple[JudgedDevicetree, ...]

    @property
    def goals(self) -> Iterator[JudgedGoal]:
        """Every goal of every devicetree."""
        return (goal for judged in self.devicetrees for goal in judged.goals)

    @property
    def counts(self) -> Mapping[tuple[str, Verdict], int]:
        """(role, verdict) → how many goals."""
        return Counter((goal.role, goal.verdict) for goal in self.goals)

    @property
    def exit_status(self) -> int:
        """1 where a goal fails; else 2 where a file is damaged, 3 where a goal is unknown or a devicetree was
        not judged, and 0 where all works."""
        verdict = worst(goal.verdict for goal in self.goals)
        if verdict is not Verdict.FAILS and any(judged.damaged for judged in self.devicetrees):
            return 2
        left_out = verdict is Verdict.WORKS and any(judged.problem for judged in self.devicetrees)
        return (Verdict.UNKNOWN if left_out else verdict).exit_status

    def as_json(self) -> dict[str, object]:
        """The document of docs/schemas/check-devicetrees.schema.json."""
        return {
            "schema": SCHEMA,
            "kernel": self.kernel,
            "devicetrees": [judged.as_json() for judged in self.devicetrees],
        }


def all_devicetrees(
    kernel: Kernel, folder: Path, goals: Sequence[str], progress: Progress, *, workers: int | None = None
) -> AllDevicetrees:
    """Judge every devicetree below a folder under a kernel, in several processes.

    `goals` limits what is asked, by name or role. A devicetree that is damaged, or has no node with a role,
    says so and has no goals. Raises `Missing` where the folder has none.
    """
    paths = sorted(folder.rglob("*.dtb"))
    if not paths:
        raise Missing(f"{folder} has no devicetrees", hint="give a kernel that comes with them, or a folder")
    facts_of(kernel)  # read once here, so that the processes find it in the cache
    tasks = [paths[start : start + _A_TASK] for start in range(0, len(paths), _A_TASK)]
    judged: list[JudgedDevicetree] = []
    count = workers if workers is not None else min(2, os.cpu_count() or 1)
    with progress.step(f"check {len(paths)} devicetrees"), process_pool(count) as pool:
        for part in pool.map(partial(_task, kernel, folder, tuple(goals)), tasks):
            judged += part
            progress.advance(len(judged), len(paths), "devicetrees")
    return AllDevicetrees(kernel.name, tuple(judged))


def _task(
    kernel: Kernel, folder: Path, goals: tuple[str, ...], paths: Sequence[Path]
) -> list[JudgedDevicetree]:
    facts = facts_of(kernel)
    try:
        return [_judged(facts, path, str(path.relative_to(folder)), goals) for path in paths]
    finally:
        if facts.probes is not None:
            facts.probes.save(at_once=True)


def _judged(facts: KernelFacts, path: Path, name: str, goals: tuple[str, ...]) -> JudgedDevicetree:
    try:
        tree = read_fdt_file(path)
        require_arm64(tree)
    except BootwrightError as error:
        damaged = isinstance(error, Malformed)
        return JudgedDevicetree(name, "", (), None, (), error.message, damaged)
    known = boards_of(tree.compatible)
    model = tree.model or ""
    try:
        if known:
            board, stepping = known[0], _stepping(known[0], path.name)
            prediction = predict(facts, tree, board=board, stepping=stepping)
            board = with_made_goals(prediction, board) if goals else board
        else:
            prediction = predict(facts, tree)
            board = made_board(prediction, path.name)
    except BootwrightError as error:
        return JudgedDevicetree(name, model, tree.compatible, None, (), error.message)
    judged = []
    for goal in board.goals:
        if goals and goal.name not in goals and goal.kind not in goals:
            continue
        verdict = judge(prediction, board, goal)
        broken = verdict.first_broken
        judged.append(
            JudgedGoal(
                goal=goal.name,
                role=goal.kind,
                verdict=verdict.verdict,
                node=verdict.node,
                broken="" if broken is None else broken.node,
                link="" if broken is None else broken.needs,
                reason="" if broken is None else broken.reason,
            )
        )
    return JudgedDevicetree(name, model, tree.compatible, known[0].id if known else None, tuple(judged))


def _stepping(board: Board, dtb: str) -> str | None:
    """The stepping that gets a devicetree of that name; None where the name does not tell."""
    return next((stepping.name for stepping in board.steppings if stepping.dtb == dtb), None)
