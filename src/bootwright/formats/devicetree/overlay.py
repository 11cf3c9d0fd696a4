"""Overlays (DTBO) applied to a base devicetree by libfdt, as U-Boot and GRUB do: by `fdtoverlay` of dtc.

A Raspberry Pi's firmware has rules of its own (`firmware.overlays`).

Limits: the base needs `__symbols__` (built with `dtc -@`) for overlays that name labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bootwright.formats.devicetree.fdt import Tree, parse_fdt
from bootwright.foundation import tools
from bootwright.foundation.errors import Malformed, ToolFailed
from bootwright.foundation.processes.work_folder import temporary_folder


def apply_overlays(base: Tree, overlays: Sequence[Tree]) -> Tree:
    """A devicetree with overlays applied in order.

    Raises `Malformed` for what is no overlay or does not fit, `Missing` where fdtoverlay is not installed.
    """
    known = set(base.symbols)
    for overlay in overlays:
        if not overlay.is_overlay:
            raise Malformed(overlay.name, None, "a devicetree overlay", "a devicetree without fragments")
        absent = sorted(_labels(overlay) - known)
        if absent:
            raise Malformed(
                base.name,
                None,
                f"the labels that {Path(overlay.name).name} refers to",
                f"no label {', '.join(absent[:4])}",
                hint="overlays that name labels need a base with __symbols__ (dtc -@), for the same board",
            )
        known.update(overlay.symbols)
    tool = tools.need("fdtoverlay", purpose="apply devicetree overlays")
    names = [Path(overlay.name).name for overlay in overlays]
    with temporary_folder() as folder:
        merged = folder / "merged.dtb"
        files = []
        for number, tree in enumerate((base, *overlays)):
            files.append(folder / f"{number}-{Path(tree.name).name}")
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


def _labels(overlay: Tree) -> set[str]:
    fixups = overlay.root.child("__fixups__")
    return set(fixups.properties) if fixups is not None else set()
