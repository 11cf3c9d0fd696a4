"""Which finding follows from which: only where something ties them, and root causes first.

That one signature may explain another is knowledge (`explains`); that it does so here needs evidence: what
ended the boot was not led to by what came after, neither names another device of the same kind (`eth0` and
`eth1`, `mmc0` and `mmcblk1`), and their facts are as `explains_only` and `explains_if` want them (an oops
ends init only where the task was init).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from attrs import evolve

from bootwright.diagnose.judging.device_roles import is_apart, keeps_no_root_away, role_in, role_of_name
from bootwright.diagnose.judging.order.about import (
    name_different_devices,
    of_different_devices,
    of_its_devices,
    share_device,
)
from bootwright.diagnose.judging.order.joining import MOST_LINES, completed, parted
from bootwright.diagnose.judging.order.kept_lines import span
from bootwright.diagnose.judging.order.raising import raised
from bootwright.diagnose.judging.order.roots import has_a_disk_to_be_on, misses_no_device
from bootwright.diagnose.judging.order.weight import weight_of
from bootwright.diagnose.judging.rules import facts_match
from bootwright.diagnose.messages.speaker import kernel_modules
from bootwright.diagnose.model import SERIOUS, Finding, Line, Severity
from bootwright.diagnose.reading import prefix
from bootwright.diagnose.signatures.model import Signature

_INTERLEAVED: Final = 8
"""Lines by which two processors that report at once may come in the wrong order."""
_SOON: Final = 60
"""Lines within which a program goes on from what it was told."""
_AGAIN: Final = 3
_FOR_LONG: Final = 30.0
"""Times, and seconds, in which something goes on. Of what ended a boot the last word counts instead."""
_OF_DISKS: Final = frozenset({"storage", "root"})
_OF_PROGRAMS: Final = frozenset({"init", "user"})
_OF_NETWORK: Final = frozenset({"network", "wireless"})
_WAITS: Final = "deferred-"
"""With what the names of signatures begin that tell of devices which wait for a supplier."""
_FOLLOWS: Final = "dependency-"
"""The same of units that are given up at once as what they need fails."""
_AT_ONCE: Final = (_FOLLOWS, "emergency-shell")
"""The same of what systemd does at once: of several causes the last one before it is the one."""
_ON_THE_WAY: Final = re.compile(
    rb"(?i)\b(?:usb|[exo]hci|dwc|pcie?|mdio|phy|rp1|switch|bus)|(?:usb|pcie?|mdio|phy|hci)\b"
)
"""Names of what network devices hang on."""
_OF_AREA: Final = {"network": "network", "storage": "storage"}
_NET_ROOT: Final = re.compile(r"(?i)\bnfs|\bnbd|iscsi|netroot|livenet")


def ordered(
    signature_findings: list[tuple[Signature, Finding]], *, disks: tuple[int, ...] = ()
) -> tuple[Finding, ...]:
    """Fold consequences under their causes; `disks` are the lines in which one with partitions came.

    A cause lends its consequences' severity: what leads to a fatal end is itself fatal.
    """
    entries, stories = parted(raised(signature_findings))
    return tuple(completed(_Folding(entries, disks).findings(), stories))


class _Folding:
    def __init__(self, signature_findings: list[tuple[Signature, Finding]], disks: tuple[int, ...]) -> None:
        self._disks = disks
        self._signatures = [signature for signature, _ in signature_findings]
        self._findings = [finding for _, finding in signature_findings]
        self._first = [finding.lines[0].number if finding.lines else 0 for finding in self._findings]
        self._children: list[list[int]] = [[] for _ in self._findings]
        self._parent: list[int | None] = [None] * len(self._findings)
        order = sorted(
            range(len(self._findings)),
            key=lambda index: (self._first[index], self._findings[index].severity.rank),
        )
        for cause in order:
            for effect in order:
                if (
                    self._may_be_parent(cause, effect)
                    and self._explains(cause, effect)
                    and not self._reported_later(cause, effect, order)
                    and not self._nearer(cause, effect, order)
                ):
                    self._adopt(cause, effect)
        for effect in order:
            if self._signatures[effect].fallback:
                cause_of_fallback = self._named_by(effect)
                if cause_of_fallback is not None:
                    self._adopt(cause_of_fallback, effect)

    def _may_be_parent(self, cause: int, effect: int) -> bool:
        return (
            effect != cause
            and self._parent[effect] is None
            and (self._findings[effect].severity in SERIOUS or bool(self._children[effect]))
            and not self._leads(effect, cause)
        )

    def _explains(self, cause: int, effect: int) -> bool:
        signature, cause_found, effect_found = (
            self._signatures[cause],
            self._findings[cause],
            self._findings[effect],
        )
        if effect_found.signature not in signature.explains or effect_found.signature == signature.name:
            return False
        if self._signatures[effect].fallback and name_different_devices(cause_found, effect_found):
            return False
        of_reports = self._signatures[effect].of_reports
        if of_reports and not signature.report and _known_facts_match(of_reports, effect_found):
            return False
        last = effect_found.lines[-1].number if effect_found.lines else self._first[cause]
        if self._signatures[effect].ends_boot and self._first[cause] > last:
            return False
        timers = signature.by_timer and self._signatures[effect].by_timer
        later = self._first[cause] > self._first[effect] + _INTERLEAVED
        if self._signatures[effect].report and later and not timers:
            return False
        if effect_found.signature.startswith(_FOLLOWS) and self._first[cause] > self._first[effect]:
            return False
        of_disks = signature.area == "storage" and effect_found.area in _OF_DISKS
        # A root is waited for while its disk fails; what a disk did later had no part in an error before.
        since = last if effect_found.area == "root" else self._first[effect]
        if of_disks and self._first[cause] > since + _INTERLEAVED:
            return False
        if signature.area == "network" and effect_found.area == "init":
            # A program that gives up for want of a network does so when it finds that out.
            last_said = cause_found.lines[-1].number if cause_found.lines else 0
            if self._first[effect] - last_said > _SOON:
                return False
        is_suspicion = (
            not {signature.severity, cause_found.severity} <= SERIOUS and signature.area not in _OF_DISKS
        )
        if is_suspicion and (
            misses_no_device(effect_found)
            or self._nothing_waits(cause, effect)
            or has_a_disk_to_be_on(cause_found, effect_found, self._disks)
        ):
            return False
        return (
            _known_facts_match(signature.explains_only.get(effect_found.signature, {}), effect_found)
            and _known_facts_match(signature.explains_if.get(effect_found.signature, {}), cause_found)
            and not of_different_devices(cause_found, effect_found)
            and not _of_another_supplier(cause_found, effect_found)
            and not _of_another_role(cause_found, effect_found)
        )

    def _reported_later(self, cause: int, effect: int, order: list[int]) -> bool:
        """Whether the cause is a report that the kernel outlived, and a later one explains its end.

        Where the later one follows from it, the end does so by way of that.
        """
        if not (self._signatures[effect].ends_boot and self._signatures[cause].report):
            return False
        return any(
            self._signatures[index].report
            and self._first[cause] < self._first[index] <= self._first[effect]
            and self._explains(index, effect)
            for index in order
            if index != effect
        )

    def _nearer(self, cause: int, effect: int, order: list[int]) -> bool:
        """Whether another cause stands between this one and what is done at once as something fails."""
        if not self._findings[effect].signature.startswith(_AT_ONCE):
            return False
        last = self._last_before(cause, effect)
        return any(
            self._last_before(index, effect) > last and self._explains(index, effect)
            for index in order
            if index not in {cause, effect}
        )

    def _last_before(self, cause: int, effect: int) -> int:
        """The last line of a finding before another; 0 where it has none.

        Before its first line, or its last where it ended the boot: what was said before that is part of it.
        """
        end = self._findings[effect].lines[-1].number if self._signatures[effect].ends_boot else 0
        numbers = (line.number for line in self._findings[cause].lines)
        return max((number for number in numbers if number < (end or self._first[effect])), default=0)

    def _nothing_waits(self, cause: int, effect: int) -> bool:
        """Whether a supplier that is missed has no part in a network that is: nothing is told to wait.

        A device that a network is reached by may lack it all the same.
        """
        waiting = {name for name in self._signatures[cause].explains if name.startswith(_WAITS)}
        if self._findings[effect].area != "network" or not waiting:
            return False
        facts = dict(self._findings[cause].facts)
        named = " ".join(facts.get(name, "") for name in ("driver", "device", "who")).encode()
        return (
            waiting.isdisjoint(signature.name for signature in self._signatures)
            and _ON_THE_WAY.search(named) is None
            and role_of_name(named) is None
        )

    def _adopt(self, cause: int, effect: int) -> None:
        self._children[cause].append(effect)
        self._parent[effect] = cause

    def _named_by(self, fallback: int) -> int | None:
        """The finding that says by known words what the fallback says by form: the last before its end.

        One that is about an excerpt as a whole has no end.
        """
        ends = any(name.startswith("@end/") for name in self._signatures[fallback].rule.triggers)
        last = self._findings[fallback].lines[-1].number if self._findings[fallback].lines else 0
        named = [
            index
            for index, signature in enumerate(self._signatures)
            if not signature.fallback
            and self._findings[index].severity in SERIOUS
            and (self._first[index] <= last or not ends)
            and self._may_be_parent(index, fallback)
            and not name_different_devices(self._findings[index], self._findings[fallback])
            and not _differ_in_role(self._findings[index], self._findings[fallback])
        ]
        # Of those that are about the same device, where there are such.
        own = [index for index in named if share_device(self._findings[index], self._findings[fallback])]
        named = own or named
        worst = min((self._findings[index].severity.rank for index in named), default=None)
        named = [index for index in named if self._findings[index].severity.rank == worst]
        return max(named, key=lambda index: self._first[index], default=None)

    def _leads(self, start: int, goal: int) -> bool:
        pending = [start]
        while pending:
            index = pending.pop()
            if index == goal:
                return True
            pending.extend(self._children[index])
        return False

    def _reach(self, index: int) -> list[int]:
        below = [index]
        for child in self._children[index]:
            below.extend(self._reach(child))
        return below

    def findings(self) -> Iterator[Finding]:
        """Root causes, worst first and what goes on before what was over, then all that follows from them.

        Where nothing serious is known, what lasts when the log ends comes first: it is the last state.
        """
        roots = [index for index in range(len(self._findings)) if self._parent[index] is None]
        severity = {
            index: min(
                (self._findings[below].severity for below in self._reach(index)), key=lambda worst: worst.rank
            )
            for index in roots
        }
        mild = [index for index in roots if severity[index] is Severity.INFO]
        weights = {index: weight_of(self._findings[index]) for index in mild} if len(mild) > 1 else {}
        # What a finding says by known words comes before what another says by form alone.
        roots.sort(
            key=lambda index: (
                severity[index].rank,
                severity[index] is Severity.INFO and not self._signatures[index].open_end,
                severity[index] is Severity.INFO and not self._signatures[index].report,
                weights.get(index, ()),
                self._signatures[index].may_be_meant and severity[index] is Severity.DEGRADING,
                self._signatures[index].fallback,
                self._signatures[index].says_no_why,
                severity[index] is Severity.DEGRADING and not self._crashed(index),
                severity[index] is Severity.DEGRADING and not self._signatures[index].lost,
                # What a program lacks is more often a device's trouble than the other way round.
                severity[index] is Severity.DEGRADING and self._findings[index].area in _OF_PROGRAMS,
                severity[index] is Severity.DEGRADING and not _goes_on(self._findings[index]),
                -len(self._reach(index)),
                self._first[index],
            )
        )
        for root in roots:
            yield self._root(root, severity[root])
        for root in roots:
            for index in self._reach(root)[1:]:
                above = self._parent[index]
                yield evolve(
                    self._findings[index],
                    caused_by=None if above is None else self._signatures[above].name,
                    explains=self._names(self._children[index]),
                )

    def _crashed(self, root: int) -> bool:
        """Whether the kernel broke off in it, which is milder only because the machine was up."""
        return any(
            self._signatures[index].report and self._signatures[index].severity is Severity.FATAL
            for index in self._reach(root)
        )

    def _root(self, root: int, severity: Severity) -> Finding:
        below = self._reach(root)[1:]
        lines = self._findings[root].lines
        for index, finding in enumerate(self._findings):
            more: tuple[Line, ...] = ()
            if index in below and finding.severity is severity:
                # What it led to belongs to the proof: the line the boot died with.
                more = finding.lines[:2]
            elif index != root and severity in SERIOUS:
                more = of_its_devices(self._findings[root], finding)[-1:]
            lines = (*lines, *(line for line in more if line not in lines))
        return evolve(
            self._findings[root], severity=severity, explains=self._names(below), lines=lines[:MOST_LINES]
        )

    def _names(self, indexes: list[int]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self._signatures[index].name for index in indexes))


def _goes_on(finding: Finding) -> bool:
    """Whether it was seen again and again over some time, as what a machine got over was not."""
    lasted = span(line.text.encode() for line in finding.lines) if finding.count >= _AGAIN else None
    return lasted is not None and lasted >= _FOR_LONG


def _known_facts_match(wanted: Mapping[str, str], finding: Finding) -> bool:
    facts = dict(finding.facts)
    return facts_match({name: value for name, value in wanted.items() if name in facts}, facts)


def _of_another_supplier(cause: Finding, effect: Finding) -> bool:
    """Whether the effect waits for a supplier by name, and the cause is a driver that failed on another."""
    supplier, driver = dict(effect.facts).get("supplier"), dict(cause.facts).get("who")
    return (
        supplier is not None
        and driver is not None
        and not any(name.strip() in driver for name in supplier.split(","))
    )


def _of_another_role(cause: Finding, effect: Finding) -> bool:
    """Whether the effect is a disk's, and the cause a module of what no disk needs or a network device.

    The latter only where nothing comes from the net. Nor is a disk to blame for what the network lacks.
    """
    facts = dict(cause.facts)
    if effect.area == "network":
        roles = [role_of_name(device.encode()) for device in facts.get("device", "").split(", ")]
        return all(role is not None and role.name == "storage" for role in roles)
    if effect.area not in _OF_DISKS:
        return False
    modules = [name for name in facts.get("module", "").replace("-", "_").split(", ") if name]
    if modules and all(keeps_no_root_away(kernel_modules().get(name, ())) for name in modules):
        return True
    devices = [name for key in ("driver", "device", "who") for name in facts.get(key, "").split(", ") if name]
    if devices and all(is_apart(name.encode()) for name in devices):
        return True
    named = " ".join(facts.get(name, "") for name in ("driver", "device", "who", "netdev")).encode()
    role = role_of_name(named)
    from_the_net = any(_NET_ROOT.search(line.text) is not None for line in effect.lines)
    return role is not None and role.name in _OF_NETWORK and not from_the_net


def _differ_in_role(cause: Finding, effect: Finding) -> bool:
    """Whether both are about devices for different things; on a bus of its own another may hang.

    What names no device of a role is about what its area is about, a network or a disk.
    """
    roles = []
    for finding in (cause, effect):
        text = prefix.split(finding.lines[0].text.encode()).text if finding.lines else b""
        role = role_in(text)
        roles.append(role.name if role is not None else _OF_AREA.get(finding.area, ""))
    if "" in roles or "usb" in roles or set(roles) <= _OF_NETWORK:
        return False
    return roles[0] != roles[1]
