"""From bytes to a diagnosis, in one pass and bounded memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator

from bootwright.diagnose import prefix
from bootwright.diagnose.judge import Judge
from bootwright.diagnose.knowledge import load
from bootwright.diagnose.model import STAGES, Diagnosis, Outcome
from bootwright.diagnose.scanner import Hit, Pattern, Scanner
from bootwright.diagnose.signatures import Knowledge, Marker
from bootwright.diagnose.state import BootState
from bootwright.diagnose.text import Block, Cleaner

KEPT_FIRST = 32
KEPT_LAST = 32
"""Boots kept in full from a file that holds more."""
_LOOP = 3
"""Boots in a row that restart at the same stage before it is called a loop."""
_SAME_START = 40
"""Lines within which `Booting Linux` and `Linux version` are the start of one kernel."""

_HANDOVERS = ("@uboot/handover", "@uefi/exit", "@grub/kernel", "@coreboot/payload")

_RESTART = Pattern("@restart", "", frozenset())
_LOOPING = Pattern("@loop", "", frozenset())


class Diagnoser:
    """Takes one file's bytes as they come; tells at any time what is known."""

    def __init__(self, source: str, knowledge: Knowledge | None = None, *, use_re2: bool = True) -> None:
        self._source = source
        self._knowledge = knowledge or load()
        self._scanner = Scanner(self._knowledge.patterns, use_re2=use_re2)
        self._judge = Judge(self._knowledge)
        self._cleaner = Cleaner()
        self._first: list[tuple[BootState, bool]] = []
        self._last: deque[tuple[BootState, bool]] = deque(maxlen=KEPT_LAST)
        self._ended = 0
        self._outcome = _Overall()
        self._boot = BootState(1)
        self._recognised = False
        self._kernel = False
        self._last_line = 0
        self._same_stage = 0
        self._previous_stage = ""

    def feed(self, data: bytes) -> None:
        """Look at more of the file."""
        for block in self._cleaner.feed(data):
            self._look(block)

    def flush(self) -> None:
        """Look at an unfinished last line too: a prompt, or the end of the file."""
        for block in self._cleaner.flush():
            self._look(block)

    def snapshot(self, *, live: bool = False) -> Diagnosis:
        """What is known now. `live`: more will come, so silence at the end means nothing yet."""
        boots = [
            self._judge.boot(state, self._source, restarted=restarted, recognised=True)
            for state, restarted in (*self._first, *self._last)
        ]
        overall = self._outcome.copy()
        if self._boot.tallies or not boots:
            self._boot.last_line = self._last_line
            self._boot.live = live
            if self._kernel and self._boot.rank < 0:
                self._boot.kernel_runs()
            last = self._judge.boot(self._boot, self._source, restarted=False, recognised=self._recognised)
            boots.append(last)
            overall.add(last.outcome, last.stage)
        return Diagnosis(
            overall.value,
            tuple(boots),
            self._cleaner.lines,
            self._ended - len(self._first) - len(self._last),
        )

    def _look(self, block: Block) -> None:
        if not self._recognised:
            lines = block.text[: 1 << 16].split(b"\n", 400)[:400]
            messages = [prefix.split(line) for line in lines]
            self._recognised = any(message.seconds is not None for message in messages)
            self._kernel |= any(message.kernel for message in messages)
        for hit in self._scanner.scan(block):
            marker = self._knowledge.markers.get(hit.pattern.name)
            if marker is not None:
                self._mark(marker, hit)
            elif hit.kernel:
                self._boot.kernel_runs()
            self._boot.add(hit)
        stripped = block.text.rstrip()
        if stripped:
            self._last_line = (
                block.first_line + stripped.count(b"\n") + block.extra_lines(0, len(stripped) + 1)
            )

    def _mark(self, marker: Marker, hit: Hit) -> None:
        if marker.begins and self._begins_another(marker, hit):
            self._end(hit, marker)
        if marker.begins:
            self._boot.begun[_part(marker, hit)] = hit.line
        self._boot.reach(marker, hit)

    def _begins_another(self, marker: Marker, hit: Hit) -> bool:
        boot = self._boot
        rank = STAGES.index(marker.stage)
        if rank < boot.rank:
            # Firmware and loader take turns (SPL, BL31, EDK II); only after they handed over, or when a
            # component prints its banner again, has another boot begun.
            handed_over = any(name in boot.tallies for name in _HANDOVERS)
            return boot.rank >= STAGES.index("kernel") or handed_over or _part(marker, hit) in boot.begun
        if rank > boot.rank or not boot.begun:
            return False
        before = boot.begun.get(_part(marker, hit))
        if before is None:
            same = [line for part, line in boot.begun.items() if part.startswith(f"{marker.component}:")]
            return marker.stage == "kernel" and bool(same) and hit.line - max(same) > _SAME_START
        return hit.line > before

    def _end(self, hit: Hit, marker: Marker) -> None:
        boot = self._boot
        boot.last_line = hit.line - 1
        firmware = STAGES.index(marker.stage) < STAGES.index("kernel")
        restarted = firmware or boot.rank < STAGES.index("init")
        if restarted:
            boot.add(Hit(_RESTART, hit.line, hit.text, hit.raw, (), hit.seconds, hit.kernel, hit.wall))
            self._same_stage = self._same_stage + 1 if boot.stage == self._previous_stage else 1
            self._previous_stage = boot.stage
            if self._same_stage >= _LOOP - 1:
                boot.add(Hit(_LOOPING, hit.line, hit.text, hit.raw, (), hit.seconds, hit.kernel, hit.wall))
        else:
            self._same_stage = 0
        self._outcome.add(self._judge.outcome(boot), boot.stage)
        self._ended += 1
        (self._first if len(self._first) < KEPT_FIRST else self._last).append((boot, restarted))
        self._boot = BootState(hit.line)
        self._scanner.reset()


