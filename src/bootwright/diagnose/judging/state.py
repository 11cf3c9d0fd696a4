"""What one boot has shown so far, in bounded memory: how often, first, last and in which stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from attrs import define, field

from bootwright.diagnose.judging.order.kept_lines import KeptLines, Occurrence
from bootwright.diagnose.model import RANKS, STAGES, StageReached
from bootwright.diagnose.reading import prefix
from bootwright.diagnose.reading.patterns import Facts, Record
from bootwright.diagnose.reading.voice import KERNEL, LOADER, OWN_CLOCK, PROGRAM, SECURE, UNKNOWN, XEN
from bootwright.diagnose.signatures.model import BESIDE, Marker
from bootwright.diagnose.signatures.sentences import filled

_MOST_GROUPS = 128
"""Different captures kept for one event; further ones are counted without their captures."""
_MOST_RECORDS = 4096
_MOST_STAGES = 80
_FIRST_KEPT = 3
_COUNTED = 100
"""Counts and distances to the end that rules ask for are smaller."""
_CUT_OFF = 190
_TAIL = 60
"""Characters from which on a fact may have been cut off; those of its line that then tell it from another."""
_KERNEL = RANKS["kernel"]
_WENT_ON = 10.0
"""Seconds of services after a crash that show that the system survived it."""
_SETTLED = 30.0
"""Seconds of silence after which a boot is over, where only the kernel speaks."""
_SURELY_UP = 300.0
"""Seconds on the kernel's clock: systemd's own limits for one job are 90 s (DefaultTimeoutStartSec), and
what hangs in the kernel is told after 120 s (hung_task_timeout_secs)."""
PROGRAMS_SPEAK: Final = "@programs/speak"
PROGRAMS_ACT: Final = "@kernel/programs-act"
"""The event that programs were heard, in whatever words (`closer.programs`)."""


@define
class Tally:
    """All occurrences of one event with the same captures."""

    facts: dict[str, str]
    first: list[Occurrence]
    last: Occurrence
    count: int
    stages: set[int]
    """The stages (as in `BootState.current`) the boot was in when it was seen."""
    chosen: bool = False
    """Its places were chosen as proof: all of them count as such."""

    def again(self, occurrence: Occurrence, current: int) -> None:
        """Seen once more."""
        self.count += 1
        if occurrence.line >= self.last.line:
            self.last = occurrence
        self.stages.add(current)
        if len(self.first) < _FIRST_KEPT:
            self.first.append(occurrence)


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
    stage_lines: dict[str, tuple[int, int]] = field(factory=dict)
    """Stage → first and last line of a marker of it."""
    live: bool = False
    """More of it is still to come."""
    watched: bool = False
    """The console was watched until nothing more came: the log was not cut off."""
    in_system_log: bool = False
    """Programs log under their names and with dates: a system wrote it."""
    logged: bool = False
    """Programs speak under their names: a system runs, whatever is seen of its boot."""
    component: str = ""
    """Whose milestone was the last: it has the machine."""
    milestone: int = 0
    """The line of that milestone."""
    begun: int = 0
    """The line of the last banner: what went wrong before it was got past."""
    shown: set[str] = field(factory=set)
    """Components that have shown themselves."""
    elided: int = 0
    """The last line that stands for others, which somebody left out; known where the text was kept."""
    handed_over: bool = False
    """The last thing a boot loader said is that it starts the kernel."""
    last_seconds: float | None = None
    """On the kernel's clock, of the last line that has a time; known when the log has ended."""
    last_wall: float | None = None
    """The same in seconds of wall-clock time."""
    kernel_lines: tuple[int, ...] = ()
    """Of the last lines of the log those that the kernel says; known when it has ended."""
    stray_lines: tuple[int, ...] = ()
    """Of the last lines those of another console, after the start of the first program; known likewise."""
    kept: KeptLines | None = None
    """Its lines; None where they were not kept, or nobody has looked at them."""
    cut: str = ""
    """Why the log does not say how the boot went on; empty where it does."""
    _stamped_from_outside: bool = False
    """What looks like the kernel's time stamp is a terminal program's: a boot loader's lines carry it too."""
    _seen_markers: set[tuple[str, str]] = field(factory=set)
    _before_shell: int | None = None
    """The furthest rank before a shell that seems to be a running system's; it may be an initramfs's own."""
    _wall_start: float | None = None
    _of_record: dict[Record, tuple[tuple[Tally, Marker | None], ...]] = field(factory=dict)
    """What a message counts for, once it was seen, and the milestones in it."""

    @property
    def stage(self) -> str:
        """The furthest stage, or `unknown`."""
        return STAGES[self.rank] if self.rank >= 0 else "unknown"

    def see(self, line: int, raw: bytes, record: Record, markers: Mapping[str, Marker]) -> None:
        """Count what a line says."""
        occurrence = Occurrence(line, raw)
        if record.voice in OWN_CLOCK:
            self.shown.add(record.voice)
        self.logged |= record.voice == PROGRAM
        tallies = self._of_record.get(record)
        if tallies is not None:
            for tally, marker in tallies:
                if marker is not None:
                    self._pass(marker, line, record)
                tally.again(occurrence, self.current)
            return
        counted = []
        for pattern, facts in record.matches:
            if pattern.speakers and not self._may_say(record.voice, pattern.speakers):
                continue
            marker = markers.get(pattern.name)
            if marker is not None and not marker.counts(self.component, self.shown, record):
                continue
            if marker is not None:
                self._pass(marker, line, record)
                self._note(marker, line, raw, facts)
            elif record.kernel:
                self.kernel_runs()
            counted.append((self._count(pattern.name, facts, occurrence), marker))
        if len(self._of_record) >= _MOST_RECORDS:
            self._of_record.clear()
        self._of_record[record] = tuple(counted)

    def _count(self, name: str, facts: Facts, occurrence: Occurrence) -> Tally:
        groups = self.tallies.get(name)
        if groups is None:
            groups = self.tallies[name] = {}
        tally = groups.get(facts)
        if tally is None and len(groups) >= _MOST_GROUPS:
            facts = ()
            tally = groups.get(facts)
        if tally is None:
            tally = groups[facts] = Tally(dict(facts), [occurrence], occurrence, 1, {self.current})
        else:
            tally.again(occurrence, self.current)
        return tally

    def _may_say(self, voice: str, speakers: frozenset[str]) -> bool:
        """Whether a line can come from one of those speakers, by its own words and by who has the machine."""
        if voice == KERNEL and self._stamped_from_outside and self.rank < _KERNEL:
            voice = UNKNOWN
        if voice in OWN_CLOCK:
            voice = LOADER
        elif voice == XEN:
            voice = SECURE
        if voice != UNKNOWN:
            return voice in speakers
        if self.rank >= _KERNEL:
            return bool(speakers & {KERNEL, PROGRAM, SECURE})
        if self.rank < 0 or self.handed_over:
            return True
        return bool(speakers & {LOADER, SECURE})

    def _pass(self, marker: Marker, line: int, record: Record) -> None:
        """It is in the marker's stage now, and its component has the machine."""
        rank = self.current = RANKS[marker.stage]
        before = (self.rank, self.handed_over, self._stamped_from_outside, self.component)
        if self._before_shell is not None and marker.component == "initramfs":
            self.rank = self._before_shell
            self.stage_lines.pop("ready", None)
            self.stages[:] = [stage for stage in self.stages if stage.name != "ready"]
        self._before_shell = self.rank if marker.shell and rank > self.rank else None
        self.rank = max(self.rank, rank)
        self.component, self.milestone = marker.component, line
        if marker.begins:
            self.begun = line
        self.shown.add(marker.component)
        self.handed_over = marker.hands_over
        if rank < _KERNEL and record.voice == KERNEL:
            self._stamped_from_outside = True
        if before != (self.rank, self.handed_over, self._stamped_from_outside, self.component):
            # What a message counts for depends on who has the machine.
            self._of_record.clear()
        first, last = self.stage_lines.get(marker.stage, (line, line))
        self.stage_lines[marker.stage] = (first, max(last, line))

    def _note(self, marker: Marker, line: int, raw: bytes, captured: Facts) -> None:
        """A milestone, the first time."""
        label = filled(marker.label, dict(captured))
        if (marker.name, label) in self._seen_markers or len(self.stages) >= _MOST_STAGES:
            return
        self._seen_markers.add((marker.name, label))
        self.stages.append(StageReached(marker.stage, label, line, self._time(raw)))

    def kernel_runs(self) -> None:
        """A line with the kernel's time stamp: it runs, even where its first lines are missing."""
        if self.rank < _KERNEL and not self._stamped_from_outside:
            self.rank = self.current = _KERNEL
            self.component = "kernel"
            self.shown.add("kernel")
            self._of_record.clear()

    def end(self, event: str, proof: Sequence[Occurrence], facts: Facts) -> None:
        """How the log ends, as `ending` judges it; what was said of that before no longer counts."""
        for name in [name for name in self.tallies if name.startswith("@end/")]:
            del self.tallies[name]
        if event and proof:
            # Silence may be the end of the log alone.
            for name in (event,) if event == "@end/silent" else (event, "@end/failed"):
                tally = Tally(dict(facts), list(proof), proof[-1], len(proof), {self.current})
                self.tallies[name] = {facts: tally}

    def count_all(
        self, event: str, facts: Facts, occurrences: Sequence[Occurrence], count: int, *, chosen: bool = False
    ) -> None:
        """Count what no single line says, with its proof; `chosen`: with all of it."""
        tally = Tally(dict(facts), list(occurrences), occurrences[-1], count, {self.current}, chosen)
        self.tallies.setdefault(event, {})[facts] = tally

    def surpass(self, *, beaten: bool) -> None:
        """Whether a later boot of the file got further than this one, which ended unannounced."""
        places = [tally.last for tally in self.tallies.get("@restart", {}).values()]
        if beaten and places:
            self.tallies["@surpassed"] = {(): Tally({}, places[:1], places[0], 1, {self.current})}
        else:
            self.tallies.pop("@surpassed", None)

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
            self.ran_before,
            tuple(
                (
                    name,
                    facts,
                    min(tally.count, _COUNTED),
                    order[tally.first[0].line],
                    order[tally.last.line],
                    min(self.last_line - tally.last.line, _COUNTED),
                    *tally.stages,
                    *(tally.first[0].raw[-_TAIL:] for _, value in facts if len(value) >= _CUT_OFF),
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

    def acted_after(self, line: int) -> bool:
        """Whether the kernel tells after `line` of what it did for programs of a system alone."""
        return any(tally.last.line > line for tally in self.tallies.get(PROGRAMS_ACT, {}).values())

    def was_up(self, line: int, seconds: float | None = None) -> bool:
        """Whether the boot was done before `line`: it was ready, or services had had minutes to start.

        What stands in one line with a prompt comes after it. An excerpt that nothing of a boot stands in
        before `line` (nothing since lines were left out) is of a system that runs where programs log under
        their names, or minutes after the kernel's start. `seconds` are those of the line, where nothing was
        seen in it.
        """
        seconds = seconds or self._seconds_of(line) or 0.0
        first, _ = self.stage_lines.get("ready", (line + 1, line))
        if first <= line:
            return True
        since = self.elided if self.elided < line else 0
        if not any(since <= first < line for first, _ in self.stage_lines.values()):
            return self.logged or seconds >= _SURELY_UP
        # Where only the kernel speaks (kern.log) nothing tells of services.
        programs = "services" if self.rank >= RANKS["services"] else "init"
        started, _ = self.stage_lines.get(programs, (line, line))
        if started >= line and not self._in_system_log(line):
            return False
        return max(seconds, self._wall_since(started, line)) >= _SURELY_UP

    def _wall_since(self, first: int, line: int) -> float:
        """Seconds of wall-clock time between two lines; 0 where they have none."""
        begun, then = self._wall_of(first), self._wall_of(line)
        return then - begun if begun is not None and then is not None else 0.0

    def _in_system_log(self, line: int) -> bool:
        """Whether a logger wrote the kernel's name before that line: so one ran."""
        raw = self._seen_in(line)
        message = prefix.split(raw) if raw is not None else None
        return message is not None and message.wall is not None and message.stamped_by == "log"

    def had_settled(self, line: int) -> bool:
        """Whether programs had started before `line`, and the kernel then had nothing to say for long.

        Where only the kernel speaks (dmesg) this tells the end of a boot.
        """
        programs = [first for stage, (first, _) in self.stage_lines.items() if RANKS[stage] >= RANKS["init"]]
        if not programs or min(programs) >= line or self.kept is None:
            return False
        return self.kept.longest_pause(min(programs), line) >= _SETTLED

    @property
    def ran_before(self) -> bool:
        """Whether the log is an excerpt of a system that ran: no boot, and programs log or minutes passed."""
        if self.stage_lines:
            return False
        if self.in_system_log:
            return True
        judged = [groups for name, groups in self.tallies.items() if name not in BESIDE]
        places = (tally.first[0] for groups in judged for tally in groups.values())
        times = [seconds for place in places if (seconds := prefix.split(place.raw).seconds) is not None]
        return bool(times) and min(times) >= _SURELY_UP

    def went_on(self, line: int) -> bool:
        """Whether services, or programs that were only heard, went on for long after `line`."""
        seconds, last = self._seconds_of(line), self._last_clock()
        if self.rank < RANKS["services"] and PROGRAMS_SPEAK not in self.tallies:
            # Where only the kernel speaks, it tells of what it did for programs.
            acts = (tally.last.raw for tally in self.tallies.get(PROGRAMS_ACT, {}).values())
            last = max((prefix.split(raw).seconds or 0.0 for raw in acts), default=None)
            return seconds is not None and last is not None and last - seconds >= _WENT_ON
        if seconds is None or last is None:
            # A system log has wall-clock times; without any it is the services that start after it that tell.
            wall = self._wall_of(line)
            long_after = wall is not None and self.last_wall is not None and self.last_wall - wall >= _WENT_ON
            return long_after or self.later_than(line, "services")
        return last - seconds >= _WENT_ON

    def _last_clock(self) -> float | None:
        """The kernel's clock at the end, as far as lines that something was seen in tell."""
        if self.last_seconds is not None:
            return self.last_seconds
        last = max(
            (tally.last for groups in self.tallies.values() for tally in groups.values()),
            key=lambda place: place.line,
            default=None,
        )
        return prefix.split(last.raw).seconds if last is not None else None

    def _seconds_of(self, line: int) -> float | None:
        """The kernel's clock at a line that something was seen in."""
        raw = self._seen_in(line)
        return prefix.split(raw).seconds if raw is not None else None

    def _wall_of(self, line: int) -> float | None:
        """The wall-clock time of a line that something was seen in."""
        raw = self._seen_in(line)
        return prefix.split(raw).wall if raw is not None else None

    def _seen_in(self, line: int) -> bytes | None:
        """The line of that number, if something was seen in it."""
        for groups in self.tallies.values():
            for tally in groups.values():
                for place in (*tally.first, tally.last):
                    if place.line == line:
                        return place.raw
        return None

    def _time(self, raw: bytes) -> float | None:
        message = prefix.split(raw)
        seconds, wall = message.seconds, message.wall
        if seconds is not None or wall is None:
            return seconds
        if self._wall_start is None:
            self._wall_start = wall
        return round(wall - self._wall_start, 6)
