"""From bytes to a diagnosis, in one pass and bounded memory."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import lru_cache, partial
from itertools import chain, islice

from bootwright.diagnose.closer.look import CloserLook
from bootwright.diagnose.judging.ending import endings_of
from bootwright.diagnose.judging.first_program import of_another_console
from bootwright.diagnose.judging.gravity import recognises_kernel
from bootwright.diagnose.judging.judge import judge_of
from bootwright.diagnose.judging.order.kept_lines import Occurrence
from bootwright.diagnose.judging.overall import LOOP, ORDER, Overall, got_past
from bootwright.diagnose.judging.state import PROGRAMS_SPEAK, BootState
from bootwright.diagnose.model import RANKS, STAGES, Boot, Diagnosis, Finding, Outcome, Severity
from bootwright.diagnose.reading import prefix, restart
from bootwright.diagnose.reading.patterns import Facts, Record, printable
from bootwright.diagnose.reading.pending import LOOPING, RESTART, Key, Pending, Reach, restart_after
from bootwright.diagnose.reading.scanner import Scanned, ScannedHere, Scanner, Sightings
from bootwright.diagnose.reading.tail import Tail
from bootwright.diagnose.reading.text import Block, Cleaner
from bootwright.diagnose.reading.voice import KERNEL, PROGRAM, voice_of
from bootwright.diagnose.signatures.banners import banner_of
from bootwright.diagnose.signatures.knowledge import load
from bootwright.diagnose.signatures.model import Knowledge, Marker

KEPT_FIRST = 32
KEPT_LAST = 32
"""Boots kept in full from a file that holds more."""
_KERNEL = STAGES.index("kernel")
_INIT = STAGES.index("init")
_SERVICES = STAGES.index("services")
_READY = STAGES.index("ready")
_LARGE = 3
"""Pieces that a log has at least which another process scans: starting it costs as much as a piece."""
_MOST_KNOWN = 2000
"""Boots, and parts of boots, whose outcome and reach are remembered."""
_MOST_REMEMBERED = 500_000
"""Lines of those boots."""
_MOST_WORDS = 160
"""Characters of what a kernel said last."""


class Diagnoser:
    """Takes one file's bytes as they come; tells at any time what is known."""

    def __init__(
        self,
        source: str,
        knowledge: Knowledge | None = None,
        *,
        use_re2: bool = True,
        watched: bool = False,
    ) -> None:
        """`watched`: the console was watched until nothing more came: what waits at the end stays so."""
        self._source = source
        self._watched = watched
        self._knowledge = knowledge or load()
        self._here = ScannedHere(
            Cleaner(banner_of(self._knowledge)), Scanner(self._knowledge, use_re2=use_re2)
        )
        self._scanned: Scanned = self._here
        self._judge = judge_of(self._knowledge)
        self._endings = endings_of(self._knowledge, use_re2=use_re2)
        self._tail = Tail()
        self._markers = self._knowledge.markers
        self._first: list[Pending] = []
        self._last: deque[Pending] = deque(maxlen=KEPT_LAST)
        self._ended = 0
        self._overall = Overall()
        self._boot = Pending(1)
        self._closer = CloserLook()
        self._recognised = False
        self._kernel = False
        self._logged = False
        """It is a system log: a system wrote it, whatever it says of its boot."""
        self._last_line = 0
        self._before = b""
        """What was read before the block, as far back as a restart is told by."""
        self._replayed = (0, 0)
        """The first line of the boot whose log was last printed from its start again, and where that was."""
        self._same_stage = 0
        self._previous_stage = ""
        self._begun_by = lru_cache(maxsize=_MOST_KNOWN)(partial(_begun_by, self._markers))
        self._reaches: dict[tuple[Record, ...], Reach] = {}
        self._outcomes: dict[tuple[Key, int], tuple[bool, Outcome]] = {}
        """What a boot says and how it restarted → whether it had failed before that, and its outcome."""
        self._remembered = 0

    def feed(self, data: bytes) -> None:
        """Look at more of the file."""
        for block, sightings in self._scanned.feed(data):
            self._look(block, sightings)

    def flush(self) -> None:
        """Look at an unfinished last line too: a prompt, or the end of the file."""
        for block, sightings in self._scanned.flush():
            self._look(block, sightings)

    @contextmanager
    def scanning_ahead(self) -> Iterator[None]:
        """Have another process scan what is fed while this one judges what came before; for large logs.

        What is known stands only after `flush`. Raises `ToolFailed` from `feed` where that process ends.
        """
        from bootwright.diagnose.ahead import ScannedAhead

        with ScannedAhead(self._here, self._knowledge.patterns, self._closer.prepare) as self._scanned:
            yield

    def snapshot(self, *, live: bool = False) -> Diagnosis:
        """What is known now. `live`: more will come, so silence at the end means nothing yet."""
        self._tell_surpassed()
        boots = []
        for boot in (*self._first, *self._last):
            state = boot.settled(self._markers)
            self._closer.lend(state)
            boots.append(self._judge.boot(state, self._source, restarted=boot.restarted, recognised=True))
        overall = self._overall.copy()
        if not self._boot.empty or not boots:
            self._boot.last_line = self._last_line
            last, rank = self._last_boot(live=live, watched=self._watched and not live)
            boots.append(last)
            said = last.last_line - last.first_line
            overall.add(last.outcome, rank, said=said, only_restarted=False)
        return Diagnosis(
            overall.value,
            tuple(boots),
            self._scanned.lines,
            self._ended - len(self._first) - len(self._last),
            None if live or overall.value is not Outcome.UNKNOWN else self._if_silent(),
        )

    def _last_boot(self, *, live: bool, watched: bool) -> tuple[Boot, int]:
        """The boot that the log ends in, and its rank."""
        state = self._settled()
        state.live, state.watched = live, watched
        if self._kernel and state.rank < 0:
            state.kernel_runs()
        state.logged |= self._logged
        state.in_system_log |= self._logged
        recognised = self._end_log(state, live=live)
        self._closer.lend(state)
        if self._closer.shows_more(state.first_line, self._last_line):
            self._closer.tell(state)
        return self._judge.boot(state, self._source, restarted=False, recognised=recognised), _rank_of(state)

    def _if_silent(self) -> Finding | None:
        """What the last boot would have failed of if nothing came after the log's end; None of nothing."""
        boot, _ = self._last_boot(live=False, watched=True)
        if boot.outcome is not Outcome.FAILED:
            return None
        return next((finding for finding in boot.findings if finding.severity is Severity.FATAL), None)

    def _settled(self) -> BootState:
        """The last boot, everything counted; a prompt alone is where somebody ran a program."""
        alone = not (self._ended or self._recognised or self._logged)
        state = self._boot.without_shell(self._markers) if alone else None
        return state or self._boot.settled(self._markers)

    def _end_log(self, state: BootState, *, live: bool) -> bool:
        """Let the state know how the log ends; whether it is a log of a boot at all."""
        lines = [] if live else self._tail.lines(state.first_line)
        recognised = self._recognised
        after_handover = [line for line in lines if line.number > state.milestone]
        if (state.rank < 0 or state.handed_over) and recognises_kernel(after_handover, whole=state.rank < 0):
            state.kernel_runs()
            recognised = True
        if 0 <= state.rank < _KERNEL and any(line.voice == KERNEL for line in after_handover):
            state.kernel_runs()  # a quiet one, of whose start its errors alone are seen
        ending = self._endings.of(state, lines)
        state.end(ending.event, [Occurrence(line.number, line.raw) for line in ending.proof], ending.facts)
        state.cut = ending.cut
        state.last_seconds, state.last_wall = ending.seconds, ending.wall
        state.kernel_lines = tuple(line.number for line in lines if line.voice == KERNEL)
        if state.rank == _INIT and "init" in state.stage_lines:
            state.stray_lines = of_another_console(lines, state.stage_lines["init"][0])
        return recognised

    def _tell_surpassed(self) -> None:
        """Let each boot know whether a later one got further: then its restart was no failure."""
        furthest = (_rank_of(self._boot.settled(self._markers)), self._last_line - self._boot.first_line)
        for boot in reversed((*self._first, *self._last)):
            state = boot.settled(self._markers)
            reached = (_rank_of(state), boot.last_line - boot.first_line)
            if boot.restarted:
                in_a_row = LOOP if "@loop" in state.tallies else 1
                state.surpass(beaten=got_past(furthest, reached, in_a_row=in_a_row))
            furthest = max(furthest, reached)

    def _look(self, block: Block, sightings: Sightings) -> None:
        if not self._recognised:
            lines = block.text[: 1 << 16].split(b"\n", 400)[:400]
            messages = [prefix.split(line) for line in lines]
            self._recognised = any(message.seconds is not None or message.kernel for message in messages)
            self._kernel |= any(message.kernel for message in messages)
            self._logged |= any(
                message.stamped_by == "log" and voice_of(message) == PROGRAM for message in messages
            )
        self._closer.extend(block)
        place = 0
        for index in sightings.begins:
            self._extend(sightings, place, index)
            place = index
            self._begin(sightings.lines[index], sightings.raws[index], sightings.records[index], block)
        self._extend(sightings, place, len(sightings.records))
        self._last_line = block.last_line or self._last_line
        self._tail.extend(block)
        self._before = (self._before + block.text[-restart.LOOKED_AT :])[-restart.LOOKED_AT :]

    def _extend(self, sightings: Sightings, start: int, end: int) -> None:
        lines, raws, records = sightings
        self._boot.extend(lines[start:end], raws[start:end], records[start:end], self._markers)

    def _begin(self, line: int, raw: bytes, record: Record, block: Block) -> None:
        """A line with which another boot may begin."""
        if len(self._reaches) >= _MOST_KNOWN:
            self._reaches.clear()
        self._boot.catch_up(self._reaches, self._markers)
        for marker, component in self._begun_by(record):
            if self._boot.begins_another(marker, component, line):
                if self._goes_on(line, record, marker, block):
                    return
                self._end(line, raw, marker)
            if marker.begins:
                self._boot.begin(marker, component, line)

    def _goes_on(self, line: int, record: Record, marker: Marker, block: Block) -> bool:
        """Whether a first line, which is that `marker`, means no restart, by the lines beside it."""
        if not marker.begins and record.voice in {KERNEL, PROGRAM}:
            return True
        before = block.before(line, restart.LINES, self._before)
        if marker.stage == "kernel" and self._is_replay(line, before):
            return True
        return record.voice != KERNEL and restart.is_none(before, block.since(line, restart.LINES))

    def _is_replay(self, line: int, before: bytes) -> bool:
        """Whether a console prints the kernel's log from its start, which happens once in a boot."""
        first_line, replayed = self._replayed
        if first_line == self._boot.first_line and line - replayed > restart.BANNERS:
            return False
        if not restart.is_replay(before):
            return False
        self._replayed = (self._boot.first_line, line)
        return True

    def _end(self, line: int, raw: bytes, marker: Marker) -> None:
        boot = self._boot
        boot.last_line = line - 1
        firmware = RANKS[marker.stage] < _KERNEL
        # A system log was written by a system that ran.
        boot.restarted = firmware or (
            boot.rank < _INIT and prefix.split(raw, dated=False).stamped_by != "log"
        )
        signs: list[Record] = []
        if boot.restarted:
            self._same_stage = self._same_stage + 1 if boot.stage == self._previous_stage else 1
            self._previous_stage = boot.stage
            # One that was up may have been restarted by hand: those after it tell.
            enough = LOOP if boot.rank >= _READY else LOOP - 1
            signs = [RESTART, LOOPING] if self._same_stage >= enough else [RESTART]
        else:
            self._same_stage = 0
        # Where a closer look shows more, the lines that say something are not all that counts.
        key = boot.key
        if self._closer.shows_more(boot.first_line, line - 1):
            self._closer.tell(boot.settled(self._markers))
            if self._judge.sees_report(boot.settled(self._markers)):
                self._closer.lend(boot.settled(self._markers))
            key = None
        known = self._outcomes.get((key, len(signs))) if key is not None else None
        failed_before = known is not None and known[0]
        if known is None and signs:
            failed_before = self._judge.outcome(boot.settled(self._markers)) is Outcome.FAILED
        words = self._closer.last_words if RESTART in signs else None
        if words is not None:
            signs[0] = restart_after(printable(prefix.split(words.raw).text)[:_MOST_WORDS])
            boot.add(words.line, words.raw, signs[0])
        for sign in signs:
            boot.add(line, raw, sign)
        outcome = known[1] if known is not None else self._judge.outcome(boot.settled(self._markers))
        if key is not None and known is None:
            self._remember(key, len(signs), (failed_before, outcome))
        self._overall.add(
            outcome,
            _rank_of(boot.settled(self._markers)) if key is None else boot.rank,
            said=boot.last_line - boot.first_line,
            only_restarted=boot.restarted and not failed_before,
        )
        self._ended += 1
        (self._first if len(self._first) < KEPT_FIRST else self._last).append(boot)
        self._boot = Pending(line)

    def _remember(self, key: Key, signs: int, outcomes: tuple[bool, Outcome]) -> None:
        """Boots that say the same have the same outcomes."""
        self._remembered += len(key[0])
        if len(self._outcomes) >= _MOST_KNOWN or self._remembered > _MOST_REMEMBERED:
            self._outcomes.clear()
            self._reaches.clear()
            self._remembered = 0
        self._outcomes[key, signs] = outcomes


