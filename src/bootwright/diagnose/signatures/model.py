"""What a signature and a stage marker are. docs/signatures.md tells how to write one."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

from attrs import field, frozen

from bootwright.diagnose.model import Severity
from bootwright.diagnose.reading.patterns import Pattern

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
    reached: str = ""
    not_reached: str = ""
    last_word: int | None = None
    """At most so many lines follow."""
    together: tuple[str, ...] = ()
    facts: Mapping[str, str] = field(factory=dict)
    """Regular expressions that facts match in full; errno by name, such as `EINVAL|EBUSY`."""

    @property
    def triggers(self) -> tuple[str, ...]:
        """The events without which it cannot hold."""
        return tuple(dict.fromkeys((*self.seen, *self.any_of, *self.sequence, *self.at_least)))


@frozen
class Case:
    """What differs in a special case of a signature."""

    rule: Rule
    severity: Severity | None = None
    once_ready: Severity | None = None
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


@frozen(eq=False, slots=False)
class Knowledge:
    """All signatures and markers, and the patterns of both. Told by identity: read once, then shared."""

    signatures: tuple[Signature, ...]
    markers: Mapping[str, Marker]
    facts: tuple[Pattern, ...] = ()
    """Lines that say what machine and which kernel it is; nothing is judged by them."""

    @cached_property
    def patterns(self) -> tuple[Pattern, ...]:
        """Every pattern once."""
        own = [pattern for signature in self.signatures for pattern in signature.patterns]
        return (*(marker.pattern for marker in self.markers.values()), *own, *self.facts)
