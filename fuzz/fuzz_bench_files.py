"""Any bytes are a file of the bench (environment, record, a board left on), or an error."""

from __future__ import annotations

import contextlib

from bootwright.bench.powered import parse_left_on
from bootwright.bench.record import parse_record
from bootwright.bench.settings import parse_settings
from bootwright.foundation.errors import BootwrightError


def one_input(data: bytes) -> None:
    """Read arbitrary bytes as each of them."""
    with contextlib.suppress(BootwrightError):
        known, targets = parse_settings(data, "fuzz.yaml")
        assert set(known) <= set(targets)
    with contextlib.suppress(BootwrightError):
        parse_record(data, "fuzz.json")
    with contextlib.suppress(BootwrightError):
        parse_left_on(data, "fuzz.json")


if __name__ == "__main__":
    import sys

    import atheris

    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
