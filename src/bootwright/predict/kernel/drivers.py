"""A kernel as the predictor sees it: which driver, built in or in which module, matches what."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from attrs import Attribute, define, evolve, field

from bootwright.formats.devicetree.fdt import Node
from bootwright.formats.kernel.built_in import BuiltIn, Driver, EarlyEntry
from bootwright.formats.kernel.built_in_store import read_once
from bootwright.formats.kernel.config import KernelConfig, is_off_in, read_kernel_config, said_in
from bootwright.formats.modules.modprobe_config import Directive, ModprobeConfig
from bootwright.formats.modules.module_facts import module_name
from bootwright.formats.modules.module_index import ModuleIndex
from bootwright.formats.sources.bytesource import FileBytes
from bootwright.foundation.versions import Version
from bootwright.kernels.model import Kernel
from bootwright.kernels.modules import tree_index
from bootwright.predict.kernel.candidates import Candidate, Obstacle
from bootwright.predict.kernel.module_checks import ModuleChecks
from bootwright.predict.kernel.obstacles import initcall_obstacle, module_obstacle, prevented
from bootwright.predict.model import Link
from bootwright.predict.probing.probes import Probes
from bootwright.predict.start.arguments import Arguments

_POLICY = (
    *("CONFIG_MODULE_SIG", "CONFIG_MODULE_SIG_FORCE", "CONFIG_MODULE_FORCE_LOAD"),
    *("CONFIG_LOCK_DOWN_KERNEL_FORCE_INTEGRITY", "CONFIG_LOCK_DOWN_KERNEL_FORCE_CONFIDENTIALITY"),
    "CONFIG_INTEGRITY_MACHINE_KEYRING",
)


def _forget_obstacles(kernel: KernelFacts, _: Attribute[Any], value: object) -> object:
    """What was found out with another command line or modprobe.d does not hold any more."""
    kernel._obstacles.clear()  # noqa: SLF001 - its own
    return value


@define(eq=False, slots=False, on_setattr=_forget_obstacles)
class KernelFacts:
    """Drivers and configuration of one kernel."""

    name: str
    release: str
    version: Version | None
    built_in: BuiltIn
    modules: ModuleIndex | None
    config_file: Path | None
    page_size: int = 0
    """Bytes; 0 where the kernel does not say."""
    initramfs_modules: frozenset[str] | None = None
    """Names of the modules in the initramfs; None when no initramfs was given."""
    arguments: Arguments = field(factory=Arguments)
    """The command line it is started with."""
    early_modprobe: ModprobeConfig | None = None
    """What the initramfs says to modprobe; None where none was read."""
    root_modprobe: ModprobeConfig | None = None
    """What the root file system says to modprobe; None where none was read."""
    image: Path | None = None
    image_sha256: str = ""
    tree: Path | None = None
    """The folder of its modules (`/lib/modules/RELEASE`)."""
    probes: Probes | None = None
    """The probe functions of the drivers, where they can be followed."""
    carried: Mapping[str, tuple[bytes, ...]] | None = None
    """Module (empty for the Image) → overlays in its bytes; None where those are to be read."""
    _by_compatible: dict[str, tuple[Candidate, ...]] = field(factory=dict, init=False)
    _obstacles: dict[str, Obstacle | None] = field(factory=dict, init=False)
    """By module: a kernel is asked about the same few hundred for every devicetree."""

    def by_compatible(self, compatible: str) -> tuple[Candidate, ...]:
        """Drivers with this compatible in a match table: built-in ones first, as they are there first."""
        drivers = self._by_compatible.get(compatible)
        if drivers is None:
            drivers = self._by_compatible[compatible] = tuple(self._look_up(compatible))
        return drivers

    def _look_up(self, compatible: str) -> list[Candidate]:
        candidates = [
            Candidate(driver.name, None, driver.buses, driver.calls, matched=compatible, object=driver.object)
            for driver in self._built_in_of.get(compatible, ())
        ]
        if self.modules is not None:
            named = set()
            for module, driver in self.modules.drivers(compatible):
                named.add(module)
                candidates.append(
                    Candidate(
                        driver.name, module, driver.buses, self.module_calls(module), matched=compatible
                    )
                )
            candidates.extend(
                Candidate(module, module, (), self.module_calls(module), matched=compatible)
                for module in self.modules.by_compatible(compatible)
                if module not in named
            )
            if not candidates:
                candidates.extend(
                    Candidate(module, None, (), (), matched=compatible)
                    for module in self.modules.built_in_by_compatible(compatible)
                )
        return candidates

    def by_modalias(self, modalias: str, bus: str) -> tuple[Candidate, ...]:
        """Drivers for a `pci:`, `mdio:`, `amba:`, `spi:`, … modalias, by modules' aliases."""
        if self.modules is None:
            return ()
        return (
            *(Candidate(module, None, (bus,), ()) for module in self.modules.built_in_by_alias(modalias)),
            *(
                Candidate(module, module, (bus,), self.module_calls(module))
                for module in self.modules.by_alias(modalias)
            ),
        )

    def named(self, driver: str, module: str, option: str = "") -> tuple[Candidate, ...]:
        """A driver known by the name of its module; with no module, one that its maker brings along.

        Kernels name a module differently at times, with the same words in it (`clk-scmi`, `scmi-clk`).
        """
        index = self.modules
        if not module or index is None or (option and self.option(option) == "y"):
            return (Candidate(driver, None, (), ()),)
        if module not in index and module not in index.built_in:
            words = sorted(module.split("_"))
            alike = [name for name in (*index.built_in, *index.names) if sorted(name.split("_")) == words]
            if len(alike) != 1:
                return ()
            module = alike[0]
        if module in index.built_in:
            return (Candidate(driver, None, (), ()),)
        return (Candidate(driver, module, (), self.module_calls(module)),)

    def by_pci(self, vendor: int, device: int, device_class: int = 0) -> tuple[Candidate, ...]:
        """Drivers for a PCI function."""
        any_id = 0xFFFFFFFF
        candidates = [
            Candidate(driver.name, None, ("pci",), driver.calls, object=driver.object)
            for driver in self.built_in.drivers
            if any(
                entry.vendor in {vendor, any_id}
                and entry.device in {device, any_id}
                and not (entry.device_class ^ device_class) & entry.class_mask
                for entry in driver.pci
            )
        ]
        return self._with_aliases(candidates, pci_alias(vendor, device, device_class), "pci")

    def by_amba(self, periphid: int) -> tuple[Candidate, ...]:
        """Drivers for an AMBA peripheral id."""
        candidates = [
            Candidate(driver.name, None, ("amba",), driver.calls, object=driver.object)
            for driver in self.built_in.drivers
            if any(periphid & mask == identity for identity, mask in driver.amba)
        ]
        return self._with_aliases(candidates, f"amba:d{periphid:08X}", "amba")

    def by_name(self, name: str, bus: str) -> tuple[Candidate, ...]:
        """i2c and spi drivers whose id table has this name."""
        candidates = [
            Candidate(driver.name, None, (bus,), driver.calls, object=driver.object)
            for driver in self.built_in.drivers
            if bus in driver.buses and name in driver.ids
        ]
        return self._with_aliases(candidates, f"{bus}:{name}", bus)

    def _with_aliases(self, candidates: list[Candidate], alias: str, bus: str) -> tuple[Candidate, ...]:
        """With the drivers that an alias names, but those again that an object here is known to hold."""
        known = {
            name.replace("-", "_")
            for candidate in candidates
            for name in (candidate.driver, candidate.object)
        }
        return (
            *candidates,
            *(
                candidate
                for candidate in self.by_modalias(alias, bus)
                if candidate.driver.replace("-", "_") not in known
            ),
        )

    @cached_property
    def early(self) -> dict[str, EarlyEntry]:
        """Compatible → the entry of the first early table that claims the node."""
        entries: dict[str, EarlyEntry] = {}
        for entry in self.built_in.early:
            known = entries.get(entry.compatible)
            if known is None or (known.keeps_device and not entry.keeps_device):
                entries[entry.compatible] = entry
        return entries

    def decided(self, compatible: str) -> bool:  # noqa: ARG002 - the tables hold all, or may lack any
        """Whether it is known that there is no driver, where `by_compatible` has none."""
        return self.modules is not None

    def withheld(self, node: Node, bus: str) -> Link | None:  # noqa: ARG002 - of a plain kernel, nothing is
        """Why a device has no driver though the match tables may have one; None where they say all."""
        return None

    def withheld_early(self, node: Node) -> Link | None:  # noqa: ARG002 - the same
        """Why boot code does not, or may not, set a node up though an early table names it, or None."""
        return None

    def module_calls(self, module: str) -> tuple[str, ...]:
        """What a module calls of the driver core, itself or through the modules it depends on."""
        return self.modules.calls(module) if self.modules is not None else ()

    def where(self, candidate: Candidate) -> str:
        """In words: `built-in`, `initramfs: NAME` or `module: NAME`, by when it can be loaded first."""
        if candidate.module is None:
            return "built-in"
        if self.initramfs_modules is not None and self.not_early(candidate.module) is None:
            return f"initramfs: {candidate.module}"
        return f"module: {candidate.module}"

    def not_early(self, module: str) -> str | None:
        """The module, of this one and those it needs, that is not in the initramfs; None: all are.

        A file may have another name than the module: both are looked for.

        What is built in is in no module's `depends`. Where no initramfs was given nothing is told.
        """
        if self.initramfs_modules is None:
            return None
        needed = (
            (*self.modules.closure(module, soft=False), module) if self.modules is not None else (module,)
        )
        return next((needed_module for needed_module in needed if not self._is_early(needed_module)), None)

    def soft_not_early(self, module: str) -> tuple[str, str] | None:
        """(module, what it asks for first) where a soft dependency is not in the initramfs, nor built in.

        The name may be an alias: one of the modules that have it is enough.
        """
        index = self.modules
        if self.initramfs_modules is None or index is None:
            return None
        for loaded in (*index.closure(module, soft=False), module):
            for name in index.soft_needs(loaded)[0]:
                meant, built_in = index.meant(name)
                if built_in or any(self._is_early(other) for other in meant):
                    continue
                if meant or index.knows_built_in_aliases:
                    return loaded, name
        return None

    def _is_early(self, module: str) -> bool:
        inside = self.initramfs_modules or frozenset()
        path = self.modules.path(module) if self.modules is not None else ""
        return module in inside or (bool(path) and module_name(path) in inside)

    def started(self, arguments: Arguments) -> KernelFacts:
        """The same kernel with another command line."""
        return self if arguments == self.arguments else evolve(self, arguments=arguments)

    def obstacle(self, candidate: Candidate) -> Obstacle | None:
        """Why a driver that matches is not used all the same, or None."""
        if candidate.module is not None:
            return self.module_obstacle(candidate.module)
        return initcall_obstacle(self, candidate.driver)

    def module_obstacle(self, module: str) -> Obstacle | None:
        """Why a module that is there cannot be loaded, or None."""
        if module not in self._obstacles:
            self._obstacles[module] = module_obstacle(self, module)
        return self._obstacles[module]

    def prevented(self, module: str, *, asked: bool, early: bool = False) -> Directive | None:
        """The line of modprobe.d that keeps a module from being loaded wherever it is, or None."""
        return prevented(self, module, asked=asked, early=early)

    @cached_property
    def checks(self) -> ModuleChecks | None:
        """Whether it takes the modules of its tree; None where there are none, or no image."""
        if self.image is None or self.tree is None or self.modules is None:
            return None
        config = None
        if self.config_file is not None:
            values = {name: self.option(name) or "n" for name in _POLICY}
            config = KernelConfig(
                options={name: value for name, value in values.items() if value != "n"},
                unset=frozenset(),
                origin=str(self.config_file),
            )
        return ModuleChecks(
            self.image,
            self.image_sha256,
            self.release,
            self.tree,
            self.modules,
            config=config,
            arguments=tuple(argument.text for argument in self.arguments.items),
        )

    @cached_property
    def _config_text(self) -> str | None:
        """The configuration's text, where it lies in a file as text."""
        if self.config_file is None:
            return None
        data = self.config_file.read_bytes()
        return None if b"\0" in data[:4096] else f"\n{data.decode('utf-8', 'replace')}"

    @cached_property
    def config(self) -> KernelConfig | None:
        """The configuration, read when a condition first asks for it."""
        return read_kernel_config(FileBytes(self.config_file)) if self.config_file is not None else None

    def option(self, name: str) -> str | None:
        """An option's value: `y`, `m`, a number, a string, `n` for off; None where that is not said."""
        if "config" not in self.__dict__ and self._config_text is not None:
            return said_in(self._config_text, name)
        return self.config.says(name) if self.config is not None else None

    def is_off(self, name: str) -> bool:
        """Whether the configuration says that an option is not set; an option it does not name may have
        another name in this version, or lack what it depends on."""
        if "config" not in self.__dict__ and self._config_text is not None:
            return is_off_in(self._config_text, name)
        return self.config is not None and name in self.config.unset

    @cached_property
    def _built_in_of(self) -> dict[str, list[Driver]]:
        drivers: dict[str, list[Driver]] = defaultdict(list)
        for driver in self.built_in.drivers:
            for compatible in dict.fromkeys(entry.compatible for entry in driver.of):
                drivers[compatible].append(driver)
        return drivers


