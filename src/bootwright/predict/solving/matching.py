"""Which drivers match a device: each bus has its own rule (Linux 6.12)."""

from __future__ import annotations

import re

from attrs import evolve

from bootwright.formats.devicetree.fdt import Node
from bootwright.predict.kernel.candidates import Candidate
from bootwright.predict.kernel.drivers import KernelFacts

_PCI_COMPATIBLE = re.compile(r"pci([0-9a-f]{1,4}),([0-9a-f]{1,4})")
_PRIMECELL = re.compile(r"arm,(pl|sp)([0-9a-f]{3})")
_PHY_COMPATIBLE = re.compile(r"ethernet-phy-id([0-9a-f]{4})\.([0-9a-f]{4})")
_BRIDGE_CLASS = 0x060400
_CLASSES = {"usb": 0x0C0330, "nvme": 0x010802, "sata": 0x010601}
"""Generic names of functions (IEEE 1275 PCI binding 2.1, table 1) → the class that one driver takes whoever
made them: xHCI, NVMe, AHCI (include/linux/pci_ids.h, Linux 6.12)."""


def match(
    kernel: KernelFacts, node: Node, bus: str, *, phy: int | None = None, cell: bool = False
) -> tuple[Candidate, ...]:
    """Drivers that match, the one that binds first in front: built in first, then the most specific.

    `phy` is the id an Ethernet PHY is known to have from elsewhere than the devicetree; `cell` says that the
    device is a cell of a multi-function device.
    """
    if bus == "amba":
        return _amba(kernel, node)
    if bus == "pci":
        return _pci(kernel, node)
    if bus == "mdio":
        return _mdio(kernel, node, phy)
    if bus == "cpu":
        return ()
    if bus == "usb":
        # usb_generic_driver, named "usb", takes every device; its interfaces have drivers of their own.
        return (Candidate("usb", None, ("usb",), ()),)
    if bus == "mmc":
        # drivers/mmc/core/sdio_bus.c: the card says what its functions are; the node only adds properties.
        return (Candidate("of the card's id", None, ("mmc",), ()),)
    candidates = _by_table(kernel, node, bus)
    if bus in {"i2c", "spi"} and node.compatible:
        name = node.compatible[0].rpartition(",")[2]
        known = {candidate.driver for candidate in candidates} | {
            candidate.module for candidate in candidates
        }
        candidates += [candidate for candidate in kernel.by_name(name, bus) if candidate.driver not in known]
    if bus == "platform":
        if cell and not candidates:
            candidates = _by_cell_name(kernel, node)
        candidates = [
            candidate for candidate in candidates if not is_plain_bus(candidate) or candidate.rank == 0
        ]
    return tuple(candidates)


def pci_ids(node: Node) -> tuple[int, int] | None:
    """(vendor, device) of a `pciVVVV,DDDD` compatible (IEEE 1275 PCI binding 2.1, section 2.5)."""
    for compatible in node.compatible:
        match = _PCI_COMPATIBLE.fullmatch(compatible)
        if match is not None:
            return int(match[1], 16), int(match[2], 16)
    return None


def periphid(node: Node) -> int | None:
    """An AMBA peripheral id: given, or that of an ARM part by its number (PL011: part 0x011, designer 0x41).

    SP parts have 1 in the third digit's place: SP805 is part 0x805 of designer 0x41, revision 1.
    """
    given = node.cell("arm,primecell-periphid")
    if given is not None:
        return given
    for compatible in node.compatible:
        match = _PRIMECELL.fullmatch(compatible)
        if match is not None:
            return (0x00141000 if match[1] == "sp" else 0x00041000) | int(match[2], 16)
    return None


def _by_table(kernel: KernelFacts, node: Node, bus: str) -> list[Candidate]:
    candidates: list[Candidate] = []
    seen: set[tuple[str, str | None]] = set()
    for rank, compatible in enumerate(node.compatible):
        for candidate in kernel.by_compatible(compatible):
            key = (candidate.driver, candidate.module)
            # Modules are not read for how they register with the AUX bus: only panels are on it.
            if key not in seen and (not candidate.buses or bus in {*candidate.buses, "dp-aux"}):
                seen.add(key)
                candidates.append(evolve(candidate, rank=rank) if rank else candidate)
    # The kernel tries drivers in the order they are registered: built-in ones are there first.
    candidates.sort(key=lambda candidate: (candidate.module is not None, candidate.rank))
    return candidates


def _by_cell_name(kernel: KernelFacts, node: Node) -> list[Candidate]:
    """A cell is matched by its name where no table has its compatible (drivers/base/platform.c).

    The name is in the table of the driver that makes it; by custom it is the compatible without its vendor.
    """
    candidates: list[Candidate] = []
    for compatible in node.compatible:
        name = compatible.rpartition(",")[2]
        alias = f"platform:{name}"
        candidates += [
            evolve(candidate, matched=alias) for candidate in kernel.by_modalias(alias, "platform")
        ]
    return candidates


def is_plain_bus(candidate: Candidate) -> bool:
    """drivers/bus/simple-pm-bus.c: it takes plain buses only by their first compatible, and does nothing."""
    return candidate.driver == "simple-pm-bus" and candidate.matched != "simple-pm-bus"


def _amba(kernel: KernelFacts, node: Node) -> tuple[Candidate, ...]:
    identity = periphid(node)
    if identity is not None:
        return kernel.by_amba(identity)
    return ()


def _pci(kernel: KernelFacts, node: Node) -> tuple[Candidate, ...]:
    ids = pci_ids(node)
    if ids is not None:
        return kernel.by_pci(*ids)
    if node.string("device_type") == "pci" or node.name.partition("@")[0] in {"pci", "pcie"}:
        return kernel.by_pci(0xFFFF, 0xFFFF, _BRIDGE_CLASS)
    known_class = _CLASSES.get(node.name.partition("@")[0])
    return kernel.by_pci(0xFFFF, 0xFFFF, known_class) if known_class is not None else ()


def _mdio(kernel: KernelFacts, node: Node, identity: int | None) -> tuple[Candidate, ...]:
    """A PHY by its id when the devicetree gives it; any PHY has the generic driver as a last resort."""
    for compatible in node.compatible:
        match = _PHY_COMPATIBLE.fullmatch(compatible)
        if match is not None:
            identity = int(match[1] + match[2], 16)
    if identity is not None:
        named = kernel.by_modalias(f"mdio:{identity:032b}", "mdio")
        if named:
            return named
    others = [
        candidate
        for candidate in _by_table(kernel, node, "mdio")
        if not candidate.matched.startswith("ethernet-phy-ieee802.3")
    ]
    return (*others, Candidate("Generic PHY", None, ("mdio",), ()))
