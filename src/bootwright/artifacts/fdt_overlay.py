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
    return apply_overlays(tree, [read_fdt_file(path) for path in overlays]) if overlays else tree


def apply_overlays(base: Tree, overlays: Sequence[Tree]) -> Tree:
    """A devicetree with overlays applied in order; raises as `read_with_overlays` does."""
    for overlay in overlays:
        if not overlay.is_overlay:
            raise Malformed(overlay.name, None, "a devicetree overlay", "a devicetree without fragments")
    tool = tools.need("fdtoverlay", purpose="apply devicetree overlays")
    names = [Path(overlay.name).name for overlay in overlays]
    with tempfile.TemporaryDirectory(prefix="bootwright-") as folder:
        merged = Path(folder) / "merged.dtb"
        files = []
        for number, tree in enumerate((base, *overlays)):
            files.append(Path(folder) / f"{number}-{Path(tree.name).name}")
            files[-1].write_bytes(tree.blob)
        try:
            tools.run([tool, "-i", files[0], "-o", merged, *files[1:]])
        except ToolFailed as error:
            raise Malformed(
                base.name,
                None,
                f"a base that {', '.join(names)} fits",
                error.message.replace(f"{folder}/", ""),
                hint="overlays that name labels need a base with __symbols__ (dtc -@)",
            ) from error
        data = merged.read_bytes()
    return parse_fdt(data, f"{base.name} + {' + '.join(names)}")
