"""The forms in which boots end, as the stage files name them: what a line says of how its speaker goes on."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from attrs import evolve

from bootwright.diagnose.judging.first_program import of_later_process
from bootwright.diagnose.judging.shapes import (
    firmware_complains,
    is_labelled,
    is_levelled,
    looks_wrong,
    shape_of,
)
from bootwright.diagnose.judging.state import BootState
from bootwright.diagnose.model import STAGES
from bootwright.diagnose.reading.levels import CRITICAL, INFORMATION, firmware_level_of
from bootwright.diagnose.reading.patterns import Compiled, compile_pattern
from bootwright.diagnose.reading.tail import LastLine
from bootwright.diagnose.signatures.model import Knowledge

_KERNEL: Final = STAGES.index("kernel")
_BARE: Final = re.compile(
    rb"(?i)\W*(?:\w{2,12}: )?(?:error|fatal)?\W*(?:please |system |the )*"
    rb"(?:abort|reset|restart|reboot|halt|hang|stop|power)\w*\b"
)
"""A word of stopping that gives no reason: `### ERROR ### Please RESET the board ###` (U-Boot lib/hang.c)."""
_TYPED: Final = re.compile(rb"(?:=>|[#>]) ?(?:res(?:et)?|reboot)\b")
"""U-Boot's command `reset` at a prompt (cmd/boot.c, 2025.01)."""
_JUST_BEFORE: Final = 2
_LONGEST_RUN: Final = 6
"""Errors of which the first may have led to the last."""
_PROMPT: Final = re.compile(rb"(?:[^=>#$]{0,80}(?:=>|[>#$]))?")
"""What stands before a command that was typed."""
_GIVES_UP: Final = re.compile(rb"(?i)giving up\b")


def was_typed(lines: Sequence[LastLine], stopped: LastLine) -> bool:
    """Whether somebody typed the command that made it stop, in that line or just before."""
    near = [line for line in lines if stopped.number - _JUST_BEFORE <= line.number <= stopped.number]
    return any(_TYPED.search(line.text) is not None for line in near)


