"""What may fail though every device binds: rules of `data/hazards/`, and two that follow from the bytes.

Those two are a built-in driver that waits for a module of the root file system, and a module whose firmware
files are not there.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator

from bootwright.boards.model import Goal
from bootwright.foundation.verdict import Verdict
from bootwright.predict.model import Answer, Evidence, Hazard, Link
from bootwright.predict.rules.knowledge import HazardRule
from bootwright.predict.rules.predicates import find, holds, offending, undecided_driver, unsaid, what_holds
from bootwright.predict.solving.prediction import Prediction
from bootwright.predict.solving.solver import Record

_GIVE_UP = frozenset({"pinctrl", "power-domains", "msi-parent"})
"""Needs that a probe does without, or fails over, once deferred_probe_timeout has passed; a clock, a
regulator or a GPIO is waited for as long as it takes."""
_COMPRESSED = ("", ".xz", ".zst")
"""drivers/base/firmware_loader/main.c, Linux 6.12: a file may be there compressed."""


def as_link(hazard: Hazard, file: str, answer: Answer) -> Link:
    """A hazard as a link of a chain; `file` is where it is seen if it does not say so itself."""
    return Link(
        hazard.node or "/",
        f"hazard {hazard.name}",
        answer,
        Evidence(hazard.where or file, hazard.sources[0]),
        hazard.reason,
        remedy=hazard.remedy,
    )


def hazards_of(prediction: Prediction, goal: Goal, chain: tuple[Link, ...]) -> tuple[Hazard, ...]:
    """The hazards of a goal, those of rules first."""
    on_chain = {link.node for link in chain}
    hazards = []
    for rule in prediction.known.hazards:
        if "*" in rule.goals or not {goal.name, goal.kind}.isdisjoint(rule.goals):
            hazard = strike(prediction, rule, on_chain)
            if hazard is not None:
                hazards.append(hazard)
    reported_nodes = {hazard.node for hazard in hazards}
    records = [
        record
        for path in dict.fromkeys(link.node for link in chain)
        if (record := prediction.by_path.get(path)) is not None
    ]
    if not goal.boots_from:  # there a module that comes late is a broken link
        hazards += [
            late
            for record in records
            for late in _late(prediction, record)
            if late.node not in reported_nodes
        ]
    hazards += [late for record in records for late in _firmware(prediction, record)]
    return tuple(hazards)


_NO_CONFIGURATION = "the kernel's configuration is not known"


def strike(prediction: Prediction, rule: HazardRule, on_chain: set[str]) -> Hazard | None:
    """The hazard of a rule, where its condition holds or may hold."""
    answer = holds(rule.when, prediction.around)
    if answer is Answer.NO:
        return None
    node = find(rule.at, prediction.tree)
    if rule.on_chain and (node is None or node.path not in on_chain):
        return None
    reason, where = rule.reason, ""
    files = offending(rule.when.filesystem, prediction.around)
    if files is not None:
        where = files.where
        sizes = ", ".join(f"{name.replace('_', ' ')} {size}" for name, size in files.sizes.items())
        reason = f"{reason} ({where}: {sizes}; pages of {prediction.kernel.page_size})"
    stated = ", ".join(what_holds(rule.when, prediction.around))
    if stated:
        reason = f"{reason} (here: {stated})"
    remedy = rule.remedy
    title = rule.title
    lacking = next(unsaid(rule.when, prediction.kernel), None) if answer is Answer.UNKNOWN else None
    undecided = next(undecided_driver(rule.when, prediction.kernel), None)
    if answer is Answer.UNKNOWN:
        title = f"Not known whether it is so: {title}"
    if answer is Answer.UNKNOWN and lacking is None:
        what = f"the kernel has a driver for {undecided}" if undecided is not None else "this is so here"
        reason = f"{reason} (whether {what} is not known)"
        remedy = "give all of the kernel's modules (--modules)" if undecided is not None else remedy
    if lacking is not None:
        known = prediction.kernel.option("CONFIG_ARM64") is not None
        what = f"the kernel's configuration says nothing of {lacking}" if known else _NO_CONFIGURATION
        reason = f"{reason} ({what})"
        remedy = "give the kernel's whole configuration: its package has it as config-…"
    return Hazard(
        name=rule.name,
        effect=rule.effect if answer is Answer.YES else Verdict.UNKNOWN,
        title=title,
        reason=reason,
        remedy=remedy,
        sources=rule.sources,
        node=node.path if node is not None else None,
        where=where,
        decides=rule.effect is Verdict.FAILS
        and answer is Answer.UNKNOWN
        and (rule.when.stepping is None or prediction.around.stepping is not None),
    )


def _late(prediction: Prediction, record: Record) -> Iterator[Hazard]:
    """Suppliers of a built-in driver whose modules come only with the root file system."""
    best = record.site.best
    if best is None or best.module is not None:
        return
    for need, provider, _ in record.needs:
        module = provider.best.module if provider is not None and provider.best is not None else None
        if provider is None or module is None or need.kind not in _GIVE_UP:
            continue
        missing = prediction.kernel.not_early(module)
        if missing is None:
            continue
        yield Hazard(
            name="late-supplier",
            effect=Verdict.UNKNOWN,
            title="A built-in driver needs a module that only the root file system has",
            reason=f"{best.driver} is built in and asks for {need}; {module} is loaded when the root file "
            f"system is there ({missing} is not in the initramfs), and 10 s after the last driver came the "
            "kernel stops waiting: the device is probed without, or fails",
            remedy=f"put the module {missing} into the initramfs, or build it in",
            sources=("drivers/base/dd.c deferred_probe_timeout, Linux 6.12",),
            node=provider.node.path,
        )


def _firmware(prediction: Prediction, record: Record) -> Iterator[Hazard]:
    """A module that may ask for firmware of which nothing is there."""
    best, files = record.site.best, prediction.around.given.firmware
    modules = prediction.kernel.modules
    if best is None or best.module is None or files is None or modules is None:
        return
    for module in (best.module, *modules.closure(best.module, soft=False)):
        wanted = modules.firmware(module) if module in modules else ()
        if not wanted or any(_present(name, files) for name in wanted):
            continue
        shown = ", ".join(wanted[:3]) + (f" and {len(wanted) - 3} more" if len(wanted) > 3 else "")
        yield Hazard(
            name="firmware-missing",
            effect=Verdict.UNKNOWN,
            title="A driver's firmware is not among the files",
            reason=f"{module} may ask for {shown}, and /lib/firmware has none of these",
            remedy="add the firmware that the device asks for to the image; the kernel's log names it",
            sources=(f"firmware= in the .modinfo of {module}",),
            node=record.site.node.path,
        )


def _present(name: str, files: frozenset[str]) -> bool:
    if any(f"{name}{suffix}" in files for suffix in _COMPRESSED):
        return True
    return any(char in name for char in "*?[") and any(
        fnmatch.fnmatchcase(path, f"{name}{suffix}") for path in files for suffix in _COMPRESSED
    )
