"""Fuzz the reader of kernel facts: `python fuzz/fuzz_kernel_facts.py CORPUS` with atheris installed."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path

from bootwright.foundation.errors import BootwrightError
from bootwright.predict.kernel.facts_file import is_facts_file, kernel_of_facts, read_facts


def one_input(data: bytes) -> None:
    """A file with these bytes; what can be read is asked for a driver."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "k.facts"
        path.write_bytes(data)
        is_facts_file(path)
        with contextlib.suppress(BootwrightError):
            kernel_of_facts(path)
        with contextlib.suppress(BootwrightError):
            read_facts(path, config=None).by_compatible("arm,pl011")


if __name__ == "__main__":
    import sys

    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
