"""What is known of a kernel module once its file was read, and which of its calls are worth knowing of."""

from __future__ import annotations

from attrs import frozen


@frozen
class ModuleDriver:
    """A driver with a devicetree match table inside a module."""

    name: str
    buses: tuple[str, ...]
    """The buses it can be on, by the structure's layout and the registration functions used."""
    compatibles: tuple[str, ...]


@frozen
class ModuleFacts:
    """What one module file says of itself."""

    name: str
    """As in /proc/modules, with underscores."""
    aliases: tuple[str, ...]
    depends: tuple[str, ...]
    softdeps: tuple[str, ...]
    """Modules to load first (`softdep=pre:`)."""
    firmware: tuple[str, ...]
    vermagic: str
    drivers: tuple[ModuleDriver, ...]
    softdeps_after: tuple[str, ...] = ()
    """Modules to load afterwards (`softdep=post:`)."""
    weakdeps: tuple[str, ...] = ()
    """Modules it may ask for by itself (`weakdep=`, kmod 33 and Linux 6.12)."""
    crcs: bool = False
    """Whether it carries CRCs of the symbols it imports (CONFIG_MODVERSIONS)."""
    signed: bool = False
    """Whether a signature is appended; it is not checked here."""
    calls: tuple[str, ...] = ()
    """Which of `CALLS` it imports: how it makes devices of child nodes, and what it provides to others."""


ASKS: dict[str, tuple[str, ...]] = {
    "resets": (
        "reset_control_get",
        "reset_control_bulk_get",
        "reset_control_array_get",
        "device_reset",
    ),
    "interrupts": (
        "platform_get_irq",
        "platform_get_irq_optional",
        "platform_get_irq_byname",
        "platform_get_irq_byname_optional",
        "platform_irq_count",
        "of_irq_get",
        "of_irq_get_byname",
        "of_irq_parse_one",
        "of_irq_to_resource",
        "irq_of_parse_and_map",
        "fwnode_irq_get",
        "fwnode_irq_get_byname",
    ),
}
"""Kind of supplier → the functions by which a driver asks for it (include/linux/reset.h, of_irq.h, Linux 6.12
and 7.3). A driver that calls none of them does not notice when the supplier is missing."""

CALLS = (
    "of_platform_populate",
    "of_platform_default_populate",
    "of_platform_device_create",
    "mfd_add_devices",
    "i2c_add_adapter",
    "i2c_add_numbered_adapter",
    "i2c_mux_add_adapter",
    "spi_register_controller",
    "of_mdiobus_register",
    "__mdiobus_register",
    "pci_host_probe",
    "component_add",
    "icc_provider_register",
    "of_clk_add_hw_provider",
    "of_clk_add_provider",
    "of_genpd_add_provider_simple",
    "of_genpd_add_provider_onecell",
    "regulator_register",
    "gpiochip_add_data_with_key",
    "reset_controller_register",
    "pinctrl_register",
    "pinctrl_register_and_init",
    "of_phy_provider_register",
    "mbox_controller_register",
    "nvmem_register",
    *ASKS["resets"],
    *ASKS["interrupts"],
)
"""Exported functions of the driver core and subsystems (include/linux, 6.12 and 6.18) worth knowing of.

The `devm_` form of each counts too: linkers store a name that ends another only once (tail merging), so
that the two cannot be told apart in the string table."""


def module_name(path: str) -> str:
    """The module's name as the kernel has it, from its file name."""
    return path.rpartition("/")[2].partition(".")[0].replace("-", "_")
