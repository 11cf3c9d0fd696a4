"""Which nodes become devices, on which bus, and which driver's binding it takes.

Follows drivers/of/platform.c (of_platform_default_populate), drivers/amba/bus.c, and the way each bus
makes devices of a controller's child nodes (drivers/i2c/i2c-core-of.c, drivers/spi/spi.c,
drivers/net/mdio/of_mdio.c, drivers/pci/of.c, drivers/tty/serdev/core.c, drivers/gpu/drm/drm_mipi_dsi.c,
drivers/gpu/drm/display/drm_dp_aux_bus.c), Linux 6.12 to 7.x.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from bootwright.formats.devicetree.fdt import Node, Tree
from bootwright.predict.kernel.drivers import KernelFacts
from bootwright.predict.model import Answer
from bootwright.predict.probing.terms import There
from bootwright.predict.rules.knowledge import Knowledge
from bootwright.predict.rules.predicates import Surroundings, find, holds
from bootwright.predict.solving.addresses import address
from bootwright.predict.solving.boot_code import standstill
from bootwright.predict.solving.buses import (
    announced,
    base_name,
    below,
    controller,
    dp_aux_devices,
    dsi_devices,
    is_announced,
    is_bridge,
    is_phy,
    is_usb_device,
    pci_exists,
    populates_buses_of_firmware,
    spi_devices,
    spmi_devices,
)
from bootwright.predict.solving.matching import is_plain_bus, match, pci_ids
from bootwright.predict.solving.overlaid import disabled
from bootwright.predict.solving.sites import Plan, Site

DEFAULT_BUSES = frozenset({"simple-bus", "simple-mfd", "isa", "arm,amba-bus"})
"""of_default_bus_match_table: their children become devices whether or not the bus itself binds."""
_CELL = 4
# of_skipped_node_table (drivers/of/platform.c), and what the MTD core looks up itself (mtdcore.c).
_SKIPPED = frozenset({"operating-points-v2", "user-otp", "factory-otp"})
_RESERVED = frozenset(  # reserved_mem_matches: memory regions that have drivers
    {"phram", "qcom,rmtfs-mem", "qcom,cmd-db", "qcom,smem", "ramoops", "nvmem-rmem", "google,open-dice"}
)
_POPULATES = frozenset({"of_platform_populate", "of_platform_default_populate", "of_platform_device_create"})
_CELLS = "mfd_add_devices"


class Planner:
    """Makes the plan of one devicetree under one kernel."""

    def __init__(
        self,
        tree: Tree,
        kernel: KernelFacts,
        known: Knowledge,
        around: Surroundings,
        *,
        functions: tuple[tuple[Node, int, int], ...] = (),
        phys: Mapping[int, int] | None = None,
    ) -> None:
        self._tree = tree
        self._kernel = kernel
        self._known = known
        self._around = around
        self._functions = functions
        self._phys = phys or {}
        self._plan = Plan(tree)

    def plan(self) -> Plan:
        """Walk the tree as the kernel does at boot."""
        self._set_up_early()
        self._plan.standstill = standstill(self._tree, self._kernel, self._plan.early)
        for child in self._tree.root.children:
            base = base_name(child)
            if base == "reserved-memory":
                for region in child.children:
                    if _RESERVED.intersection(region.compatible):
                        self._platform(region, None, "of_platform_default_populate_init")
            elif base == "firmware" and not child.compatible:
                deep = populates_buses_of_firmware(self._kernel.version)
                for node in child.children:
                    self._platform(node, None, "of_platform_default_populate_init", default=deep)
            elif base == "cpus":
                self._cpus(child)
            elif base == "chosen":
                for node in child.children:
                    if "simple-framebuffer" in node.compatible:
                        self._platform(node, None, "of_platform_default_populate_init")
            else:
                self._platform(child, None, "of_platform_populate")
        return self._plan

    def _set_up_early(self) -> None:
        """OF_DECLARE tables are matched against every enabled node (of_clk_init, of_irq_init, …)."""
        early = self._kernel.early
        for node in self._tree.nodes:
            if "compatible" not in node:
                continue
            claimed = next((early[name] for name in node.compatible if name in early), None)
            if claimed is None or not node.available or claimed.kind in {"cpu_method", "reservedmem"}:
                continue
            if claimed.kind == "irqchip" and "interrupt-controller" not in node:
                continue  # of_irq_init (drivers/of/irq.c) passes it by, whatever it is compatible with
            if claimed.kind == "initcall" and match(self._kernel, node, "platform"):
                continue  # what it does at boot is not what its driver does
            self._plan.early[id(node)] = claimed.kind
            if not claimed.keeps_device:
                self._missing(node, f"it is set up at boot by the {claimed.kind} code, without a device")

    def _cpus(self, cpus: Node) -> None:
        for child in cpus.children:
            if child.string("device_type") == "cpu" and child.enabled:
                self._plan.sites[id(child)] = Site(child, "cpu", None, Answer.YES, "drivers/base/cpu.c")

    def _missing(self, node: Node, reason: str, maker: Node | None = None) -> None:
        self._plan.absent.setdefault(id(node), (reason, maker))

    def device(
        self,
        node: Node,
        bus: str,
        creator: Site | None,
        rule: str,
        exists: Answer = Answer.YES,
        *,
        cell: bool = False,
    ) -> Site:
        """The device of `node` on `bus`, with the drivers that match it."""
        candidates = match(self._kernel, node, bus, phy=self._phys.get(id(node)), cell=cell)
        best = candidates[0].driver if candidates else None
        site = Site(
            node=node,
            bus=bus,
            creator=creator,
            exists=exists,
            rule=rule,
            candidates=candidates,
            known=self._known.of_driver(best, node.compatible),
        )
        self._plan.sites[id(node)] = site
        return site

    def _platform(
        self,
        node: Node,
        creator: Site | None,
        rule: str,
        *,
        exists: Answer = Answer.YES,
        default: bool = True,
        cell: bool = False,
    ) -> None:
        """of_platform_bus_create; `default` says whether plain buses below are populated as well.

        `cell`: the device is one that a multi-function device's driver makes by mfd_add_devices.
        """
        if id(node) in self._plan.sites:
            return
        if not node.enabled:
            self._missing(node, f"its status is {node.string('status') or 'empty'}")
            return
        compatible = node.compatible
        if not compatible:
            self._missing(node, "it has no compatible, so nothing makes a device of it")
            return
        if not _SKIPPED.isdisjoint(compatible):
            self._missing(node, f"{compatible[0]} nodes are read by others, and make no devices")
            return
        if id(node) in self._plan.absent:
            return
        if "arm,primecell" in compatible:
            if address(node, 0) in {There.MISSING, There.BROKEN}:
                # of_amba_device_create: without an address that can be translated there is no device.
                self._missing(node, "its reg is missing or cannot be translated, and AMBA devices need one")
                return
            # No plain bus, but a serial port, SPI or MMC controller all the same.
            self.children(self.device(node, "amba", creator, rule, exists))
            return
        site = self.device(node, "platform", creator, rule, exists, cell=cell)
        if default and DEFAULT_BUSES.intersection(compatible):
            for child in node.children:
                self._platform(child, creator, rule, exists=exists)
        else:
            self.children(site)

    def children(self, site: Site) -> None:
        """What a bound driver makes of the child nodes."""
        node = site.node
        for child, rule in disabled(site, self._kernel, self._around):
            self._missing(child, f"{rule.reason}, which sets this node's status to disabled")
            self._plan.remedies[id(child)] = rule.remedy
        kind = controller(node, site.best)
        if kind is not None:
            _BUS_CHILDREN[kind](self, site, node)
            return
        if site.bus != "pci":
            self._special_children(site)
        self._made(site)
        best = site.best
        calls = set(best.calls) if best is not None and not is_plain_bus(best) else set()
        populates = bool(calls & _POPULATES) or _CELLS in calls
        for where in self._populated(site):
            for child in where.children:
                self._platform(child, site, "of_platform_default_populate")
        for child in node.children:
            if id(child) in self._plan.sites or not child.enabled:
                continue
            if not child.compatible:
                self._edge(site, child)
                continue
            # An edge that a driver makes a platform device of is no device of the edge's own bus.
            own = populates and bool(match(self._kernel, child, "platform"))
            name = announced(node) or (announced(child) if not own else None)
            if name is not None:
                self.children(self.device(child, "rpmsg", site, name, is_announced(node)))
            elif populates:
                self._platform(
                    child,
                    site,
                    f"the driver {best.driver if best else '?'} makes devices of its child nodes",
                    default="of_platform_default_populate" in calls,
                    cell=_CELLS in calls,
                )
            elif best is None and self._may_have_driver(site):
                self._platform(
                    child,
                    site,
                    f"whether there is a driver for {node.path} that makes a device of it is not known",
                    exists=Answer.UNKNOWN,
                    default=False,
                )
            elif best is None:
                self._missing(child, f"no driver for {node.path} makes a device of it", node)
            else:
                self._missing(child, f"the driver {best.driver} makes no devices of child nodes", node)

    def _may_have_driver(self, site: Site) -> bool:
        """Whether a node without a driver may have one all the same, as far as is known of the kernel."""
        withheld = self._kernel.withheld(site.node, site.bus)
        if withheld is not None:
            return withheld.answer is Answer.UNKNOWN
        return not all(self._kernel.decided(name) for name in site.node.compatible)

    def _edge(self, site: Site, edge: Node) -> None:
        """An edge that is no device itself (qcom,smd-edge.yaml): what is announced on it is."""
        name = announced(edge)
        for child in edge.children if name is not None else ():
            if child.compatible and child.enabled:
                self.children(self.device(child, "rpmsg", site, name or "", is_announced(edge)))

    def _made(self, site: Site) -> None:
        """Devices that knowledge says the driver makes by hand (platform_device_alloc with a node)."""
        for known in site.known:
            for rule in known.makes:
                container = site.node.child(rule.container) if rule.container else site.node
                for child in container.children if container is not None else ():
                    if child.enabled and rule.child in {"", child.name}:
                        made = Site(
                            child,
                            "platform",
                            site,
                            Answer.YES,
                            known.source,
                            by_hand=True,
                            made_of_node=False,
                        )
                        made.candidates = self._kernel.named(rule.driver, rule.module, rule.option)
                        made.option = rule.option
                        self._plan.sites[id(child)] = made

    def _populated(self, site: Site) -> Iterator[Node]:
        """Nodes elsewhere that knowledge says this driver populates."""
        for known in site.known:
            for rule in known.populates:
                if holds(rule.when, self._around) is not Answer.NO:
                    node = find(rule.node, self._tree)
                    if node is not None:
                        yield node

    def _special_children(self, site: Site) -> None:
        """mdio buses, serdev, nvmem layouts: child nodes with meaning for the subsystem."""
        node = site.node
        for child in node.children:
            base = base_name(child)
            if base in {"mdio", "mdio-bus", "mdio0", "mdio1"} and child.enabled:
                if match(self._kernel, child, "platform"):
                    # There is a driver for the MDIO bus by itself, so that its MAC makes it a device.
                    made = self.device(child, "platform", site, "platform_device_add")
                    made.made_of_node = False
                    self.children(made)
                else:
                    self._mdio(site, child)
            elif (
                base in {"ethernet-phy", "phy"} and "reg" in child and base_name(node) in {"ethernet", "mac"}
            ):
                self.device(child, "mdio", site, "of_mdiobus_register")
            elif base == "aux-bus" and child.enabled:
                dp_aux_devices(self, site, child)
            elif base == "nvmem-layout" and child.compatible:
                self.device(child, "nvmem-layout", site, "nvmem_layout_bus_populate")
            elif base_name(node) in {"serial", "uart"} and child.compatible and child.enabled:
                self.device(child, "serial", site, "serdev_controller_add")

    def _mdio(self, site: Site, bus: Node) -> None:
        for child in bus.children:
            if child.enabled and base_name(child).startswith("mdio"):
                self._mdio(site, child)  # a multiplexer's channel: a bus, and no device
            elif child.enabled and "reg" in child and len(child.properties["reg"]) < _CELL:
                # of_mdio_parse_addr fails, and the scan for PHYs passes over those that have a reg.
                self._missing(child, "its reg is too short for an address, and no PHY is looked for without")
            elif child.enabled and ("reg" in child or is_phy(child)):
                # Without a reg the bus is scanned: drivers/net/mdio/of_mdio.c __of_mdiobus_parse_phys.
                made = self.device(child, "mdio", site, "of_mdiobus_register")
                self.children(made)

    def _i2c(self, site: Site, node: Node) -> None:
        for child in node.children:
            if not child.enabled:
                continue
            base = base_name(child)
            if base in {"i2c-bus", "i2c-gate", "i2c-arb"} or (base == "i2c" and not child.compatible):
                self._i2c(site, child)  # the adapter itself, or a mux's channel
            elif "reg" in child and child.compatible:
                made = self.device(child, "i2c", site, "of_i2c_register_devices")
                self.children(made)

    def _pci(self, site: Site, node: Node) -> None:
        """Functions with an address get their node; one named only by compatible is there without it."""
        for child in node.children:
            if not child.enabled:
                continue
            if "reg" in child:
                made = self.device(child, "pci", site, "pci_set_of_node", pci_exists(child))
                if is_bridge(child):
                    self._pci(made, child)
                else:
                    self.children(made)
            elif (ids := pci_ids(child)) is not None:
                self._missing(child, "a PCI function gets a node only by its address (reg)", node)
                self._function(site, *ids)
        for host, vendor, device in self._functions:
            if host is node:
                self._function(site, vendor, device)

    def _function(self, host: Site, vendor: int, device: int) -> None:
        """A function known to be there (from the board, or a compatible) that no node has the address of."""
        for site in self._plan.sites.values():
            if site.bus == "pci" and pci_ids(site.node) == (vendor, device) and below(site.node, host.node):
                return
        if any(pci_ids(site.node) == (vendor, device) for site in self._plan.functions):
            return
        made = Node(f"[pci {vendor:04x}:{device:04x}]", host.node, host.node.offset)
        made.properties["compatible"] = b"pci%x,%x\0" % (vendor, device)
        site = self.device(made, "pci", host, "PCI enumeration")
        site.in_tree = False
        self._plan.functions.append(site)
        self.children(site)

    def _hardware(self, site: Site, node: Node) -> None:
        """usb and mmc: what is plugged in decides; the node only adds properties."""
        bus = "usb" if base_name(node).startswith("usb") or base_name(node) == "hub" else "mmc"
        for child in node.children:
            if child.enabled and "reg" in child and child.compatible:
                # A USB device with a node is soldered to the board; an mmc function may be a card's.
                exists = Answer.YES if is_usb_device(child) else Answer.UNKNOWN
                made = self.device(child, bus, site, "enumeration", exists)
                if bus == "usb":
                    self._hardware(made, child)
            elif child.enabled and child.compatible:
                self.generic(site, child)

    def generic(self, site: Site, child: Node) -> None:
        """A child that only the driver itself could make a device of."""
        best = site.best
        calls = set(best.calls) if best is not None else set()
        if calls & _POPULATES or _CELLS in calls:
            self._platform(child, site, "the driver makes devices of its child nodes", default=False)
        else:
            self._missing(child, "no driver makes a device of it", site.node)


_BUS_CHILDREN: dict[str, Callable[[Planner, Site, Node], None]] = {
    "i2c": Planner._i2c,  # noqa: SLF001
    "spi": spi_devices,
    "spmi": spmi_devices,
    "dsi": dsi_devices,
    "pci": Planner._pci,  # noqa: SLF001
    "mdio": Planner._mdio,  # noqa: SLF001
    "hardware": Planner._hardware,  # noqa: SLF001
}
