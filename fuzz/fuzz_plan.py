"""Any bytes are a plan or an error that names what is wrong."""

from __future__ import annotations

from bootwright.foundation.errors import BootwrightError
from bootwright.investigate.plans.plan_file import parse_plan


def one_input(data: bytes) -> None:
    """Read arbitrary bytes as a plan."""
    try:
        plan = parse_plan(data, "fuzz.toml")
    except BootwrightError:
        return
    assert plan.goals
    assert all(set(seen.outcomes) <= set(plan.outcome) for seen in plan.reports())


if __name__ == "__main__":
    import sys

    import atheris

    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
