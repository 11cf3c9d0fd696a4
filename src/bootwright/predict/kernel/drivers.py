"""A kernel as the predictor sees it: which driver, built in or in which module, matches what."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections import defaultdict
from functools import cached_property
from pathlib import Path
from typing import Any

from attrs import define, field, frozen

from bootwright.formats.kernel.arm64_image import unwrapped
from bootwright.formats.kernel.builtin_drivers import BuiltIn, Driver, EarlyEntry, read_built_in
from bootwright.formats.kernel.config import KernelConfig, read_kernel_config
from bootwright.formats.kernel.match_tables import OfId, PciId
from bootwright.formats.kernel.module_index import ModuleIndex, is_indexed, read_module_tree
from bootwright.formats.sources.bytesource import FileBytes
from bootwright.foundation.atomic import write_bytes
from bootwright.foundation.places import cache_dir
from bootwright.foundation.versions import Version
from bootwright.kernels.model import Kernel

_FORMAT = 7


@frozen
class Candidate:
    """A driver that matches a device."""

    driver: str
    module: str | None
    """None when it is built in."""
    buses: tuple[str, ...]
    """Empty where they could not be told: any."""
    calls: tuple[str, ...]
    """What it, or a module it depends on, calls of the driver core (`module_file.CALLS`)."""
    rank: int = 0
    """Position of the compatible that matched; 0 is the most specific."""
    matched: str = ""


@define(eq=False, slots=False)
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
    blocked: frozenset[str] = frozenset()
    """Modules that the kernel refuses to load (module_blacklist=)."""
    shunned: frozenset[str] = frozenset()
    """Modules that modprobe does not load for a device (modprobe.blacklist=), only for another module."""
    _by_compatible: dict[str, tuple[Candidate, ...]] = field(factory=dict, init=False)

    def by_compatible(self, compatible: str) -> tuple[Candidate, ...]:
        """Drivers with this compatible in a match table: built-in ones first, as they are there first."""
        found = self._by_compatible.get(compatible)
        if found is None:
            found = self._by_compatible[compatible] = tuple(self._look_up(compatible))
        return found

    def _look_up(self, compatible: str) -> list[Candidate]:
        found = [
            Candidate(driver.name, None, driver.buses, driver.calls, matched=compatible)
            for driver in self._built_in_of.get(compatible, ())
        ]
        if self.modules is not None:
            named = set()
            for module, driver in self.modules.drivers(compatible):
                named.add(module)
                found.append(
                    Candidate(
                        driver.name, module, driver.buses, self.module_calls(module), matched=compatible
                    )
                )
            found.extend(
                Candidate(module, module, (), self.module_calls(module), matched=compatible)
                for module in self.modules.by_compatible(compatible)
                if module not in named
            )
            if not found:
                found.extend(
                    Candidate(module, None, (), (), matched=compatible)
                    for module in self.modules.built_in_by_compatible(compatible)
                )
        return found

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

    def named(self, driver: str, module: str) -> tuple[Candidate, ...]:
        """A driver known by the name of its module; with no module, one that its maker brings along."""
        index = self.modules
        if not module or index is None or module in index.built_in:
            return (Candidate(driver, None, (), ()),)
        return (Candidate(driver, module, (), self.module_calls(module)),) if module in index else ()

    def by_pci(self, vendor: int, device: int, device_class: int = 0) -> tuple[Candidate, ...]:
        """Drivers for a PCI function."""
        any_id = 0xFFFFFFFF
        found = [
            Candidate(driver.name, None, ("pci",), driver.calls)
            for driver in self.built_in.drivers
            if any(
                entry.vendor in {vendor, any_id}
                and entry.device in {device, any_id}
                and not (entry.device_class ^ device_class) & entry.class_mask
                for entry in driver.pci
            )
        ]
        code = f"{device_class:06X}"
        alias = f"pci:v{vendor:08X}d{device:08X}sv00000000sd00000000bc{code[:2]}sc{code[2:4]}i{code[4:]}"
        names = {candidate.driver for candidate in found}
        found += [one for one in self.by_modalias(alias, "pci") if one.driver not in names]
        return tuple(found)

    def by_amba(self, periphid: int) -> tuple[Candidate, ...]:
        """Drivers for an AMBA peripheral id."""
        found = [
            Candidate(driver.name, None, ("amba",), driver.calls)
            for driver in self.built_in.drivers
            if any(periphid & mask == identity for identity, mask in driver.amba)
        ]
        return (*found, *self.by_modalias(f"amba:d{periphid:08X}", "amba"))

    def by_name(self, name: str, bus: str) -> tuple[Candidate, ...]:
        """i2c and spi drivers whose id table has this name."""
        found = [
            Candidate(driver.name, None, (bus,), driver.calls)
            for driver in self.built_in.drivers
            if bus in driver.buses and name in driver.ids
        ]
        return (*found, *self.by_modalias(f"{bus}:{name}", bus))

    @cached_property
    def early(self) -> dict[str, EarlyEntry]:
        """Compatible → the entry of the first early table that claims the node."""
        found: dict[str, EarlyEntry] = {}
        for entry in self.built_in.early:
            known = found.get(entry.compatible)
            if known is None or (known.keeps_device and not entry.keeps_device):
                found[entry.compatible] = entry
        return found

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

        What is built in is in no module's `depends`. Where no initramfs was given nothing is told.
        """
        if self.initramfs_modules is None:
            return None
        needed = (
            (*self.modules.closure(module, soft=False), module) if self.modules is not None else (module,)
        )
        return next((one for one in needed if one not in self.initramfs_modules), None)

    def obstacle(self, module: str | None) -> tuple[str, str, str] | None:
        """Why a module that is there cannot be loaded: (reason, remedy, rule), or None."""
        if module is None or self.modules is None:
            return None
        for one in (module, *self.modules.closure(module, soft=False)):
            if one in self.blocked or (one == module and one in self.shunned):
                return (
                    f"the kernel's arguments forbid the module {one}",
                    f"take {one} out of module_blacklist= or modprobe.blacklist=",
                    "kernel/module/main.c blacklisted; kmod's modprobe.blacklist",
                )
            if one not in self.modules:
                return (
                    f"the module {module} cannot be loaded without {one}, which is not among the modules",
                    f"put the module {one} beside {module}",
                    "the module's depends: modprobe loads those first",
                )
        return None

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
        """A configuration option's value: `y`, `m`, a number, a string, `n` for off; None if unknown."""
        if "config" not in self.__dict__ and self._config_text is not None:
            # A line of the file: a check asks for a few of 10,000 options.
            at = self._config_text.find(f"\n{name}=")
            if at < 0:
                return "n"
            line = self._config_text[at + 1 :].partition("\n")[0]
            return line.partition("=")[2].strip().strip('"') or "n"
        if self.config is None:
            return None
        return self.config.value(name) or "n"

    @cached_property
    def _built_in_of(self) -> dict[str, list[Driver]]:
        found: dict[str, list[Driver]] = defaultdict(list)
        for driver in self.built_in.drivers:
            for compatible in dict.fromkeys(entry.compatible for entry in driver.of):
                found[compatible].append(driver)
        return found


