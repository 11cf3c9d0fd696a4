"""U-Boot, as firmware starts it."""

from __future__ import annotations

from bootwright.formats.programs.u_boot import is_u_boot, read_u_boot
from bootwright.formats.sources.bytesource import ByteSource
from bootwright.inspect.facts import Item, ItemKind, Origin, facts_at
from bootwright.inspect.format import Context, Format


def u_boot(explorer: Context, source: ByteSource, name: str, depth: int) -> Item:  # noqa: ARG001
    """U-Boot with its version and the drivers it has."""
    explorer.spend(source.size)
    program = read_u_boot(source)
    origin = Origin(source.name, 0, source.size)
    values = {
        "version": program.version,
        "drivers": {driver.name: ", ".join(driver.compatibles) for driver in program.drivers},
        "drivers_by_name": sorted(program.names) or None,
    }
    return Item(ItemKind.U_BOOT, name, origin, facts_at(origin, values), detail=program, source=source)


FORMAT = Format(
    name="u-boot",
    title="U-Boot (arm64)",
    documentation="arch/arm/cpu/armv8/start.S, include/dm/device.h (U-Boot 2023.01 to 2025.01)",
    limits="of drivers that no devicetree binds, only nvme, xhci_pci and pci_generic_ecam are looked for",
    describe=u_boot,
    matches=is_u_boot,
    order=85,
    names=(r"(.*/)?u-?boot[^/]*\.bin",),
    name_order=62,
    fits=frozenset({ItemKind.U_BOOT}),
)
