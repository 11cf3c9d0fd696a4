"""Fuzz the firmware's parameters: `python fuzz/fuzz_fdt_parameters.py CORPUS` with atheris installed."""

from __future__ import annotations

import contextlib

from bootwright.firmware.overlays import merge, resolve
from bootwright.firmware.parameters import apply_parameter, parameters
from bootwright.formats.devicetree.fdt import parse_fdt
from bootwright.formats.devicetree.writer import DraftTree
from bootwright.foundation.errors import BootwrightError

_VALUES = ("on", "0x10", "a", "", "aa:bb", "-1", "\\x41\\")


def one_input(data: bytes) -> None:
    """Set every parameter of a blob to several values, as a base and as an overlay on itself."""
    with contextlib.suppress(BootwrightError):
        tree = parse_fdt(data, "fuzz")
        base = DraftTree(tree)
        _set(base)
        base.tree()
        overlay = resolve(base, tree)
        _set(overlay)
        merge(base, overlay).tree()


def _set(draft: DraftTree) -> None:
    for name in sorted(parameters(draft))[:32]:
        for value in _VALUES:
            with contextlib.suppress(BootwrightError):
                apply_parameter(draft, name, value)


if __name__ == "__main__":
    import sys

    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
