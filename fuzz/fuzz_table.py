"""Any bytes are a table of observations, as CSV or TOML, or an error that names what is wrong."""

from __future__ import annotations

from pathlib import Path

from bootwright.foundation.errors import BootwrightError
from bootwright.investigate.plans.table import parse_table
from bootwright.investigate.running.investigation import study


def one_input(data: bytes) -> None:
    """Read arbitrary bytes as a table, and analyse what is one."""
    for name in ("fuzz.csv", "fuzz.toml"):
        try:
            table = parse_table(data, Path(name))
            answer = study(table.observations, name)
        except BootwrightError:
            continue
        assert set(answer.judgements) == set(table.outcomes)


if __name__ == "__main__":
    import sys

    import atheris

    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
