"""What a device needs of its kernel: a driver that can be loaded, and what that driver looks for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from bootwright.formats.devicetree.fdt import Tree
from bootwright.predict.kernel.candidates import Candidate, Obstacle
from bootwright.predict.kernel.drivers import KernelFacts
from bootwright.predict.model import Answer, Evidence, Link
from bootwright.predict.probing.terms import There
from bootwright.predict.rules.knowledge import NO_REMEDY, Expectation, Knowledge
from bootwright.predict.rules.predicates import Surroundings, holds
from bootwright.predict.solving.demands import needed_links, settles_disabled
from bootwright.predict.solving.matching import pci_ids
from bootwright.predict.solving.node_answers import answers_of
from bootwright.predict.solving.overlaid import unread
from bootwright.predict.solving.sites import Site


def modules_loaded(kernel: KernelFacts, sites: Iterable[Site]) -> frozenset[str]:
    """Modules that udev loads for some device, with what they pull in (`depends`, `softdep`)."""
    index = kernel.modules
    if index is None:
        return frozenset()
    modules: set[str] = set()
    for site in sites:
        if site.by_hand or site.bus in {"pci", "amba", "mdio"}:
            modules.update(candidate.module for candidate in site.candidates if candidate.module is not None)
            continue
        for compatible in site.node.compatible:
            modules.update(index.by_compatible(compatible))
        if site.bus in {"i2c", "spi"} and site.node.compatible:
            modules.update(index.by_alias(f"{site.bus}:{site.node.compatible[0].rpartition(',')[2]}"))
    pending = list(modules)
    for config in (kernel.early_modprobe, kernel.root_modprobe):
        pending += [name for name in (config.loads if config is not None else ()) if name in index]
    modules.update(pending)
    while pending:
        name = pending.pop()
        for other in (*index.closure(name), *index.soft_needs(name)[1]):
            if other not in modules and other in index:
                modules.add(other)
                pending.append(other)
    return frozenset(modules)


def _certain(obstacle: Obstacle | None) -> bool:
    return obstacle is None or obstacle.certain


class OwnLinks:
    """The links of a device that do not depend on other devices."""

    def __init__(
        self, tree: Tree, kernel: KernelFacts, known: Knowledge, around: Surroundings, loaded: frozenset[str]
    ) -> None:
        self._tree = tree
        self._kernel = kernel
        self._known = known
        self._around = around
        self._loaded = loaded

    def of(self, site: Site) -> list[Link]:
        """The driver, then what it expects of the devicetree."""
        overlays = unread(site, self._kernel, self._around)
        return [self._driver(site), *self._expectations(site), *self._inherited(site), *overlays]

    def asked(self, site: Site) -> list[Link]:
        """What a device with a driver lacks of what is asked for while it is probed."""
        return needed_links(self._tree, self._kernel, site, self._usable(site)) if site.in_tree else []

    def settles_disabled(self, site: Site, kind: str) -> bool:
        """Whether the driver's code says what it does where what it refers to is disabled."""
        return site.in_tree and settles_disabled(self._tree, self._kernel, site, self._usable(site), kind)

    def _usable(self, site: Site) -> Candidate | None:
        """The driver that binds."""
        return next(
            (
                candidate
                for candidate in site.candidates
                if (candidate.module is None or candidate.module in self._loaded)
                and self._kernel.obstacle(candidate) is None
            ),
            None,
        )

    def _driver(self, site: Site) -> Link:
        node = site.node.path
        kernel = self._kernel
        reached = [
            candidate
            for candidate in site.candidates
            if candidate.module is None or candidate.module in self._loaded
        ]
        usable = [candidate for candidate in reached if kernel.obstacle(candidate) is None]
        if usable:
            best = usable[0]
            rule = f"{site.bus} match" + (f" on {best.matched}" if best.matched else "")
            where = Evidence(f"{kernel.name}: {kernel.where(best)}", rule)
            return Link(node, f"driver {best.driver}", Answer.YES, where)
        if reached:
            doubtful = (candidate for candidate in reached if not _certain(kernel.obstacle(candidate)))
            return self._obstructed(site, next(doubtful, reached[0]))
        if site.candidates:
            return self._not_loaded(site, site.candidates[0])
        withheld = kernel.withheld(site.node, site.bus)
        if withheld is not None:
            return withheld
        names = ", ".join(site.node.compatible) or "no compatible"
        if site.bus == "pci" and pci_ids(site.node) is None:
            return Link(
                node,
                "driver",
                Answer.UNKNOWN,
                Evidence(f"{self._tree.name}: {node}", "drivers/pci/pci-driver.c pci_match_device"),
                "a PCI function is matched by its vendor and device, and the devicetree does not tell them",
                remedy='give the board a file with its PCI functions ([[pci]], as "lspci -n" has them)',
            )
        if site.by_hand and kernel.modules is not None:
            return self._unnamed(site)
        if kernel.modules is None and kernel.arguments.no_modules is None:
            return Link(
                node,
                "driver",
                Answer.UNKNOWN,
                Evidence(kernel.name, "match tables in the Image"),
                f"no built-in driver matches {names}, and the kernel's modules were not given",
                remedy="give the kernel's modules (--modules)",
            )
        foreign = kernel.checks.whole_tree() if kernel.checks is not None else None
        if foreign is not None:
            return Link(
                node,
                "driver",
                Answer.NO if foreign.certain else Answer.UNKNOWN,
                Evidence(f"{kernel.name}: {foreign.file}", foreign.rule),
                f"no built-in driver matches {names}, and the modules are another kernel's "
                f"({foreign.file}): {foreign.reason}",
                remedy=foreign.remedy,
            )
        unread = self._unread(names)
        if unread is not None:
            return Link(
                node,
                "driver",
                Answer.UNKNOWN,
                Evidence(kernel.name, "match tables in the Image and in every module that can be read"),
                unread[0],
                remedy=unread[1],
                lacks=site.node.compatible,
            )
        known = self._known.arrival(site.node.compatible)
        if known is not None and known.option is not None and kernel.option(known.option) == "m":
            return Link(
                node,
                "driver",
                Answer.NO,
                Evidence(kernel.name, f"{known.option}=m, and every module of its tree"),
                f"the driver for {names} is a module ({known.option}=m), and it is not among the modules",
                remedy=f"put the module of {known.option} where the others are",
                lacks=site.node.compatible,
            )
        return Link(
            node,
            "driver",
            Answer.NO,
            Evidence(kernel.name, "match tables in the Image and in every module"),
            f"this kernel has no driver for {names}",
            remedy=self._arrival(site),
            lacks=site.node.compatible,
        )

    def _unnamed(self, site: Site) -> Link:
        """A driver known by its module's name, in a kernel with no module of that name."""
        option, kernel = site.option, self._kernel
        if option and kernel.is_off(option):
            return Link(
                site.node.path,
                "driver",
                Answer.NO,
                Evidence(f"{kernel.name}: configuration", f"{option} is not set"),
                f"the kernel is built without the driver of this device ({option} is not set)",
                remedy=f"build the kernel with {option}=m or y",
            )
        return Link(
            site.node.path,
            "driver",
            Answer.UNKNOWN,
            Evidence(f"{kernel.name}: its modules and what is built in", "the driver is known by name only"),
            "the driver of this device is known by its module's name, and no module here has that name: it "
            "may be called otherwise, or not be there",
            remedy=f"look whether {option} is set in the kernel's configuration"
            if option
            else "look for it in the kernel's configuration",
        )

    def _unread(self, names: str) -> tuple[str, str] | None:
        """(reason, remedy) where one of the modules that cannot be read may have the driver, or None."""
        index = self._kernel.modules
        broken = index.unreadable if index is not None else ()
        if not broken:
            return None
        shown = ", ".join(unreadable.path for unreadable in broken[:3]) + (", …" if len(broken) > 3 else "")
        files = "file" if len(broken) == 1 else "files"
        return (
            f"no driver for {names} is in what can be read, and {len(broken)} module {files} cannot be: "
            f"{shown} ({broken[0].reason.removeprefix(broken[0].path + ': ')})",
            f"put {shown} there again, as the kernel's package has it",
        )

    def _obstructed(self, site: Site, candidate: Candidate) -> Link:
        """Its driver is there and cannot be used: its module is refused, or an argument keeps it out."""
        obstacle = self._kernel.obstacle(candidate)
        assert obstacle is not None  # noqa: S101 - asked before
        place = f"module {candidate.module}" if candidate.module is not None else "built-in"
        where = Evidence(f"{self._kernel.name}: {place}", obstacle.rule)
        answer = Answer.NO if obstacle.certain else Answer.UNKNOWN
        return Link(site.node.path, "driver", answer, where, obstacle.reason, remedy=obstacle.remedy)

    def _not_loaded(self, site: Site, candidate: Candidate) -> Link:
        if candidate.matched.startswith("platform:"):
            return Link(
                site.node.path,
                "driver",
                Answer.UNKNOWN,
                Evidence(f"{self._kernel.name}: module {candidate.module}", "platform_uevent, drivers/base"),
                f"the driver {candidate.driver} is matched by the name of a cell, and whether anything loads "
                f"its module {candidate.module} depends on a table in the driver that makes the cell",
                remedy=f"load the module {candidate.module} by name, for example from the initramfs",
            )
        return Link(
            site.node.path,
            "driver",
            Answer.NO,
            Evidence(f"{self._kernel.name}: module {candidate.module}", "udev loads modules by modalias"),
            f"the driver {candidate.driver} is in the module {candidate.module}, which nothing loads",
            remedy=f"load {candidate.module} by name (modules-load.d)",
        )

    def _arrival(self, site: Site) -> str:
        arrival = self._known.arrival(site.node.compatible)
        return arrival.words(self._kernel.version) if arrival is not None else NO_REMEDY

    def _expectations(self, site: Site) -> list[Link]:
        links: list[Link] = []
        for known in site.known:
            if known.uncertain:
                links.append(
                    Link(
                        site.node.path,
                        f"what {known.name} expects",
                        Answer.UNKNOWN,
                        Evidence(site.node.path, known.source),
                        known.uncertain,
                    )
                )
            links.extend(_expected(site, known.name, known.expects, self._around))
        return links

    def _inherited(self, site: Site) -> Iterator[Link]:
        """What the driver asks for by a property of a node above it, where that leads nowhere."""
        for name in dict.fromkeys(name for known in site.known for name in known.inherits):
            above = site.node.parent
            while above is not None and name not in above:
                above = above.parent
            if above is not None and answers_of(self._tree, above)(f"{name}||*") is There.BROKEN:
                yield Link(
                    site.node.path,
                    f"{name} of {above.path}",
                    Answer.NO,
                    Evidence(
                        f"{self._tree.name}: {above.path}", f"the driver asks for what {name} refers to"
                    ),
                    f"{name} of {above.path} leads nowhere or has too few cells, and the driver of "
                    f"{site.node.path} gives up without it",
                    remedy=f"let {name} refer to a node of this devicetree",
                )


def serving(site: Site, around: Surroundings) -> list[Link]:
    """What a device that has bound needs to be of use."""
    return [link for known in site.known for link in _expected(site, known.name, known.serves, around)]


def _expected(
    site: Site, name: str, expectations: Iterable[Expectation], around: Surroundings
) -> Iterator[Link]:
    for expectation in expectations:
        if holds(expectation.when, around) is Answer.NO:
            continue
        answer = holds(expectation.requires, around)
        if expectation.own_node and not site.in_tree:
            answer = Answer.NO
        if any(property_name not in site.node for property_name in expectation.own_properties):
            answer = Answer.NO
        answers = answers_of(around.tree, site.node)
        if any(answers(question) in {There.MISSING, There.BROKEN} for question in expectation.asks):
            answer = Answer.NO
        yield Link(
            site.node.path,
            f"what {name} expects",
            answer,
            Evidence(around.tree.name, expectation.source),
            "" if answer is Answer.YES else expectation.reason,
            remedy=expectation.remedy,
        )
