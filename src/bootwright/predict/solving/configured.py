"""A kernel by a configuration that the user gives: what it leaves out is not there.

With a kernel of the same release, the configuration counts for what it says and the kernel's match tables
for the rest. Alone, it is read by the match tables of another kernel of the same series: a driver is there
when the options that build its object are set (`objects`); where those are not known, the answer is unknown.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path

from attrs import define, evolve, field, fields

from bootwright.formats.devicetree.fdt import Node
from bootwright.formats.kernel.built_in import EarlyEntry
from bootwright.formats.kernel.config import KernelConfig
from bootwright.foundation.cache import KERNELS
from bootwright.foundation.errors import BootwrightError, Missing
from bootwright.foundation.versions import Version
from bootwright.kernels.model import Kernel, Listed
from bootwright.kernels.store import Store
from bootwright.predict.kernel.candidates import Candidate
from bootwright.predict.kernel.drivers import KernelFacts, kernel_facts, pci_alias
from bootwright.predict.kernel.module_checks import ModuleChecks
from bootwright.predict.kernel.objects import Rule, objects
from bootwright.predict.model import Answer, Evidence, Link
from bootwright.predict.rules.knowledge import knowledge
from bootwright.predict.solving.matching import match
from bootwright.predict.start.arguments import Arguments


@define(eq=False, slots=False)
class ConfiguredKernel(KernelFacts):
    """A kernel's drivers, without those that a configuration leaves out."""

    tables: KernelFacts = field(kw_only=True)
    """The kernel whose match tables are read."""
    said: KernelConfig = field(kw_only=True)
    """What the user's configuration says."""
    because: str = field(default="", kw_only=True)
    """Why the tables are not the kernel's own, where there is one."""
    alone: bool = field(kw_only=True)
    """Whether the tables are another kernel's, so that a driver whose options are not known is unknown."""
    _dropped: dict[tuple[str, str | None], Rule | str] = field(factory=dict, init=False)
    """(driver, module) → the rule that leaves it out, or why that is not known."""
    _modules: dict[str, str] = field(factory=dict, init=False)
    """Driver that the tables' kernel has built in → the module that it is with this configuration."""

    @cached_property
    def checks(self) -> ModuleChecks | None:
        """See `KernelFacts`. Another kernel's module files say nothing of those of a configuration alone."""
        return None if self.alone else self.tables.checks

    @cached_property
    def early(self) -> dict[str, EarlyEntry]:
        """See `KernelFacts`; without those of objects that are not built."""
        version = self.tables.version
        if version is None:
            return self.tables.early
        return {
            compatible: entry
            for compatible, entry in self.tables.early.items()
            if self._may_set_up(compatible, version)
        }

    def _may_set_up(self, compatible: str, version: Version) -> bool:
        """Whether it does, as far as the configuration says; where it ends before that, by the tables of the
        kernel itself."""
        said = objects().sets_up(compatible, version, self.said)
        if said is not None or not self.alone:
            return said is not False
        return not any(rule.unsaid(self.said) for rule in objects().early_rules(compatible, version))

    def _look_up(self, compatible: str) -> list[Candidate]:
        index = self.tables.modules
        names = index.built_in_by_compatible(compatible) if index is not None else ()
        return self._kept(self.tables.by_compatible(compatible), names)

    def by_modalias(self, modalias: str, bus: str) -> tuple[Candidate, ...]:
        """See `KernelFacts`."""
        return tuple(self._kept(self.tables.by_modalias(modalias, bus), self._built_in(modalias)))

    def by_pci(self, vendor: int, device: int, device_class: int = 0) -> tuple[Candidate, ...]:
        """See `KernelFacts`."""
        names = self._built_in(pci_alias(vendor, device, device_class))
        return tuple(self._kept(self.tables.by_pci(vendor, device, device_class), names))

    def by_amba(self, periphid: int) -> tuple[Candidate, ...]:
        """See `KernelFacts`."""
        return tuple(self._kept(self.tables.by_amba(periphid), self._built_in(f"amba:d{periphid:08X}")))

    def by_name(self, name: str, bus: str) -> tuple[Candidate, ...]:
        """See `KernelFacts`."""
        return tuple(self._kept(self.tables.by_name(name, bus), self._built_in(f"{bus}:{name}")))

    def named(self, driver: str, module: str, option: str = "") -> tuple[Candidate, ...]:
        """See `KernelFacts`."""
        candidates = self.tables.named(driver, module, option)
        return tuple(self._kept(candidates, (module,))) if module else candidates

    def where(self, candidate: Candidate) -> str:
        """See `KernelFacts`."""
        module = self._modules.get(candidate.driver) if candidate.module is None else None
        return f"module: {module}" if module is not None else super().where(candidate)

    def decided(self, compatible: str) -> bool:
        """See `KernelFacts`."""
        if not super().decided(compatible) or not self.alone:
            return super().decided(compatible)
        candidates = self.tables.by_compatible(compatible)
        kept = self.by_compatible(compatible)
        return bool(kept) or (
            bool(candidates)
            and all(
                isinstance(self._dropped.get((candidate.driver, candidate.module)), Rule)
                for candidate in candidates
            )
        )

    def withheld(self, node: Node, bus: str) -> Link | None:
        """See `KernelFacts`."""
        names = ", ".join(node.compatible) or "no compatible"
        dropped = [
            (candidate, self._dropped[candidate.driver, candidate.module])
            for candidate in match(self.tables, node, bus)
            if (candidate.driver, candidate.module) in self._dropped
        ]
        known = [(candidate, rule) for candidate, rule in dropped if isinstance(rule, Rule)]
        if dropped and len(known) == len(dropped):
            candidate, rule = known[0]
            what = f"{candidate.module or candidate.driver} ({rule.path}), the driver for {names},"
            return self._left_out(node, rule, what, "y, or =m with the module installed")
        early = self.withheld_early(node) if not dropped else None
        if early is not None:
            return early
        if dropped:
            candidate, reason = next(
                (candidate, reason) for candidate, reason in dropped if isinstance(reason, str)
            )
            whole = f"{reason} {candidate.driver}, the driver for {names},"
            cut = reason.startswith(self._ends)
            return self._cut_short(node, whole) if cut else self._unknown(node, f"{whole} is not known")
        if not self.alone:
            return None
        arrival = knowledge().arrival(node.compatible)
        if arrival is not None and arrival.option is not None and self.option(arrival.option) == "n":
            return Link(
                node.path,
                "driver",
                Answer.NO,
                Evidence(f"{self.said.origin}: {arrival.option}", arrival.source),
                f"{arrival.option} is not set, so that there is no driver for {names}",
                remedy=f"set {arrival.option}=y, or =m with the module installed",
            )
        return self._unknown(
            node, f"{self.tables.name}, by whose drivers the configuration is read, has none for {names}"
        )

    def withheld_early(self, node: Node) -> Link | None:
        """See `KernelFacts`."""
        version = self.tables.version
        if version is None:
            return None
        left_out = (name for name in node.compatible if name in self.tables.early and name not in self.early)
        rules = [rule for name in left_out for rule in objects().early_rules(name, version)]
        if not rules:
            return None
        rule = next((rule for rule in rules if rule.state(self.said) == "?"), rules[0])
        what = f"{rule.path}, which sets {', '.join(node.compatible)} up at boot,"
        if rule.state(self.said) == "?":
            return self._cut_short(node, f"{self._ends_before(rule)}: whether {what} is built")
        return self._left_out(node, rule, what, "y")

    def _left_out(self, node: Node, rule: Rule, what: str, value: str) -> Link:
        off = rule.off(self.said)
        options = " and ".join(off)
        verb = "are" if len(off) > 1 else "is"
        return Link(
            node.path,
            "driver",
            Answer.NO,
            Evidence(f"{self.said.origin}: {options}", f"Makefile of {rule.path.rpartition('/')[0]}"),
            f"{options} {verb} not set, so that {what} is not built",
            remedy=f"set {options}={value}",
        )

    def _unknown(self, node: Node, reason: str, remedy: str = "give the kernel itself") -> Link:
        where = Evidence(self.said.origin, f"match tables of {self.tables.name}")
        return Link(node.path, "driver", Answer.UNKNOWN, where, reason, remedy=remedy)

    @property
    def _ends(self) -> str:
        return f"{Path(self.said.origin).name} is no whole configuration, and says nothing of"

    def _ends_before(self, rule: Rule) -> str:
        return f"{self._ends} {' and '.join(rule.unsaid(self.said))}"

    def _cut_short(self, node: Node, reason: str) -> Link:
        whole = "give the whole one: the .config of the build, /boot/config-… or /proc/config.gz"
        return self._unknown(node, f"{reason} is not known", whole)

    def _built_in(self, modalias: str) -> tuple[str, ...]:
        index = self.tables.modules
        return index.built_in_by_alias(modalias) if index is not None else ()

    def _kept(self, candidates: Iterable[Candidate], names: Sequence[str]) -> list[Candidate]:
        """Those that are built; `names` are of the built-in modules with what was matched."""
        kept: list[Candidate] = []
        for candidate in candidates:
            rule = self._rule(candidate, names)
            reason = self._not_told(rule)
            if rule is None or reason:
                option = self._by_hand(candidate)
                if not self.alone or option in {"y", "m"}:
                    kept.append(candidate)
                else:
                    self._dropped[candidate.driver, candidate.module] = reason
                continue
            state = rule.state(self.said)
            if state == "n":
                self._dropped[candidate.driver, candidate.module] = rule
            elif state == "y":
                kept.append(evolve(candidate, module=None))
            else:
                if candidate.module is None:
                    self._modules[candidate.driver] = rule.path.rpartition("/")[2].replace("-", "_")
                kept.append(candidate)
        return kept

    def _by_hand(self, candidate: Candidate) -> str | None:
        """The value of the option that a knowledge file names for a driver; None without one."""
        known = knowledge().of_driver(candidate.driver, (candidate.matched,) if candidate.matched else ())
        option = next((driver.option for driver in known if driver.option is not None), None)
        return self.option(option) if option is not None else None

    def _not_told(self, rule: Rule | None) -> str:
        """Why the rule does not say whether the driver is built, up to the driver's name; empty: it does."""
        if rule is None:
            return "which option builds"
        if rule.state(self.said) == "?":
            return f"{self._ends_before(rule)}: whether it builds"
        if not self.alone or rule.state(self.said) == "n":
            return ""
        other = self.tables.config
        if other is None:
            return f"of {self.tables.name} there is no configuration, so that which parts make"
        lost = rule.lost_parts(self.said, other)
        if not lost:
            return ""
        verb = "are" if len(lost) > 1 else "is"
        return (
            f"{' and '.join(lost)} {verb} not set, unlike in {self.tables.name}, and decides about parts of "
            f"{rule.path}: whether what is left has"
        )

    def _rule(self, candidate: Candidate, names: Sequence[str]) -> Rule | None:
        index, version = self.tables.modules, self.tables.version
        if index is None or version is None:
            return None
        if candidate.module is not None:
            return objects().rule(candidate.module, version, index.path(candidate.module) or None)
        own = objects().rule(candidate.object, version) if candidate.object else None
        if own is not None:
            return own
        rules = {objects().rule(name, version) for name in names}
        return rules.pop() if len(rules) == 1 else None


