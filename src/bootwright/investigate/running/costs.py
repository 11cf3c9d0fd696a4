"""What steps cost: boots, and bytes to be fetched where nothing is cached."""

from __future__ import annotations

import math
from collections.abc import Sequence

from bootwright.investigate.plans.runs import Run
from bootwright.investigate.running.investigation import Step


def count_boots(steps: Sequence[Step]) -> int:
    """How many of the steps are boots."""
    return sum(step.run.experiment.source == "emulated" for step in steps)


def fetched(steps: Sequence[Step]) -> dict[str, int]:
    """Kernel → bytes that the steps so far take where nothing is cached."""
    have: dict[str, int] = {}
    for step in steps:
        if step.run.kernel:
            name = step.run.kernel.name
            have[name] = max(have.get(name, 0), step.run.weight)
    return have


def too_large(run: Run, steps: Sequence[Step]) -> str:
    """What to ask for where a run needs more than may be fetched."""
    more = bytes_more(run, fetched(steps))
    needed = (sum(fetched(steps).values()) + more) / 1e6
    return f"needs {more / 1e6:.0f} MB more: --max-download {math.ceil(needed / 50) * 50}"


def bytes_more(run: Run, have: dict[str, int]) -> int:
    """Bytes that a run takes beyond what the steps so far have."""
    return max(0, run.weight - have.get(run.kernel.name, 0)) if run.kernel else 0