def _part(marker: Marker, hit: Hit) -> str:
    """A component that prints several banners (coreboot's stages) is told apart by what they capture."""
    part = dict(hit.facts).get("part", "")
    return f"{marker.component}:{marker.name}:{part}"


class _Overall:
    """The outcome of a file with several boots: that of the last one that got somewhere."""

    def __init__(self) -> None:
        self._decisive: Outcome | None = None
        self._failed = False
        self._worst = Outcome.UNKNOWN

    def copy(self) -> _Overall:
        other = _Overall()
        other._decisive, other._failed, other._worst = self._decisive, self._failed, self._worst
        return other

    def add(self, outcome: Outcome, stage: str) -> None:
        if outcome is Outcome.FAILED or stage == "ready":
            self._decisive = outcome
        self._failed |= outcome is Outcome.FAILED
        order = (Outcome.UNKNOWN, Outcome.BOOT_OK, Outcome.DEGRADED, Outcome.FAILED)
        self._worst = max(self._worst, outcome, key=order.index)

    @property
    def value(self) -> Outcome:
        """A failure before a boot that worked leaves the whole degraded."""
        if self._decisive is None:
            return self._worst
        if self._decisive is Outcome.BOOT_OK and self._failed:
            return Outcome.DEGRADED
        return self._decisive if self._decisive is not Outcome.BOOT_OK else self._worst


def diagnose_bytes(
    data: bytes, source: str = "log", knowledge: Knowledge | None = None, *, use_re2: bool = True
) -> Diagnosis:
    """Diagnose a log held in memory."""
    diagnoser = Diagnoser(source, knowledge, use_re2=use_re2)
    diagnoser.feed(data)
    diagnoser.flush()
    return diagnoser.snapshot()


def diagnose_stream(
    read: Callable[[int], bytes],
    source: str,
    knowledge: Knowledge | None = None,
    *,
    size: int = 1 << 22,
) -> Diagnosis:
    """Diagnose what `read(size)` returns until it returns nothing."""
    diagnoser = Diagnoser(source, knowledge)
    for data in _pieces(read, size):
        diagnoser.feed(data)
    diagnoser.flush()
    return diagnoser.snapshot()


def _pieces(read: Callable[[int], bytes], size: int) -> Iterator[bytes]:
    while data := read(size):
        yield data


def joined(diagnoses: list[Diagnosis]) -> Diagnosis:
    """Several files as one: the worst outcome among them."""
    if len(diagnoses) == 1:
        return diagnoses[0]
    order = (Outcome.UNKNOWN, Outcome.BOOT_OK, Outcome.DEGRADED, Outcome.FAILED)
    return Diagnosis(
        max((entry.outcome for entry in diagnoses), key=order.index),
        tuple(boot for entry in diagnoses for boot in entry.boots),
        sum(entry.lines for entry in diagnoses),
        sum(entry.boots_left_out for entry in diagnoses),
    )
