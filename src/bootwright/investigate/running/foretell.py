"""A prediction of a plan: what the bytes of a kernel and a devicetree say of a board's goals."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from bootwright.boards.model import board as board_named
from bootwright.foundation.errors import Refused
from bootwright.foundation.verdict import Verdict
from bootwright.foundation.versions import Version
from bootwright.investigate.analysis.observations import Observation, Source
from bootwright.investigate.plans.plan import Plan
from bootwright.investigate.plans.runs import Run, page_size_level
from bootwright.investigate.running.trees import Chosen, Folders, choose
from bootwright.kernels.model import Kernel
from bootwright.predict.api import GoalVerdict, facts_of, predict_goal
from bootwright.predict.verdicts import Asked, verdicts


def foretell(
    plan: Plan, run: Run, kernel: Kernel, number: Callable[[], int], folders: Folders
) -> Observation:
    """Predict every goal of a run. Boots nothing, writes nothing but a compiled devicetree in the cache.

    `folders` are devicetrees of the user's own. Raises what reading the kernel and the devicetree raises.
    """
    tree = run.devicetree
    if tree is None:
        raise Refused(f"{run.id} names no devicetree", hint="see docs/plans.md")
    chosen = choose(tree, kernel, folders)
    values = {name: levels[0] for name, levels in run.values.items()}
    for name, factor in plan.factor.items():
        if factor.fact == "page_size":
            values[name] = page_size_level(kernel.page_size)
        elif factor.fact == "version":
            values[name] = str(kernel.version)
    # The operating system's part is another goal's; here only the devices of the board are asked about.
    system = {name: version for name, text in plan.wanted.items() if (version := Version.parse(text))}
    path, foretold = _foretold(chosen, kernel, run, system)
    return Observation(
        id=f"cell-{number()}",
        values={name: (level,) for name, level in sorted(values.items())},
        outcomes={outcome: Verdict(goal.verdict) for outcome, goal in foretold.items()},
        source=Source.PREDICTED,
        evidence={
            "kernel": kernel.name,
            "kernel_sha256": kernel.image_sha256,
            "release": kernel.release,
            "board": tree.board,
            "stepping": tree.stepping,
            "devicetree": tree.file if tree.file and chosen.path is not None else path.name,
            "devicetree_from": chosen.title,
            "devicetree_source": "kernel" if chosen.is_own else chosen.source,
            "devicetree_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "limit": " ".join(text for text in (run.experiment.limit, chosen.limit) if text),
            "goals": {outcome: _short(goal) for outcome, goal in foretold.items()},
        },
    )


def whose_trees(observations: Iterable[Observation], run: Run) -> list[str]:
    """A note for each devicetree that is not the kernel's own: whose it is."""
    if run.devicetree is None or not (run.devicetree.source or run.devicetree.file):
        return []
    name = run.devicetree.source or run.devicetree.file
    return [
        f"devicetrees of {name}: predicted with {observation.evidence['devicetree_from']}"
        for observation in observations
    ]


def _foretold(
    chosen: Chosen, kernel: Kernel, run: Run, system: Mapping[str, Version]
) -> tuple[Path, dict[str, GoalVerdict]]:
    """(the devicetree file, outcome → verdict)."""
    tree, goals = run.devicetree, run.experiment.goals
    if tree is None:
        raise Refused(f"{run.id} names no devicetree", hint="see docs/plans.md")
    if chosen.path is not None:
        path = chosen.path
        return path, {
            outcome: predict_goal(kernel, path, tree.board, goal, stepping=tree.stepping, os=system)
            for outcome, goal in goals.items()
        }
    if chosen.folder is None:
        raise Refused(f"{run.id} has no devicetree", hint="see docs/plans.md")
    resolved = chosen.folder.resolve(board_named(tree.board), tree.stepping, os=system)
    judged = verdicts(resolved, facts_of(kernel), Asked(tuple(goals.values()), system))
    return resolved.dtb, {outcome: judged.goals[goal] for outcome, goal in goals.items()}


def _short(goal: GoalVerdict) -> dict[str, Any]:
    """The part of a goal's verdict that a report needs: the first broken link and the hazards."""
    whole = goal.as_json()
    return {key: whole[key] for key in ("verdict", "node", "first_broken", "hazards", "not_checked")}
