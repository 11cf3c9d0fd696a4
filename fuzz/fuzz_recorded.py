"""Fuzz the reader of a run's cells: `python fuzz/fuzz_recorded.py CORPUS` with atheris installed."""

from __future__ import annotations

import contextlib
import json

from bootwright.foundation.errors import BootwrightError
from bootwright.investigate.plans.plan_file import load_plan
from bootwright.investigate.running.recorded import read_cells, weighed

PLAN = load_plan("talos-rpi5")


def one_input(data: bytes) -> None:
    """A result's JSON; what can be read is weighed."""
    with contextlib.suppress(ValueError, RecursionError):
        document = json.loads(data)
        if isinstance(document, dict):
            with contextlib.suppress(BootwrightError):
                weighed(PLAN, read_cells(document, "result.json"), (), "result.json")


if __name__ == "__main__":
    import sys

    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
