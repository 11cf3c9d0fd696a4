"""What a signature and a stage marker are. docs/signatures.md tells how to write one."""

from __future__ import annotations

from collections.abc import Mapping, Set
from functools import cached_property
from typing import Final

from attrs import evolve, field, frozen

from bootwright.diagnose.model import Severity
from bootwright.diagnose.reading.patterns import Pattern, Record

ROLES = ("root", "kernel-module", "extra")
"""What a device or module may carry, for `Rule.carries`."""

PERMANENT: Final = "permanent"
TRANSIENT: Final = "transient"
ERROR_KINDS = (PERMANENT, TRANSIENT)
"""Whether an error passes by itself, for `Rule.error`."""

END_KINDS = (
    "prompt", "waits", "stopped", "handover", "shell", "benign", "grave", "last-resort", "trailer", "typed",
    "ended",
)  # fmt: skip
"""`prompt`: it asks for a command. `waits`: a countdown, a menu, a login. `stopped`: it says that it goes
no further. `handover`: what it says last before another takes over. `shell`: the shell that a failed
boot ends in. `benign`: a line with the form of an error that is none. `grave`: a form that is one in any
words. `last-resort`: what it tries when every other source gave nothing. `trailer`: what comes after its
last word, such as its stack. `typed`: somebody looks around at its prompt. `ended`: somebody who watched
ended the machine from outside."""

TROUBLED = "@device/troubled"
COMPLAINED = "@device/complained"
BESIDE = frozenset({TROUBLED, COMPLAINED})
"""What drivers complain of (`closer.troubles`) is told beside what is judged, which stays as it is."""
PSEUDO_EVENTS = (
    "@restart",
    "@loop",
    "@surpassed",
    "@device/failing",
    "@device/unanswered",
    TROUBLED,
    COMPLAINED,
    "@log/errors",
    "@log/untold",
    "@log/about",
    "@log/quoted",
    "@window/about",
    "@window/errors",
    "@window/stack",
    "@link/flapping",
    "@link/up",
    "@link/slower",
    "@need/kernel",
    "@need/root",
    "@programs/speak",
    "@report/unknown",
    "@end/failed",
    "@end/error",
    "@end/stopped",
    "@end/prompt",
    "@end/repeats",
    "@end/shell",
    "@end/silent",
    "@end/quiet",
    "@end/dump",
    "@end/gave-up",
)
"""What no single line says: a boot that another follows, a device that fails, how the log ends."""

AREAS = (
    "firmware",
    "boot-loader",
    "kernel",
    "devices",
    "network",
    "storage",
    "root",
    "init",
    "talos",
    "user",
    "power",
)


@frozen
class Rule:
    """When a signature holds: states and sequences over events of one boot.

    Events are joined on the captures named in `together`; an event that does not capture one of them
    counts for every group.
    """

    seen: tuple[str, ...] = ()
    """All of these."""
    any_of: tuple[str, ...] = ()
    """At least one of these."""
    sequence: tuple[str, ...] = ()
    """These, each first seen no earlier than the one before."""
    at_least: Mapping[str, int] = field(factory=dict)
    also: tuple[str, ...] = ()
    """Not needed, but one of these within 120 lines adds its facts and its line to the proof."""
    without: tuple[str, ...] = ()
    without_later: tuple[str, ...] = ()
    """None of these after the last of the events above."""
    without_earlier: tuple[str, ...] = ()
    """None of these before the first of them."""
    stages: tuple[str, ...] = ()
    """The events count only while the boot is in one of these stages."""
    excerpt: bool = False
    """The log does not go on from the start of a boot: it has none, or what came between was left out."""
    reached: str = ""
    not_reached: str = ""
    last_word: int | None = None
    """At most so many lines follow."""
    lasts: float | None = None
    """So many seconds pass to the end of the log."""
    late: float | None = None
    """The kernel's clock stood there at least when it was last seen."""
    together: tuple[str, ...] = ()
    different: int = 1
    """So many groups at least must hold: different units, different devices."""
    grave: bool = False
    """Only messages of the kernel's level warning or worse count, as far as the log or a format tells."""
    carries: str = ""
    """`root`: the device in the facts is the one that holds the root file system. `kernel-module`: the module
    in them is one of the kernel's own, so that the others of its folder are foreign too. `extra`: the driver
    in them is of what a machine does its work without."""
    error: str = ""
    """`permanent`: only errors that do not pass by themselves; `transient`: only those that do."""
    latest: bool = False
    """Of each group only the last event counts: the state it is in."""
    last_facts: bool = False
    """Of a fact given several times the last counts: what is waited for now, not what was first."""
    facts: Mapping[str, str] = field(factory=dict)
    """Regular expressions that facts match in full; errno by name, such as `EINVAL|EBUSY`."""

    @property
    def triggers(self) -> tuple[str, ...]:
        """The events without which it cannot hold."""
        return tuple(dict.fromkeys((*self.seen, *self.any_of, *self.sequence, *self.at_least)))

    @property
    def is_any_line(self) -> bool:
        """Whether one line that is one of its events is all there is to it."""
        return bool(self.any_of) and evolve(self, any_of=(), also=()) == Rule()


@frozen
class Case:
    """What differs in a special case of a signature."""

    rule: Rule
    severity: Severity | None = None
    once_ready: Severity | None = None
    after_ready: Severity | None = None
    cause: str = ""
    remedy: str = ""
    breaks: str = ""