def pci_alias(vendor: int, device: int, device_class: int) -> str:
    """The modalias of a PCI function (drivers/pci/pci-sysfs.c modalias_show, Linux 6.12)."""
    code = f"{device_class:06X}"
    return f"pci:v{vendor:08X}d{device:08X}sv00000000sd00000000bc{code[:2]}sc{code[2:4]}i{code[4:]}"


def kernel_facts(
    kernel: Kernel,
    *,
    initramfs_modules: frozenset[str] | None = None,
    arguments: Arguments | None = None,
    early_modprobe: ModprobeConfig | None = None,
    root_modprobe: ModprobeConfig | None = None,
) -> KernelFacts:
    """Read a kernel (Image, modules tree, configuration), with what is expensive kept in the cache.

    Raises `Malformed` where the image has no symbol table or a file is damaged, `Missing` where one is gone.
    """
    built_in = read_once(kernel.image, kernel.image_sha256)
    modules = tree_index(kernel.modules) if kernel.modules is not None else None
    return KernelFacts(
        name=kernel.name,
        release=kernel.release,
        version=kernel.version,
        built_in=built_in,
        modules=modules,
        probes=_probes(kernel, built_in, modules),
        config_file=kernel.config,
        page_size=kernel.page_size,
        initramfs_modules=initramfs_modules,
        arguments=arguments if arguments is not None else Arguments(),
        early_modprobe=early_modprobe,
        root_modprobe=root_modprobe,
        image=kernel.image,
        image_sha256=kernel.image_sha256,
        tree=kernel.modules,
    )


def driver_named(built_in: BuiltIn, name: str, compatible: str) -> Driver | None:
    """The built-in driver of a name, with a compatible where one is given."""
    return next(
        (
            driver
            for driver in built_in.drivers
            if driver.name == name
            and (not compatible or any(entry.compatible == compatible for entry in driver.of))
        ),
        None,
    )


def _probes(kernel: Kernel, built_in: BuiltIn, modules: ModuleIndex | None) -> Probes:
    return Probes(
        identity=f"{kernel.image_sha256 or kernel.image}\0{modules.identity if modules is not None else ''}",
        image=kernel.image,
        built_in=partial(driver_named, built_in),
        modules=modules,
        tree=kernel.modules,
        of_node=built_in.of_node,
    )
