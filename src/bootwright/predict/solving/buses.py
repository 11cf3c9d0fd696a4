"""What a node's name and properties say of buses: which one it controls, and what sits on it."""

from __future__ import annotations

from typing import Protocol

from bootwright.formats.devicetree.fdt import Node
from bootwright.foundation.versions import Version
from bootwright.predict.kernel.candidates import Candidate
from bootwright.predict.model import Answer
from bootwright.predict.solving.matching import pci_ids
from bootwright.predict.solving.sites import Site


def controller(node: Node, best: Candidate | None) -> str | None:
    """The bus a node is a controller of, by its generic name (specification, 2.2.2) or its driver's calls."""
    base = base_name(node)
    calls = best.calls if best is not None else ()
    if node.string("device_type") == "pci" or base in {"pcie", "pci"}:
        return "pci"
    if node.cell("#size-cells") == 0 and node.cell("#address-cells") == 2 and base in {"spmi", "arbiter"}:
        return "spmi"
    if node.cell("#size-cells") == 0 and node.cell("#address-cells") == 1:
        if base.startswith("i2c") or base in {"i3c-master"}:
            return "i2c"
        if base in {"spi", "qspi", "ospi"} or "spi_register_controller" in calls:
            return "spi"
        if base == "dsi":
            return "dsi"
        if base in {"mdio", "mdio-mux"} or base.startswith("mdio"):
            return "mdio"
        if base in {"mmc", "mmcnr", "sdhci", "usb", "hub"}:
            return "hardware"
    return None


def announced(node: Node) -> str | None:
    """What announces the devices of a node's children at run time, where that is a processor's firmware.

    drivers/rpmsg (edges of shared memory, below the remote processor), drivers/slimbus, drivers/soundwire.
    """
    base = base_name(node)
    if base in {"glink-edge", "smd-edge", "apr", "gpr"} or base.startswith(("glink", "slim", "soundwire")):
        return "the firmware of a remote processor, or the bus, announces what is there"
    return None


_POWER_MANAGER = frozenset({"qcom,glink-rpm", "qcom,rpm-proc"})
"""The resource power manager, whose firmware runs before Linux and gives the SoC its clocks and supplies: as
with SCMI, that it answers is taken for granted (bindings/remoteproc/qcom,rpm-proc.yaml, Linux 6.18)."""


def is_announced(edge: Node) -> Answer:
    """Whether what the devicetree has below an edge to another processor is announced."""
    above = edge.parent.compatible if edge.parent is not None else ()
    return Answer.UNKNOWN if _POWER_MANAGER.isdisjoint((*edge.compatible, *above)) else Answer.YES


def is_usb_device(node: Node) -> bool:
    """`usbVID,PID` (Documentation/devicetree/bindings/usb/usb-device.yaml)."""
    return any(compatible.startswith("usb") and "," in compatible for compatible in node.compatible)


def is_bridge(node: Node) -> bool:
    """A PCI bridge, host or root port (IEEE 1275 PCI binding 2.1)."""
    return node.string("device_type") == "pci" or base_name(node) in {"pci", "pcie"}


def pci_exists(node: Node) -> Answer:
    """A bridge's root port is part of its host; an endpoint is there if the devicetree names it."""
    return Answer.YES if is_bridge(node) or pci_ids(node) is not None else Answer.UNKNOWN


def below(node: Node, above: Node) -> bool:
    """Whether `node` is `above` or has it above."""
    current: Node | None = node
    while current is not None:
        if current is above:
            return True
        current = current.parent
    return False


def base_name(node: Node) -> str:
    """The name without the unit address."""
    return node.name.partition("@")[0]


def is_phy(node: Node) -> bool:
    """Whether a child of an MDIO bus is a PHY: of_mdiobus_child_is_phy, drivers/net/mdio/of_mdio.c."""
    return not node.compatible or any(
        compatible.startswith("ethernet-phy-") for compatible in node.compatible
    )


# Commit 48e6a9c4a208 ("of: platform: Use default match table for /firmware"): series → the first with it.
_DEEP_FIRMWARE = {"6.12": (6, 12, 68), "6.18": (6, 18, 8)}
_DEEP_FIRMWARE_SINCE = (6, 19)


def populates_buses_of_firmware(version: Version | None) -> bool:
    """Whether plain buses below /firmware get devices for their children, or only /firmware itself does."""
    if version is None:
        return True
    return version.key[0] >= _DEEP_FIRMWARE.get(version.series(), _DEEP_FIRMWARE_SINCE)


class Maker(Protocol):
    """What makes devices and goes on with their children."""

    def device(self, node: Node, bus: str, creator: Site | None, rule: str) -> Site:
        """The device of `node` on `bus`."""
        ...

    def children(self, site: Site) -> None:
        """Go on with what the driver makes of the child nodes."""
        ...

    def generic(self, site: Site, child: Node) -> None:
        """A child that only the driver itself could make a device of."""
        ...


def spmi_devices(maker: Maker, site: Site, node: Node) -> None:
    """Every child with a reg (drivers/spmi/spmi.c)."""
    for child in node.children:
        if child.enabled and base_name(child) == "spmi" and not child.compatible:
            spmi_devices(maker, site, child)  # one bus of an arbiter
        elif child.enabled and child.compatible and "reg" in child:
            maker.children(maker.device(child, "spmi", site, "of_spmi_register_devices"))


def spi_devices(maker: Maker, site: Site, node: Node) -> None:
    """Every child with a reg, or the one of a slave (drivers/spi/spi.c)."""
    for child in node.children:
        if child.enabled and child.compatible and ("reg" in child or "spi-slave" in node):
            maker.children(maker.device(child, "spi", site, "of_register_spi_devices"))


def dsi_devices(maker: Maker, site: Site, node: Node) -> None:
    """Every child with a reg (drivers/gpu/drm/drm_mipi_dsi.c)."""
    for child in node.children:
        if child.enabled and child.compatible and "reg" in child:
            maker.children(maker.device(child, "dsi", site, "mipi_dsi_host_register"))
        elif child.enabled and child.compatible:
            maker.generic(site, child)


def dp_aux_devices(maker: Maker, site: Site, node: Node) -> None:
    """The panel that a DisplayPort's AUX channel leads to (display/dp-aux-bus.yaml)."""
    for child in node.children:
        if child.enabled and child.compatible:
            maker.children(maker.device(child, "dp-aux", site, "of_dp_aux_populate_bus"))
