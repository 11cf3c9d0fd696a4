"""A prediction of a plan: what the bytes of a kernel and a devicetree say of a board's goals."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bootwright.foundation import tools
from bootwright.foundation.cache import DEVICETREES
from bootwright.foundation.errors import Missing, Refused
from bootwright.foundation.places import DATA
from bootwright.foundation.verdict import Verdict
from bootwright.foundation.versions import Version
from bootwright.investigate.analysis.observations import Observation, Source
from bootwright.investigate.plans.plan import Plan
from bootwright.investigate.plans.runs import Run, page_size_level
from bootwright.kernels.model import Kernel
from bootwright.predict.api import GoalVerdict, dtb_for, predict_goal


def foretell(plan: Plan, run: Run, kernel: Kernel, number: Callable[[], int]) -> Observation:
    """Predict every goal of a run. Boots nothing, writes nothing but a compiled devicetree in the cache.

    Raises what reading the kernel and the devicetree raises.
    """
    tree = run.devicetree
    if tree is None:
        raise Refused(f"{run.id} names no devicetree", hint="see docs/plans.md")
    path = compiled(tree.file) if tree.file else dtb_for(kernel, tree.board, tree.stepping)
    values = {name: levels[0] for name, levels in run.values.items()}
    for name, factor in plan.factor.items():
        if factor.fact == "page_size":
            values[name] = page_size_level(kernel.page_size)
        elif factor.fact == "version":
            values[name] = str(kernel.version)
    # The operating system's part is another goal's; here only the devices of the board are asked about.
    system = {name: version for name, text in plan.wanted.items() if (version := Version.parse(text))}
    verdicts = {
        outcome: predict_goal(kernel, path, tree.board, goal, stepping=tree.stepping, os=system)
        for outcome, goal in run.experiment.goals.items()
    }
    return Observation(
        id=f"cell-{number()}",
        values={name: (level,) for name, level in sorted(values.items())},
        outcomes={outcome: Verdict(goal.verdict) for outcome, goal in verdicts.items()},
        source=Source.PREDICTED,
        evidence={
            "kernel": kernel.name,
            "kernel_sha256": kernel.image_sha256,
            "release": kernel.release,
            "board": tree.board,
            "stepping": tree.stepping,
            "devicetree": tree.file or path.name,
            "devicetree_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "limit": " ".join(text for text in (run.experiment.limit, tree.limit) if text),
            "goals": {outcome: _short(goal) for outcome, goal in verdicts.items()},
        },
    )


def _short(goal: GoalVerdict) -> dict[str, Any]:
    """The part of a goal's verdict that a report needs: the first broken link and the hazards."""
    whole = goal.as_json()
    return {key: whole[key] for key in ("verdict", "node", "first_broken", "hazards", "not_checked")}


def compiled(name: str) -> Path:
    """The blob of a devicetree source in `data/devicetrees/`, made by dtc and cached by content.

    Raises `Missing` without dtc or such a file, `ToolFailed` when dtc refuses it.
    """
    source = DATA / "devicetrees" / name
    try:
        text = source.read_bytes()
    except OSError as error:
        raise Missing(f"there is no devicetree {name}", hint=f"put it into {source.parent}") from error

    def blob() -> bytes:
        dtc = tools.need("dtc", purpose=f"compile the devicetree {name}")
        with tempfile.TemporaryDirectory(prefix="bootwright-") as folder:
            path = Path(folder) / "blob.dtb"
            tools.run([dtc, "-q", "-@", "-I", "dts", "-O", "dtb", "-o", path, source])
            return path.read_bytes()

    return DEVICETREES.kept(f"{hashlib.sha256(text).hexdigest()}.dtb", blob)