def _rank_of(state: BootState) -> int:
    """Index into `STAGES`; programs that speak are services, by whatever name."""
    return max(state.rank, _SERVICES) if PROGRAMS_SPEAK in state.tallies else state.rank


def _begun_by(markers: Mapping[str, Marker], record: Record) -> tuple[tuple[Marker, str], ...]:
    """What begins with a line, and its component by name and part."""
    return tuple(
        (marker, _component_of(marker, facts))
        for pattern, facts in record.matches
        if (pattern.begins or pattern.before_kernel) and (marker := markers.get(pattern.name)) is not None
    )


def _component_of(marker: Marker, facts: Facts) -> str:
    """A component that prints several banners (coreboot's stages) is distinguished by what they capture.

    A first stage that was built at another time is another program: SPL runs on two processors of a TI K3.
    """
    part, build = (dict(facts).get(name, "") for name in ("part", "build"))
    return f"{marker.component}:{marker.name}:{part}{build if part else ''}"


def diagnose_bytes(
    data: bytes,
    source: str = "log",
    knowledge: Knowledge | None = None,
    *,
    use_re2: bool = True,
    watched: bool = False,
) -> Diagnosis:
    """Diagnose a log held in memory; `watched` as `Diagnoser` has it."""
    diagnoser = Diagnoser(source, knowledge, use_re2=use_re2, watched=watched)
    diagnoser.feed(data)
    diagnoser.flush()
    return diagnoser.snapshot()


