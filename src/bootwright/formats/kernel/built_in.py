"""What an arm64 Image has built in, as `builtin_drivers` reads it."""

from __future__ import annotations

from attrs import frozen

from bootwright.formats.kernel.match_tables import OfId, PciId


@frozen
class Driver:
    """A driver as Linux knows it."""

    name: str
    """As under /sys/bus/BUS/drivers."""
    buses: tuple[str, ...]
    """`platform`, `i2c`, `spi`, `amba`, `pci`, … ; empty where the layout does not tell."""
    registered_by: str = ""
    """The function that hands it to its bus, as initcall_blacklist= has it; empty where that is not seen."""
    object: str = ""
    """The object it is built into, by the name that a module of it would have; empty where no symbol says."""
    of: tuple[OfId, ...] = ()
    ids: tuple[str, ...] = ()
    """Names of an i2c, spi or platform id table."""
    pci: tuple[PciId, ...] = ()
    amba: tuple[tuple[int, int], ...] = ()
    calls: tuple[str, ...] = ()
    """Which of `module_file.CALLS` its code calls; see `kernel_calls` for what is missed."""
    probe: int = 0
    """Address of its probe function; 0 where it has none of its own or its place is not known."""
    table: int = 0
    """Address of its devicetree match table; 0 where it has none."""


@frozen
class EarlyEntry:
    """A node type set up by code at boot, before there are devices (`OF_DECLARE` tables)."""

    kind: str
    """`clk`, `irqchip`, `timer`, `reservedmem`, `cpu_method`, …; `initcall` for a table that only code run
    once at boot can use."""
    compatible: str
    keeps_device: bool
    """Whether a device is made for the node all the same (CLK_OF_DECLARE_DRIVER, timers, reserved memory)."""


@frozen
class BuiltIn:
    """What an Image has built in."""

    drivers: tuple[Driver, ...]
    early: tuple[EarlyEntry, ...]
    of_node: int = 0
    """Offset of `of_node` in `struct device`, which the configuration decides; 0 where it is not found."""