class EndForms:
    """The `[[end]]` tables of all stage files, compiled."""

    def __init__(self, knowledge: Knowledge, *, use_re2: bool = True) -> None:
        self._by_kind: dict[str, list[Compiled]] = {}
        self._benign: list[tuple[str, Compiled]] = []
        self._grave: list[tuple[str, Compiled]] = []
        with_markers = {marker.component for marker in knowledge.markers.values()}
        for end in knowledge.ends:
            compiled = compile_pattern(end.expression, use_re2=use_re2)
            self._by_kind.setdefault(end.kind, []).append(compiled)
            whose = end.component if end.component in with_markers else ""
            if end.kind == "benign":
                self._benign.append((whose, compiled))
            elif end.kind == "grave":
                self._grave.append((whose, compiled))

    def has(self, kind: str, text: bytes) -> bool:
        """Whether a message (without its stamps) has a form of that kind, of `signatures.model.END_KINDS`."""
        return any(compiled.search(text) is not None for compiled in self._by_kind.get(kind, ()))

    def is_error(self, state: BootState, line: LastLine) -> bool:
        """Whether a line has the form of an error, and its component is not known to mean no harm by it.

        What one firmware means no harm by, another may end with: its forms count where it has shown itself.
        """
        if self._is_grave(state, line):
            return True
        level = firmware_level_of(line.raw)
        if level is not None and level >= INFORMATION:
            return False
        wrong = looks_wrong if state.rank >= _KERNEL else firmware_complains
        if not wrong(line.text):
            return False
        anybody = state.rank >= _KERNEL or not state.shown
        return not any(
            compiled.search(line.text) is not None
            for whose, compiled in self._benign
            if anybody or not whose or whose in state.shown
        )

    def is_labelled(self, state: BootState, line: LastLine) -> bool:
        """Whether its speaker calls a line an error, by a word before it or by its form."""
        return is_labelled(line.text) or self._is_grave(state, line)

    def _is_grave(self, state: BootState, line: LastLine) -> bool:
        """Whether it is an error in any words: by its level, or by a form that only errors have.

        Such a form of a component counts while that has the machine.
        """
        level = firmware_level_of(line.raw)
        if level is not None and level <= CRITICAL:
            return True
        return is_levelled(line.text) or any(
            compiled.search(line.text) is not None
            for whose, compiled in self._grave
            if not whose or whose == state.component
        )

    def until_typed(self, state: BootState, lines: Sequence[LastLine]) -> Sequence[LastLine]:
        """Of a loader's lines those from its countdown to where somebody looked around at its prompt.

        What follows is the answer; what came before the countdown was got past.
        """
        if state.rank >= _KERNEL:
            return lines
        typed = next((place for place, line in enumerate(lines) if self.has("typed", line.text)), None)
        if typed is None or state.milestone > lines[typed].number:
            return lines
        counted = [place for place, line in enumerate(lines[:typed]) if self.waits(line)]
        if not counted:
            return lines
        prompt = _PROMPT.match(lines[typed].text)
        asks = evolve(lines[typed], text=prompt[0] if prompt is not None else b"")
        return [*lines[counted[-1] + 1 : typed], asks]

    def run_of_errors(self, state: BootState, lines: Sequence[LastLine]) -> list[LastLine]:
        """The errors one after the other with which the log ends: the first led to the others."""
        run: list[LastLine] = []
        for line in reversed(lines[-_LONGEST_RUN:]):
            if not self.is_error(state, line):
                break
            run.insert(0, line)
        return run

    def ends_after(self, state: BootState, error: LastLine, last: LastLine) -> bool:
        """Whether an error that its speaker calls one is the end although a line came after it.

        It is not where that is a milestone, or a further line of the same log function.
        """
        went_on = state.milestone > error.number or all(
            firmware_level_of(line.raw) is not None for line in (error, last)
        )
        return not went_on and self.is_error(state, error) and self.is_labelled(state, error)

    def stops(self, state: BootState, line: LastLine) -> bool:
        """Whether a loader goes no further with it; it may give up on what it can do without.

        Where nothing of a boot was seen, a program that is not the first process ends nothing but itself.
        """
        if not self.has("stopped", line.text) or (state.rank < 0 and of_later_process(line)):
            return False
        return _GIVES_UP.search(line.text) is None or self.is_error(state, line)

    def waits(self, line: LastLine) -> bool:
        """Whether it gives somebody time before it goes on by itself: a key to leave an error does not."""
        return self.has("waits", line.text) and not self.has("stopped", line.text)

    def reasons_of(
        self, state: BootState, lately: Sequence[LastLine], stopped: LastLine
    ) -> Sequence[LastLine]:
        """What was wrong, and the error that had led to it, where one stands right before."""
        reason = self._reason_of(state, lately, stopped)
        run = self.run_of_errors(state, [line for line in lately if line.number <= reason.number])
        return reason, *run[:1]

    def _reason_of(self, state: BootState, lately: Sequence[LastLine], stopped: LastLine) -> LastLine:
        """What was wrong: the last error, or what was said right before a word that gives no reason."""
        if stopped.text.endswith(b":"):
            # A head alone: the reason is the line below.
            lower = (line for line in lately if line.number > stopped.number and shape_of(line.text))
            return next(lower, stopped)
        if _BARE.match(stopped.text) is None:
            if self.is_labelled(state, stopped):
                return stopped
            errors = (line for line in reversed(lately) if self.is_error(state, line))
            return next((line for line in errors if _BARE.match(line.text) is None), stopped)
        before = [line for line in lately if line.number < stopped.number]
        error = next((line for line in reversed(before) if self.is_error(state, line)), None)
        return error or next((line for line in reversed(before) if shape_of(line.text)), stopped)


def informs(lines: Sequence[LastLine]) -> bool:
    """Whether all of them are information by the level that their firmware gave them."""
    return all((firmware_level_of(line.raw) or 0) >= INFORMATION for line in lines)
