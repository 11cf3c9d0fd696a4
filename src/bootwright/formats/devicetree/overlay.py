"""Overlays (DTBO) applied to a base devicetree, by `fdtoverlay` of dtc: it is libfdt, as firmware uses.

Limits: the base needs `__symbols__` (built with `dtc -@`) for overlays that name labels.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from bootwright.formats.devicetree.fdt import Tree, parse_fdt, read_fdt_file
from bootwright.formats.devicetree.writer import write_fdt
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
    with tempfile.TemporaryDirectory(prefix="bootwright-") as folder:
        merged = Path(folder) / "merged.dtb"
        files = []
        for number, tree in enumerate((base, *overlays)):
            files.append(Path(folder) / f"{number}-{Path(tree.name).name}")
            files[-1].write_bytes(tree.blob if tree is base else _mergeable(tree))
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


def _mergeable(overlay: Tree) -> bytes:
    """The overlay for fdtoverlay: a label on `__overlay__` itself is taken off where only parameters use it.

    libfdt would give the target the label's phandle, and then not find it by its own (dtc 1.6 to 1.7).
    """
    labelled = [
        inner
        for child in overlay.root.children
        if (inner := child.child("__overlay__")) is not None and "phandle" in inner
    ]
    if not labelled:
        return overlay.blob
    changed = parse_fdt(overlay.blob, overlay.name)
    used = _local_references(changed)
    for fragment in changed.root.children:
        inner = fragment.child("__overlay__")
        if inner is not None and inner.cell("phandle") not in used:
            inner.properties.pop("phandle", None)
            inner.properties.pop("linux,phandle", None)
    return write_fdt(changed)


def _local_references(overlay: Tree) -> set[int]:
    """Phandles of the overlay's own that its fragments use."""
    table = overlay.root.child("__local_fixups__")
    found: set[int] = set()
    for node in table.walk() if table is not None else ():
        path = node.path.removeprefix("/__local_fixups__") or "/"
        target = overlay.node(path)
        if target is None or path.startswith("/__overrides__"):
            continue
        for name in node.properties:
            raw = target.properties.get(name, b"")
            found.update(
                int.from_bytes(raw[at : at + 4], "big") for at in node.cells(name) if at + 4 <= len(raw)
            )
    return found
