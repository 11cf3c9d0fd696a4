"""Fuzz the devicetree reader: `python fuzz/fuzz_fdt.py CORPUS` with atheris installed."""

from __future__ import annotations

import contextlib

from bootwright.formats.devicetree.fdt import parse_fdt
from bootwright.formats.devicetree.phandle_lists import references
from bootwright.foundation.errors import BootwrightError


def one_input(data: bytes) -> None:
    """Parse, then use everything a caller may use."""
    with contextlib.suppress(BootwrightError):
        tree = parse_fdt(data, "fuzz")
        for node in tree.nodes:
            assert node.path.startswith("/")
            for name in node.properties:
                node.strings(name)
                node.cells(name)
                assert tree.property_offset(node, name) is not None
                references(node, name, tree)
        tree.node("serial0")
        assert isinstance(tree.symbols, dict)


if __name__ == "__main__":
    import sys

    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