def configured(
    tables: KernelFacts, path: Path, config: KernelConfig, *, alone: bool, because: str = ""
) -> ConfiguredKernel:
    """A kernel's drivers as the configuration leaves them.

    With `alone` the tables are another kernel's: name, version and page size are then the configuration's.
    """
    known = {
        attribute.name: getattr(tables, attribute.name) for attribute in fields(KernelFacts) if attribute.init
    }
    known["config_file"] = path
    if alone:
        known |= {
            "name": path.name,
            "release": config.value("CONFIG_BUILD_SALT") or _release(config),
            "version": Version.parse(config.version or ""),
            "page_size": config.page_size or 0,
        }
    return ConfiguredKernel(**known, tables=tables, said=config, alone=alone, because=because)


def _release(config: KernelConfig) -> str:
    """What `uname -r` would say, as far as the configuration does; empty where it has no version."""
    return f"{config.version}{config.value('CONFIG_LOCALVERSION') or ''}" if config.version else ""


def alike(config: KernelConfig, path: Path) -> Kernel:
    """The kernel on this machine, with its modules, by whose drivers a configuration alone can be read.

    The newest of the same series; of those, one with the same page size. Raises `Missing` where there is
    none, or the configuration does not say of which Linux it is.
    """
    version = Version.parse(config.version or "")
    if version is None:
        raise Missing(
            f"{path} does not say of which Linux it is",
            hint="its head should: Linux/arm64 6.18.15 Kernel Configuration",
        )
    store = Store(KERNELS.folder())
    kernels: list[Kernel] = []
    for name in store.names():
        manifest = store.manifest(name)
        if manifest is not None and manifest.modules:
            with contextlib.suppress(BootwrightError):
                kernel = store.kernel(manifest)
                if kernel.version.series() == version.series():
                    kernels.append(kernel)
    if not kernels:
        series = version.series()
        raise Missing(
            f"no kernel of Linux {series} with its modules is on this machine, by whose drivers {path.name} "
            "could be read",
            hint=_how_had(series, config.page_size),
        )
    return max(kernels, key=lambda kernel: (kernel.page_size == config.page_size, kernel.version))


