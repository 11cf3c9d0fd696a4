"""Overlays (DTBO) applied to a base devicetree, by `fdtoverlay` of dtc: it is libfdt, as firmware uses.

Limits: the base needs `__symbols__` (built with `dtc -@`) for overlays that name labels.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from bootwright.artifacts.fdt import Tree, parse_fdt, read_fdt_file
from bootwright.foundation import tools
from bootwright.foundation.errors import Malformed, ToolFailed


def read_with_overlays(base: Path, overlays: Sequence[Path]) -> Tree:
    """The devicetree in `base` with `overlays` applied in order.

    Raises `Malformed` for a file that is none or an overlay that does not fit, `Missing` for one that is not
    there or where fdtoverlay is not installed.
    """
    tree = read_fdt_file(base)
    if not overlays:
        return tree
    for path in overlays:
        if not read_fdt_file(path).is_overlay:
            raise Malformed(str(path), None, "a devicetree overlay", "a devicetree without fragments")
    tool = tools.need("fdtoverlay", purpose="apply devicetree overlays")
    with tempfile.TemporaryDirectory(prefix="bootwright-") as folder:
        merged = Path(folder) / "merged.dtb"
        try:
            tools.run([tool, "-i", base, "-o", merged, *overlays])
        except ToolFailed as error:
            names = ", ".join(path.name for path in overlays)
            raise Malformed(
                str(base),
                None,
                f"a base that {names} fits",
                error.message,
                hint="overlays that name labels need a base with __symbols__ (dtc -@)",
            ) from error
        data = merged.read_bytes()
    return parse_fdt(data, f"{base} + {' + '.join(path.name for path in overlays)}")