def kernel_facts(
    kernel: Kernel, *, initramfs_modules: frozenset[str] | None = None, arguments: str | None = None
) -> KernelFacts:
    """Read a kernel (Image, modules tree, configuration), with what is expensive kept in the cache.

    Raises `Malformed` where the image has no symbol table or a file is damaged, `Missing` where one is gone.
    """
    return KernelFacts(
        name=kernel.name,
        release=kernel.release,
        version=kernel.version,
        built_in=_built_in(kernel.image, kernel.image_sha256),
        modules=_modules(kernel.modules) if kernel.modules is not None else None,
        config_file=kernel.config,
        page_size=kernel.page_size,
        initramfs_modules=initramfs_modules,
        blocked=_listed(arguments, "module_blacklist"),
        shunned=_listed(arguments, "modprobe.blacklist"),
    )


def is_read(kernel: Kernel) -> bool:
    """Whether all that `kernel_facts` reads is in the cache already."""
    store = cache_dir() / "drivers" / f"{kernel.image_sha256}.json"
    with contextlib.suppress(OSError), store.open("rb") as file:
        return file.read(24).startswith(b'{"format":%d,' % _FORMAT) and (
            kernel.modules is None or is_indexed(str(kernel.modules))
        )
    return False


def _listed(arguments: str | None, name: str) -> frozenset[str]:
    """Module names in arguments `name=a,b`."""
    found: set[str] = set()
    for word in (arguments or "").split():
        key, equals, value = word.partition("=")
        if equals and key == name:
            found.update(one.replace("-", "_") for one in value.split(",") if one)
    return frozenset(found)


def _modules(tree: Path) -> ModuleIndex:
    """Trees of the library lie in folders named by their content, and never change."""
    library = cache_dir() / "kernels" / "trees"
    return read_module_tree(tree, content=str(tree) if tree.is_relative_to(library) else None)


def _built_in(image: Path, sha256: str) -> BuiltIn:
    key = sha256 or hashlib.sha256(image.read_bytes()).hexdigest()
    store = cache_dir() / "drivers" / f"{key}.json"
    try:
        document = json.loads(store.read_bytes())
        if document["format"] == _FORMAT:
            return _from_json(document)
    except (OSError, ValueError, KeyError, TypeError):
        pass  # not there yet, or damaged: made again
    source = unwrapped(FileBytes(image))[0]
    found = read_built_in(source.read(0, len(source)), str(image))
    write_bytes(store, json.dumps(_to_json(found), separators=(",", ":")).encode())
    return found


def _to_json(found: BuiltIn) -> dict[str, Any]:
    return {
        "format": _FORMAT,
        "early": [[entry.kind, entry.compatible, entry.keeps_device] for entry in found.early],
        "drivers": [
            {
                "name": driver.name,
                "buses": driver.buses,
                "symbol": driver.symbol,
                "of": [entry.compatible for entry in driver.of],
                "ids": driver.ids,
                "pci": [[one.vendor, one.device, one.device_class, one.class_mask] for one in driver.pci],
                "amba": driver.amba,
                "calls": driver.calls,
            }
            for driver in found.drivers
        ],
    }


def _from_json(document: dict[str, Any]) -> BuiltIn:
    return BuiltIn(
        drivers=tuple(
            Driver(
                name=one["name"],
                buses=tuple(one["buses"]),
                symbol=one["symbol"],
                of=tuple(OfId(compatible) for compatible in one["of"]),
                ids=tuple(one["ids"]),
                pci=tuple(PciId(*entry) for entry in one["pci"]),
                amba=tuple((entry[0], entry[1]) for entry in one["amba"]),
                calls=tuple(one["calls"]),
            )
            for one in document["drivers"]
        ),
        early=tuple(EarlyEntry(*entry) for entry in document["early"]),
    )
