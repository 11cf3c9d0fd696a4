"""What one boot has shown so far, in bounded memory: how often, first, last and in which stage."""

from __future__ import annotations

from typing import NamedTuple

from attrs import define, field

from bootwright.diagnose.model import STAGES, StageReached
from bootwright.diagnose.scanner import Hit
from bootwright.diagnose.signatures import Marker

_MOST_GROUPS = 128
"""Different captures kept for one event; further ones are counted without their captures."""
_MOST_STAGES = 80
_FIRST_KEPT = 3
_COUNTED = 100
"""Counts and distances to the end that rules ask for are smaller."""
_KERNEL = STAGES.index("kernel")


class Occurrence(NamedTuple):
    """Where an event was seen."""

    line: int
    raw: bytes
    seconds: float | None
    wall: float | None


@define
class Tally:
    """All occurrences of one event with the same captures."""

    facts: dict[str, str]
    first: list[Occurrence]
    last: Occurrence
    count: int
    stages: set[int]
    """The stages (as in `BootState.current`) the boot was in when it was seen."""


@define
class BootState:
    """One boot while it is being read."""

    first_line: int
    rank: int = -1
    """Index into `STAGES` of the furthest stage, -1 before any."""
    current: int = -1
    last_line: int = 0
    tallies: dict[str, dict[tuple[tuple[str, str], ...], Tally]] = field(factory=dict)
    stages: list[StageReached] = field(factory=list)
    begun: dict[str, int] = field(factory=dict)
    """Component and part → line where it began."""
    stage_lines: dict[str, tuple[int, int]] = field(factory=dict)
    """Stage → first and last line of a marker of it."""
    seen_markers: set[tuple[str, str]] = field(factory=set)
    wall_start: float | None = None
    live: bool = False
    """More of it is still to come."""

    @property
    def stage(self) -> str:
        """The furthest stage, or `unknown`."""
        return STAGES[self.rank] if self.rank >= 0 else "unknown"

    def add(self, hit: Hit) -> None:
        """Count an event."""
        groups = self.tallies.get(hit.pattern.name)
        if groups is None:
            groups = self.tallies[hit.pattern.name] = {}
        key = hit.facts
        seen = groups.get(key)
        here = Occurrence(hit.line, hit.raw, hit.seconds, hit.wall)
        if seen is None and len(groups) >= _MOST_GROUPS:
            key = ()
            seen = groups.get(key)
        if seen is None:
            groups[key] = Tally(dict(key), [here], here, 1, {self.current})
            return
        seen.count += 1
        if hit.line >= seen.last.line:
            seen.last = here
        seen.stages.add(self.current)
        if len(seen.first) < _FIRST_KEPT:
            seen.first.append(here)

    def reach(self, marker: Marker, hit: Hit) -> None:
        """Note a milestone."""
        rank = STAGES.index(marker.stage)
        self.rank = max(self.rank, rank)
        self.current = rank
        first, last = self.stage_lines.get(marker.stage, (hit.line, hit.line))
        self.stage_lines[marker.stage] = (first, max(last, hit.line))
        facts = dict(hit.facts)
        label = filled(marker.label, facts)
        if (marker.name, label) in self.seen_markers or len(self.stages) >= _MOST_STAGES:
            return
        self.seen_markers.add((marker.name, label))
        self.stages.append(StageReached(marker.stage, label, hit.line, self._time(hit)))

    def kernel_runs(self) -> None:
        """A line with the kernel's time stamp: it runs, even where its first lines are missing."""
        if self.rank < _KERNEL:
            self.rank = self.current = _KERNEL

    def shape(self) -> tuple[object, ...]:
        """What rules look at, without line numbers: boots of one shape have the same outcome.

        Soak tests restart thousands of times; most of their boots have a shape seen before.
        """
        places = {
            line
            for groups in self.tallies.values()
            for tally in groups.values()
            for line in (tally.first[0].line, tally.last.line)
        }
        order = {line: rank for rank, line in enumerate(sorted(places))}
        return (
            self.rank,
            tuple(
                (
                    name,
                    facts,
                    min(tally.count, _COUNTED),
                    order[tally.first[0].line],
                    order[tally.last.line],
                    min(self.last_line - tally.last.line, _COUNTED),
                    *tally.stages,
                )
                for name, groups in self.tallies.items()
                for facts, tally in groups.items()
            ),
        )

    def later_than(self, line: int, stage: str) -> bool:
        """Whether a marker of `stage` or a later one was seen after `line`."""
        wanted = STAGES.index(stage)
        return any(
            STAGES.index(name) >= wanted and last > line for name, (_, last) in self.stage_lines.items()
        )

    def _time(self, hit: Hit) -> float | None:
        if hit.seconds is not None:
            return hit.seconds
        if hit.wall is None:
            return None
        if self.wall_start is None:
            self.wall_start = hit.wall
        return round(hit.wall - self.wall_start, 6)


def filled(template: str, facts: dict[str, str]) -> str:
    """Put facts into a sentence.

    `{name}` gives `?` and `{name|otherwise}` the rest where there is no such fact; `{ on <name>}` gives
    the whole phrase, or nothing.
    """
    out = []
    rest = template
    while True:
        before, brace, after = rest.partition("{")
        out.append(before)
        if not brace:
            return "".join(out)
        name, _, rest = after.partition("}")
        if "<" in name:
            start, _, inner = name.partition("<")
            name, _, end = inner.partition(">")
            out.append(f"{start}{facts[name]}{end}" if facts.get(name) else "")
            continue
        name, bar, otherwise = name.partition("|")
        out.append(facts.get(name) or (otherwise if bar else "?"))
