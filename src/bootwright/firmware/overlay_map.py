"""`overlay_map.dtb`: which overlay stands for a name on which SoC.

Raspberry Pi documentation, "Device Trees, overlays, and parameters", 2.2.10: a node for each overlay that
needs it, with a property for each platform it fits (empty: as it is; else another name, which may bring
parameters after a comma), or `renamed` or `deprecated`. An overlay without a node fits all.
"""

from __future__ import annotations

from attrs import frozen

from bootwright.formats.devicetree.fdt import Tree
from bootwright.foundation.errors import Refused

FILE = "overlay_map"
"""The file beside the overlays, without `.dtb`."""
_BCM2835 = frozenset({"bcm2708", "bcm2709", "bcm2710", "bcm2835", "bcm2836", "bcm2837"})
_OTHERS = frozenset({"bcm2711", "bcm2712"})


@frozen
class Mapped:
    """An overlay's file and what goes with it."""

    name: str
    parameters: str = ""
    """`name=value,…`, to be set before those of config.txt."""


def platform_of(compatible: tuple[str, ...]) -> str | None:
    """The map's name of a SoC by the root's `compatible`; those before BCM2711 are one."""
    for text in compatible:
        soc = text.rpartition(",")[2]
        if soc in _BCM2835:
            return "bcm2835"
        if soc in _OTHERS:
            return soc
    return None


def mapped(overlays: Tree | None, name: str, platform: str | None) -> Mapped:
    """What is loaded for `dtoverlay=name`; `overlays` is the map, where there is one.

    Raises `Refused` for one that is deprecated, or not for this platform.
    """
    children = overlays.root.children if overlays is not None and platform is not None else []
    node = next((child for child in children if child.name == name), None)
    if node is None or platform is None:
        return Mapped(name)
    for key in (platform, "renamed"):
        if key in node:
            file, _, parameters = (node.string(key) or name).partition(",")
            return Mapped(file, parameters)
    why = node.string("deprecated")
    if "deprecated" in node:
        raise Refused(f"the overlay {name} is deprecated: {why or 'no reason is given'}")
    raise Refused(f"the overlay {name} is not for {platform}")