def diagnose_stream(
    read: Callable[[int], bytes],
    source: str,
    knowledge: Knowledge | None = None,
    *,
    size: int = 1 << 22,
    watched: bool = False,
) -> Diagnosis:
    """Diagnose what `read(size)` returns until it returns nothing; `watched` as `Diagnoser` has it."""
    diagnoser = Diagnoser(source, knowledge, watched=watched)
    pieces = iter(partial(read, size), b"")
    first = list(islice(pieces, _LARGE))
    with diagnoser.scanning_ahead() if len(first) == _LARGE and _can_scan_ahead() else nullcontext():
        for data in chain(first, pieces):
            diagnoser.feed(data)
        diagnoser.flush()
    return diagnoser.snapshot()


def _can_scan_ahead() -> bool:
    if sys.platform != "linux":
        return False
    from bootwright.foundation.processes.children import can_work_beside

    return can_work_beside()


def joined(diagnoses: list[Diagnosis]) -> Diagnosis:
    """Several files as one: the worst outcome among them."""
    if len(diagnoses) == 1:
        return diagnoses[0]
    return Diagnosis(
        max((entry.outcome for entry in diagnoses), key=ORDER.index),
        tuple(boot for entry in diagnoses for boot in entry.boots),
        sum(entry.lines for entry in diagnoses),
        sum(entry.boots_left_out for entry in diagnoses),
        next((entry.if_silent for entry in diagnoses if entry.if_silent is not None), None),
    )
