"""Which devices bind: every device's links, and a fixed point over who waits for whom.

All devices start as bound as their own links allow, and answers only ever fall. Devices that wait for each
other in a circle and for nothing else therefore stay bound, which is what fw_devlink's relaxing of cycles
gives (`__fw_devlink_relax_cycles`, drivers/base/core.c, Linux 6.12).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from attrs import define, evolve, field

from bootwright.formats.devicetree.fdt import Node, Tree
from bootwright.formats.modules.module_facts import ASKS
from bootwright.predict.kernel.drivers import KernelFacts
from bootwright.predict.model import Answer, Evidence, Link, fold
from bootwright.predict.rules.knowledge import Knowledge
from bootwright.predict.rules.predicates import Surroundings, holds
from bootwright.predict.solving.boot_code import Lacking, lacking
from bootwright.predict.solving.demands import waits_for_parent
from bootwright.predict.solving.own_links import OwnLinks, modules_loaded
from bootwright.predict.solving.sites import Plan, Site
from bootwright.predict.solving.suppliers import Need, suppliers

# What a consumer's probe gets when the supplier has no driver at all. fw_devlink drops such links after
# deferred_probe_timeout (fw_devlink_drivers_done); then the subsystem decides, and these do without:
_DISPENSABLE = frozenset(
    {"msi-parent", "interrupt-parent", "wakeup-parent", "leds", "access-controllers", "remote-endpoint"}
)
# What a driver asks for by itself, and gets -EPROBE_DEFER for as long as the provider is not there.
_FATAL_WHEN_DISABLED = frozenset({"clocks", "power-domains", "regulators", "phys", "pinctrl"})
# Of these, what a driver may leave to another one or ask for later, where its code does not tell.
_PERHAPS_UNASKED = frozenset({"clocks", "phys"})
# A child node's own references that its parent's driver follows while probing (gpio-leds, …).
_OF_CHILDREN = frozenset({"gpios", "pwms", "sound-dai", "interrupts"})

_DEFERS = "drivers/base/core.c device_links_check_suppliers"


@define(eq=False)
class Record:
    """A device with its links."""

    site: Site
    fixed: list[Link] = field(factory=list)
    """Links whose answer does not depend on other devices."""
    needs: list[tuple[Need, Site | None, Link | None]] = field(factory=list)
    """Supplier, the device that provides it, or the link where that is settled already."""
    asked: list[Link] = field(factory=list)
    """Links for what the driver core and the driver ask for once no supplier is waited for any more."""
    answer: Answer = Answer.YES


class Solver:
    """Solves one plan."""

    def __init__(self, plan: Plan, kernel: KernelFacts, known: Knowledge, around: Surroundings) -> None:
        self._plan = plan
        self._tree: Tree = plan.tree
        self._around = around
        self._kernel = kernel
        self._records: dict[int, Record] = {}
        self._lacking: dict[int, Lacking | None] = {}
        """What boot code misses of a supplier, by `id(node)`."""
        loaded = modules_loaded(kernel, plan.sites.values())
        self._own = OwnLinks(plan.tree, kernel, known, around, loaded)

    def solve(self) -> dict[int, Record]:
        """Every device's record, by `id(node)`, with its final answer."""
        sites = [*self._plan.sites.values()]
        for site in sites:
            self._records[id(site.node)] = self._record(site)
        if self._kernel.probes is not None:
            self._kernel.probes.save()
        self._settle()
        return self._records

    def waits(self, record: Record) -> Iterator[Site]:
        """The devices a device waits for: its maker, and the suppliers it cannot do without."""
        if record.site.creator is not None:
            yield record.site.creator
        for need, provider, _ in record.needs:
            if provider is not None and not self._given_up(need, provider):
                supplier = self._records[id(provider.node)]
                if (
                    supplier.answer is Answer.YES
                    or self._through(record.site, supplier, need) is not Answer.YES
                ):
                    yield provider

    def misses(self, record: Record) -> Iterator[Site]:
        """Suppliers without any driver that the kernel gives up on: the driver is started without them, and
        what it asks for before them it misses first."""
        for need, provider, _ in record.needs:
            if need.vital and provider is not None and self._given_up(need, provider):
                yield provider

    @staticmethod
    def _given_up(need: Need, provider: Site) -> bool:
        return need.kind in _DISPENSABLE and not provider.candidates

    def links(self, record: Record) -> list[Link]:
        """A record's links as they are after solving, in the order the kernel meets them."""
        links = [self._creation(record.site)]
        # A device waits for suppliers before its driver is asked, but a driver must be there first.
        links.extend(record.fixed)
        # fw_devlink holds a device back first; only then does its driver ask for what is missing or disabled.
        for need, provider, settled in record.needs:
            if settled is None:
                links.append(self._supplied(record.site, need, provider))
        links.extend(record.asked)
        links.extend(settled for _, _, settled in record.needs if settled is not None)
        return links

    def _record(self, site: Site) -> Record:
        record = Record(site)
        stopped = self._plan.standstill
        if stopped is not None:
            where = Evidence(f"{self._tree.name}: {stopped.node.path}", stopped.rule)
            link = Link(stopped.node.path, stopped.what, stopped.answer, where, stopped.reason)
            record.fixed.append(evolve(link, remedy=stopped.remedy))
        record.fixed.extend(self._own.of(site))
        if fold(record.fixed) is Answer.YES:
            record.asked.extend(self._own.asked(site))
        for need in self._needs(site):
            provider, settled = self._provider(site, need)
            record.needs.append((need, provider, settled))
        return record

    def _needs(self, site: Site) -> list[Need]:
        node = site.node
        needs = list(suppliers(self._tree, node)) if site.in_tree else []
        for known in site.known:
            for name in known.inherits:
                needs.extend(self._inherited(node, name))
        above = node.parent
        if above is not None and site.in_tree and waits_for_parent(self._tree, self._kernel, site):
            needs.append(Need("parent", 0, above, vital=True))
        for child in node.children:
            if id(child) in self._plan.sites or not child.enabled:
                continue
            if child.name.partition("@")[0].startswith("mdio"):
                # The reset line of an MDIO bus: mdiobus_register() fails without it, and so the MAC.
                own = (need for need in suppliers(self._tree, child) if need.kind != "interrupts")
                needs.extend(evolve(need, vital=need.kind == "gpios") for need in own)
            elif not child.compatible and "gpio-hog" not in child:
                needs.extend(need for need in suppliers(self._tree, child) if need.kind in _OF_CHILDREN)
        return needs

    def _inherited(self, node: Node, name: str) -> Iterator[Need]:
        above = node.parent
        while above is not None and name not in above:
            above = above.parent
        if above is not None:
            for need in suppliers(self._tree, above):
                if need.reference == name:
                    yield evolve(need, vital=True)

    def _creation(self, site: Site) -> Link:
        node = site.node.path
        if site.creator is None:
            return Link(node, "device", site.exists, Evidence(node, site.rule))
        creator = self._records[id(site.creator.node)]
        answer = min(creator.answer, site.exists)
        reason = ""
        if creator.answer is not Answer.YES:
            reason = f"{site.creator.node.path}, whose driver makes this device, is not bound"
            if creator.answer is Answer.UNKNOWN:
                reason = f"whether {site.creator.node.path}, whose driver makes this device, binds is unknown"
        elif site.exists is not Answer.YES:
            reason = "whether the hardware is there cannot be read from files"
        return Link(
            node, "device", answer, Evidence(node, site.rule), reason, waits_for=site.creator.node.path
        )

    def _provider(self, site: Site, need: Need) -> tuple[Site | None, Link | None]:
        """The device that provides for a need, or the settled link."""
        supplier = need.supplier
        here = site.node
        if id(supplier) in self._plan.early and self._plan.of(supplier) is None:
            return None, self._set_up_at_boot(site, need)
        above = supplier.parent
        if need.kind == "pinctrl" and not supplier.enabled and above is not None and above.available:
            # Of a group of pins nobody looks at the status, only of the pin controller above it:
            # drivers/pinctrl/devicetree.c dt_to_map_one_config, Linux 6.12 to 7.3.
            supplier = above
        if not supplier.available:
            # of_link_to_phandle makes no link; the driver's own request decides, as its code says.
            if self._own.settles_disabled(site, need.kind):
                return None, self._link(site, need, Answer.YES, "the driver's own request for it")
            if need.vital or (need.kind in _FATAL_WHEN_DISABLED and self._asks_in_probe(site, need)):
                answer = Answer.UNKNOWN if need.kind in _PERHAPS_UNASKED else Answer.NO
                return None, self._link(
                    site, need, answer, "of_device_is_available", f"{supplier.path} is disabled"
                )
            return None, self._link(site, need, Answer.YES, "of_link_to_phandle skips disabled suppliers")
        provider: Node | None = supplier
        while provider is not None and self._plan.of(provider) is None:
            if id(provider) in self._plan.early:
                return None, self._link(site, need, Answer.YES, "set up at boot")
            provider = provider.parent
        if provider is None:
            if need.kind in _DISPENSABLE or need.kind == "interrupts":
                return None, self._link(site, need, Answer.YES, "not a device")
            early = self._kernel.withheld_early(supplier)
            if early is not None:
                own = self._link(site, need, early.answer, early.because.rule, early.reason)
                return None, evolve(own, because=early.because, remedy=early.remedy)
            return None, self._link(
                site,
                need,
                Answer.NO,
                _DEFERS,
                f"{supplier.path} never becomes a device, nor does a node above it",
            )
        if (provider is here or self._above(provider, here)) and need.reference != "parent":
            return None, self._link(site, need, Answer.YES, "its own parent (fwnode_is_ancestor_of)")
        provider_site = self._plan.of(provider)
        assert provider_site is not None  # noqa: S101 - the loop above ended on one
        missing = self._provides(provider_site, need)
        if missing is not None:
            return None, missing_link(site, need, missing)
        return provider_site, None

    def _set_up_at_boot(self, site: Site, need: Need) -> Link:
        """A supplier that is set up before there are devices, once: where that fails, it is waited for
        without end."""
        supplier = need.supplier
        if id(supplier) not in self._lacking:
            self._lacking[id(supplier)] = lacking(self._tree, self._kernel, supplier)
        lacks = self._lacking[id(supplier)] if need.kind not in _DISPENSABLE else None
        if lacks is None:
            rule = f"set up at boot by the {self._plan.early[id(supplier)]} code"
            return self._link(site, need, Answer.YES, rule)
        what = f"{lacks.what} of {supplier.path} is missing or leads nowhere"
        return evolve(
            self._link(site, need, Answer.NO, _DEFERS, f"{what}, and {lacks.function} gives up without it"),
            because=Evidence(
                f"{self._tree.name}: {supplier.path}", f"every way through {lacks.function} gives up"
            ),
            remedy=f"give {supplier.path} what the binding says about {lacks.what.partition(' ')[0]}",
        )

    def _asks_in_probe(self, site: Site, need: Need) -> bool:
        """A part of a composed device (component_add) asks for what it needs when all parts are there."""
        best = site.best
        return not self._is_parent_clock(site, need) and not (
            best is not None
            and need.kind not in {"power-domains", "pinctrl"}  # the driver core's, before any probe
            and "component_add" in best.calls
        )

    @staticmethod
    def _is_parent_clock(site: Site, need: Need) -> bool:
        """A clock controller's inputs: it registers without, and finds them by name when they come."""
        return need.kind == "clocks" and "#clock-cells" in site.node

    def _provides(self, provider: Site, need: Need) -> tuple[str, str, str] | None:
        """Why a supplier that binds provides nothing: (reason, remedy, source), or None."""
        for known in provider.known:
            for provide in known.provides:
                if (
                    provide.property == need.kind
                    and holds(provide.when, self._around) is Answer.YES
                    and holds(provide.requires, self._around) is Answer.NO
                ):
                    return provide.reason, provide.remedy, provide.source
        return None

    @staticmethod
    def _above(node: Node, below: Node) -> bool:
        current = below.parent
        while current is not None:
            if current is node:
                return True
            current = current.parent
        return False

    def _link(self, site: Site, need: Need, answer: Answer, rule: str, reason: str = "") -> Link:
        return Link(
            site.node.path,
            f"supplier: {need}",
            answer,
            Evidence(self._where(site, need), rule),
            reason,
            waits_for=None if answer is Answer.YES else need.supplier.path,
        )

    def _where(self, site: Site, need: Need) -> str:
        return f"{self._tree.name}: {site.node.path}/{need.reference}"

    def _supplied(self, site: Site, need: Need, provider: Site | None) -> Link:
        assert provider is not None  # noqa: S101 - settled otherwise
        record = self._records[id(provider.node)]
        answer = self._through(site, record, need)
        reason = ""
        if answer is Answer.NO:
            reason = f"{provider.node.path} is not bound"
        elif answer is Answer.UNKNOWN:
            reason = f"whether {provider.node.path} binds is unknown"
        return Link(
            site.node.path,
            f"supplier: {need}",
            answer,
            Evidence(self._where(site, need), _DEFERS),
            reason,
            waits_for=provider.node.path,
        )

    def _through(self, consumer: Site, provider: Record, need: Need) -> Answer:
        if not provider.site.candidates and not need.vital and self._does_without(consumer, provider, need):
            return Answer.YES
        if provider.site.bus == "cpu":
            return Answer.YES
        if id(provider.site.node) in self._plan.early:
            return Answer.YES
        return provider.answer

    def _does_without(self, consumer: Site, provider: Record, need: Need) -> bool:
        """Whether a consumer gets on once fw_devlink has given up on a supplier that has no driver.

        It gives up on devices (`fw_devlink_drivers_done`), not on nodes that never become one.
        """
        if need.kind in _DISPENSABLE or self._is_parent_clock(consumer, need):
            return True
        if provider.site.node is not need.supplier:
            return False
        for known in consumer.known:
            for spare in known.spares:
                if spare.property == need.kind and not any(
                    consumer.node.string(name) in values for name, values in spare.unless.items()
                ):
                    return True
        asks = ASKS.get(need.kind)
        best = consumer.best
        return (
            asks is not None
            and consumer.bus == "platform"
            # What a built-in driver calls is not all seen.
            and best is not None
            and best.module is not None
            and not any(call in best.calls for call in asks)
        )

    def _settle(self) -> None:
        """Lower answers until nothing changes."""
        dependents: dict[int, list[Record]] = defaultdict(list)
        waiting: list[Record] = []
        for record in self._records.values():
            record.answer = min(
                record.site.exists,
                fold(record.fixed),
                fold(record.asked),
                fold(settled for _, _, settled in record.needs if settled is not None),
            )
            waiting.append(record)
            if record.site.creator is not None:
                dependents[id(record.site.creator.node)].append(record)
            for _, provider, _ in record.needs:
                if provider is not None:
                    dependents[id(provider.node)].append(record)
        while waiting:
            record = waiting.pop()
            if record.answer is Answer.YES:
                continue
            for consumer in dependents.get(id(record.site.node), ()):
                answer = self._now(consumer)
                if answer < consumer.answer:
                    consumer.answer = answer
                    waiting.append(consumer)

    def _now(self, record: Record) -> Answer:
        answer = record.answer
        if record.site.creator is not None:
            answer = min(answer, self._records[id(record.site.creator.node)].answer)
        for need, provider, _ in record.needs:
            if provider is not None:
                answer = min(answer, self._through(record.site, self._records[id(provider.node)], need))
        return answer


def missing_link(site: Site, need: Need, missing: tuple[str, str, str]) -> Link:
    """The link of a supplier that binds and provides nothing."""
    reason, remedy, source = missing
    return Link(
        site.node.path,
        f"supplier: {need}",
        Answer.NO,
        Evidence(need.supplier.path, source),
        reason,
        waits_for=need.supplier.path,
        remedy=remedy,
    )
