"""A boot while it is being read: the lines that say something, counted only when they are needed.

Its borders are found from milestones alone. Boots that say the same at the same distances have
the same outcome, so that of a board that restarts ten thousand times few boots are looked at closely.
"""

from __future__ import annotations

from collections.abc import Mapping

from attrs import define, field, frozen

from bootwright.diagnose.judging.state import BootState
from bootwright.diagnose.model import RANKS, STAGES
from bootwright.diagnose.reading.patterns import Facts, Pattern, Record
from bootwright.diagnose.signatures.model import Marker


def _sign(event: str, facts: Facts = ()) -> Record:
    """What is known of a boot and stands in none of its lines."""
    return Record(((Pattern(event, "", frozenset()), facts),), False, (), False)


RESTART = _sign("@restart")
"""Another boot begins where this one did not say that it would end."""
LOOPING = _sign("@loop")

_MOST_LINES = 2048
_MOST_BYTES = 1 << 18
"""Of the lines kept uncounted; a boot that has more is counted as it comes."""
_SAME_START = 40
"""Lines within which `Booting Linux` and `Linux version` are the start of one kernel."""
_KERNEL = STAGES.index("kernel")

Key = tuple[tuple[Record, ...], tuple[int, ...], int]


def restart_after(last_words: str) -> Record:
    """`RESTART` after what the kernel said last."""
    return _sign("@restart", (("last", last_words),))


@frozen
class Reach:
    """How far a few lines get by themselves."""

    rank: int
    """Index into `STAGES`, -1 for nowhere."""
    handed_over: frozenset[str]
    """Components that handed over."""


@define
class Pending:
    """One boot."""

    first_line: int
    last_line: int = 0
    rank: int = -1
    """Index into `STAGES` of the furthest stage up to the last line that may begin a boot."""
    handed_over: frozenset[str] = frozenset()
    """Components that handed over to the next."""
    restarted: bool = False
    _begun_after_handover: bool = False
    """A loader, after another handed over: what it hands over to is a boot of its own."""
    _begun: dict[str, int] = field(factory=dict)
    """Component and part → line where it began."""
    _lines: list[int] = field(factory=list)
    _raws: list[bytes] = field(factory=list)
    _records: list[Record] = field(factory=list)
    _bytes: int = 0
    _open: int = 0
    """Where the lines begin whose reach is not known yet."""
    _counted: int = 0
    _state: BootState | None = None
    _whole: bool = True
    """Every line that says something is still here."""

    @property
    def empty(self) -> bool:
        """Whether nothing was recognised."""
        return not self._records and self._state is None

    @property
    def stage(self) -> str:
        """The furthest stage, or `unknown`."""
        return STAGES[self.rank] if self.rank >= 0 else "unknown"

    @property
    def key(self) -> Key | None:
        """What the outcome depends on; None for a boot too long to compare."""
        if not self._whole:
            return None
        places = tuple([line - self.first_line for line in self._lines])
        return tuple(self._records), places, self.last_line - self.first_line

    def extend(
        self, lines: list[int], raws: list[bytes], records: list[Record], markers: Mapping[str, Marker]
    ) -> None:
        """Further lines of it."""
        self._lines += lines
        self._raws += raws
        self._records += records
        self._bytes += sum(map(len, raws))
        if len(self._lines) > _MOST_LINES or self._bytes > _MOST_BYTES:
            self._forget(markers)

    def add(self, line: int, raw: bytes, record: Record) -> None:
        """One more line, or a sign that is not a line of it."""
        self._lines.append(line)
        self._raws.append(raw)
        self._records.append(record)

    def catch_up(self, reaches: dict[tuple[Record, ...], Reach], markers: Mapping[str, Marker]) -> None:
        """Find out how far it got up to here. `known` is kept from boot to boot."""
        count = len(self._records)
        if count == self._open:
            return
        records = tuple(self._records[self._open :])
        self._open = count
        reach = reaches.get(records)
        if reach is None:
            reach = reaches[records] = _reach(records, markers)
        self.rank = max(self.rank, reach.rank)
        if reach.handed_over:
            self.handed_over |= reach.handed_over

    def begins_another(self, marker: Marker, component: str, line: int) -> bool:
        """Whether `marker` means that this boot has ended; to be asked when caught up."""
        rank = RANKS[marker.stage]
        if not marker.begins:
            # What firmware or a loader says at any time follows a kernel in another boot only; the command
            # line may be told by a loader that has the machine yet.
            has_it_yet = bool(self._begun) and not self.handed_over
            return self.rank > _KERNEL or (self.rank == _KERNEL and not has_it_yet)
        if rank < self.rank:
            # Firmware and loader take turns (SPL, BL31, EDK II); only after they handed over, or when a
            # component prints its banner again, has another boot begun.
            goes_on = marker.stays and self.rank < _KERNEL and not self._begun_after_handover
            ended = self.rank >= _KERNEL or (bool(self.handed_over) and not goes_on)
            return ended or component in self._begun
        if rank > self.rank:
            return False
        if not self._begun:
            # The log begins in the middle of that component.
            return marker.component in self.handed_over
        before = self._begun.get(component)
        if before is None:
            same = [place for name, place in self._begun.items() if name.startswith(f"{marker.component}:")]
            return marker.stage == "kernel" and bool(same) and line - max(same) > _SAME_START
        return line > before

    def begin(self, marker: Marker, component: str, line: int) -> None:
        """A component of it has begun."""
        self._begun_after_handover |= bool(self.handed_over)
        self._begun[component] = line
        self.rank = max(self.rank, RANKS[marker.stage])

    def settled(self, markers: Mapping[str, Marker]) -> BootState:
        """Everything counted."""
        state = self._state
        if state is None:
            state = self._state = BootState(self.first_line)
        for index in range(self._counted, len(self._records)):
            state.see(self._lines[index], self._raws[index], self._records[index], markers)
        self._counted = len(self._records)
        state.last_line = self.last_line
        return state

    def without_shell(self, markers: Mapping[str, Marker]) -> BootState | None:
        """Everything counted but a shell's prompts, where those are all that is seen of a boot; else None.

        In such a text somebody shows what a few programs say.
        """
        matched = {pattern.name for record in self._records for pattern, _ in record.matches}
        passed = matched & markers.keys()
        if not passed or not self._whole or not all(markers[name].shell for name in passed):
            return None
        state = BootState(self.first_line)
        for line, raw, record in zip(self._lines, self._raws, self._records, strict=True):
            state.see(line, raw, record, {})
        state.last_line = self.last_line
        return state

    def _forget(self, markers: Mapping[str, Marker]) -> None:
        """Count the lines, so that they need not be kept."""
        state = self.settled(markers)
        self.rank = max(self.rank, state.rank)
        self.handed_over |= {
            marker.component
            for name, marker in markers.items()
            if marker.hands_over and name in state.tallies
        }
        self._lines, self._raws, self._records = [], [], []
        self._open = self._counted = self._bytes = 0
        self._whole = False


def _reach(records: tuple[Record, ...], markers: Mapping[str, Marker]) -> Reach:
    rank = -1
    handed_over: set[str] = set()
    for record in records:
        for pattern, _ in record.matches:
            marker = markers.get(pattern.name)
            if marker is not None:
                rank = max(rank, RANKS[marker.stage])
                if marker.hands_over:
                    handed_over.add(marker.component)
            elif record.kernel:
                rank = max(rank, _KERNEL)
    return Reach(rank, frozenset(handed_over))