@frozen
class Signature:
    """A cause that can be read off a log."""

    name: str
    title: str
    area: str
    severity: Severity
    once_ready: Severity | None
    """Severity where the boot reached `ready` afterwards all the same; None for no change."""
    after_ready: Severity | None = field(default=None, kw_only=True)
    """Severity where the boot was done when it happened; None for no change."""
    cause: str
    breaks: str
    remedy: str
    limits: str
    sources: tuple[str, ...]
    explains: tuple[str, ...]
    explains_only: Mapping[str, Mapping[str, str]]
    """Of those, the ones it explains only where their facts, if known, match in full."""
    kernel_arguments: str
    patterns: tuple[Pattern, ...]
    rule: Rule
    cases: tuple[Case, ...]
    needs: tuple[str, ...] = ()
    """Components of which one must have shown itself."""
    provoked_by: tuple[str, ...] = field(default=(), kw_only=True)
    """Events of what provokes it on purpose (a suite of tests): what comes later is worth knowing."""
    ends_boot: bool = False
    """Nothing of the boot comes after it: what is seen later did not lead to it."""
    report: bool = False
    """It is a report of the kernel, with a stack, a task and a place around its head."""
    by_timer: bool = False
    """It is noticed when a time is up: what was noticed before it may follow from it all the same."""
    crash: bool = False
    """It is a crash of firmware or a loader; what they complained of just before belongs to it."""
    stuck: bool = False
    """What it tells of may print on for ever: that lines come after it does not show that the system runs."""
    open_end: bool = False
    """The log ends while it lasts: where it is not serious, nothing tells how the boot goes on."""
    fallback: bool = False
    """It says by form what no other finding says by known words: folded under one that does."""
    may_be_meant: bool = False
    """What it tells of may be as its owner wants it (no cable, a server that is off): it stands behind what
    cannot."""
    lost: bool = False
    """A device of the machine is gone until it is switched off and on: told before what fails to come."""
    unless_told: bool = False
    """It counts only where no other finding shows one of its lines."""
    unless_told_by: tuple[str, ...] = ()
    """Signatures that say the same of some, or more: it does not tell again of the lines that theirs show."""
    may_be_empty: bool = False
    """It says the same of an empty slot: worth knowing, whatever it was cut out of."""
    unless_harmless: bool = False
    """It counts only where no other finding calls one of its lines harmless."""
    unless_serious: bool = False
    """It counts only where nothing else is serious, or made serious by one that raises."""
    raises: bool = False
    """It is never told itself: it makes serious what another finding says of its lines as worth knowing."""
    apart: bool = False
    """Where it fails nothing it is told of each device by itself."""
    joins: bool = False
    """It tells all that a driver says of a device: another finding about that device takes it in."""
    says_no_why: bool = False
    """It tells that the boot ended and nothing of why: another boot of the file may know more."""
    unit_in: str = ""
    """The fact that names a unit of systemd that failed: what its program said before is told too."""
    explains_if: Mapping[str, Mapping[str, str]] = field(factory=dict)
    """Of those, the ones it explains only where its own facts, if known, match in full."""
    of_reports: Mapping[str, str] = field(factory=dict)
    """Facts with which it follows from a report of the kernel, and from nothing else."""


@frozen
class Marker:
    """A line that shows how far a boot got."""

    name: str
    stage: str
    label: str
    component: str
    begins: bool
    """It is the first thing its component prints: seen again, another boot has begun."""
    pattern: Pattern
    shell: bool = False
    """A shell's: where the initramfs has the machine, it is the one that a failed boot ends in."""
    stays: bool = False
    """It is started by a loader and stays beside what comes next: after a hand-over it is no new boot."""
    unnamed: bool = False
    """It names nobody: it counts only where no other has shown itself before."""
    hands_over: bool = False
    """With it a boot loader starts the kernel: what comes next is the kernel's, or another boot's."""
    unless: tuple[str, ...] = ()
    """Events that make of a line another one: it is no milestone where it is one of them."""

    def counts(self, component: str, shown: Set[str], record: Record) -> bool:
        """Whether a line is a milestone, where `component` has the machine and `shown` were seen."""
        if self.shell and component == "initramfs":
            return False
        if self.unnamed and shown - {self.component}:
            return False
        return not (self.unless and any(pattern.name in self.unless for pattern, _ in record.matches))


@frozen
class End:
    """A form in which the last lines of a component show how it ended, looked for at the end of a log."""

    component: str
    kind: str
    """One of `END_KINDS`."""
    expression: str


@frozen
class Component:
    """Who may have the machine: firmware, a boot loader, the kernel, a system."""

    name: str
    title: str
    unknown_before: str = ""
    """A log of it that neither failed nor reached this stage is unknown: nothing tells how it went on."""
    unread: bool = False
    """Of a system that is not read: unknown unless it came up and tells of no error since."""


@frozen(eq=False, slots=False)
class Knowledge:
    """All signatures and markers, and the patterns of both. Told by identity: read once, then shared."""

    signatures: tuple[Signature, ...]
    markers: Mapping[str, Marker]
    facts: tuple[Pattern, ...] = ()
    """Lines that say what machine and which kernel it is; nothing is judged by them."""
    components: Mapping[str, Component] = field(factory=dict)
    ends: tuple[End, ...] = ()

    @cached_property
    def patterns(self) -> tuple[Pattern, ...]:
        """Every pattern once."""
        own = [pattern for signature in self.signatures for pattern in signature.patterns]
        return (*(marker.pattern for marker in self.markers.values()), *own, *self.facts)