def _how_had(series: str, page_size: int | None) -> str:
    """How a kernel of a series comes to this machine, by the lists of kernels that are here."""
    listed: list[Listed] = []
    with contextlib.suppress(BootwrightError, ImportError):  # the page has no network
        from bootwright.kernels.catalogue import open_library

        listed = open_library(offline=True).listed()
    if not listed:
        return (
            "bootwright kernels list has the kernels that can be had: fetch one of that series with --modules"
        )
    of_series = [kernel for kernel in listed if kernel.version.series() == series and kernel.whole_size]
    if not of_series:
        return "give the kernel itself: bootwright kernels list has none of that series with modules"
    kernel = next((kernel for kernel in of_series if kernel.page_size == page_size), of_series[0])
    return f"bootwright kernels fetch --modules {kernel.name}"


def facts_of_config(
    path: Path,
    config: KernelConfig,
    *,
    because: str = "",
    initramfs_modules: frozenset[str] | None = None,
    arguments: Arguments | None = None,
) -> ConfiguredKernel:
    """The drivers that a configuration alone says; raises `Missing` as `alike`.

    `because` says why the kernel's own tables do not count, where there is a kernel; the rest is as in
    `kernel_facts`.
    """
    tables = kernel_facts(alike(config, path), initramfs_modules=initramfs_modules, arguments=arguments)
    return configured(tables, path, config, alone=True, because=because)
