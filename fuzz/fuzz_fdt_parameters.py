"""Fuzz the firmware's parameters: `python fuzz/fuzz_fdt_parameters.py CORPUS` with atheris installed."""

from __future__ import annotations

import contextlib

from bootwright.firmware.parameters import apply_parameter, parameters
from bootwright.formats.devicetree.fdt import parse_fdt
from bootwright.formats.devicetree.overlay import _mergeable
from bootwright.formats.devicetree.writer import write_fdt
from bootwright.foundation.errors import BootwrightError

_VALUES = ("on", "0x10", "a", "", "aa:bb", "-1")


def one_input(data: bytes) -> None:
    """Set every parameter of a blob to several values; what comes out is a blob again."""
    with contextlib.suppress(BootwrightError):
        tree = parse_fdt(data, "fuzz")
        for name in sorted(parameters(tree))[:32]:
            for value in _VALUES:
                with contextlib.suppress(BootwrightError):
                    apply_parameter(tree, name, value)
        parse_fdt(_mergeable(parse_fdt(write_fdt(tree), "fuzz")), "fuzz")


if __name__ == "__main__":
    import sys

    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
