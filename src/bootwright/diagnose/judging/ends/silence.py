"""Whether a log ends before any program of a system is seen: cut off there, or silent where it was watched.

A kernel that hangs as it starts its first program, and one whose programs print elsewhere, look the same; who
watched the console until nothing more came knows that it is one of these.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bootwright.diagnose.judging.end_forms import EndForms
from bootwright.diagnose.judging.first_program import leaves
from bootwright.diagnose.judging.gravity import is_kernels
from bootwright.diagnose.judging.shapes import shape_of
from bootwright.diagnose.judging.state import PROGRAMS_ACT, BootState
from bootwright.diagnose.model import STAGES
from bootwright.diagnose.reading.tail import LastLine
from bootwright.diagnose.reading.voice import KERNEL, PROGRAM, UNKNOWN

_ROOT: Final = STAGES.index("root")
_INIT: Final = STAGES.index("init")

STARTED: Final = 60.0
"""Seconds on the kernel's clock after which one that still speaks runs programs, whatever it says of them."""
PROGRAM_LINES: Final = 20
"""Different lines without the kernel's stamp that show that programs run: a message has fewer lines."""

_BESIDE: Final = 3
"""Lines between the last steps of a kernel's start: what it checks, and drivers that it does not wait for."""
_RENAMED: Final = b" renamed from "
"""A network card gets its name in the initramfs already (net/core/dev.c dev_change_name, Linux 6.12)."""


def programs_speak(forms: EndForms, state: BootState, lines: Sequence[LastLine]) -> bool:
    """Whether a console that shows the kernel's clock ends in lines of others, or at a shell's prompt."""
    if forms.has("prompt", lines[-1].text):
        return True
    since = [line for line in lines if line.number > state.milestone]
    stamped = sum(line.voice == KERNEL for line in since)
    others = {shape_of(line.text) for line in since if _is_others(line)}
    return stamped > 0 and len(others) > PROGRAM_LINES


def starts_alone(forms: EndForms, state: BootState, lines: Sequence[LastLine]) -> bool:
    """Whether the log goes from the kernel's first lines to a place before it has run any program."""
    waits = state.rank == _ROOT and "no-root/mounted" not in state.tallies
    just_mounted = state.rank == _ROOT and _is_last_step(state, lines)
    if (state.rank >= _ROOT and not waits and not just_mounted) or "kernel" not in state.stage_lines:
        return False
    return _last_seconds(lines) < STARTED and not programs_speak(forms, state, lines)


def is_done_alone(state: BootState, lines: Sequence[LastLine]) -> bool:
    """Whether the kernel's last word is that it is done, and nothing of a first program follows."""
    return state.rank == _INIT and _is_last_step(state, lines)


def is_silent(state: BootState, lines: Sequence[LastLine], cut: str) -> LastLine | None:
    """The last word of a console that was watched, and fell silent before any service; None elsewhere.

    `cut`: why the log would say too little had nobody watched.
    """
    if not state.watched or leaves(lines[-1]):
        return None
    if state.rank < _INIT and cut:
        # Who watched may have said so after the kernel's last word; a program that speaks after it runs.
        last = next((line for line in reversed(lines) if line.voice in {KERNEL, PROGRAM}), lines[-1])
        return None if last.voice == PROGRAM else last
    in_initramfs = bool(cut) and state.component == "initramfs"
    return lines[-1] if in_initramfs or _before_services(state, lines) else None


def _before_services(state: BootState, lines: Sequence[LastLine]) -> bool:
    """Whether the first program at most was started, in whatever the kernel and it said since."""
    if state.rank not in {_ROOT, _INIT} or PROGRAMS_ACT in state.tallies:
        return False
    starts = state.tallies.get("@kernel/init", {}).values()
    if any(start.last.line == lines[-1].number for start in starts):
        return False  # nothing but that start is known, whether watched or not: `first-program-silent`
    started = state.stage_lines.get(STAGES[state.rank], (0, 0))[0]
    links = (tally.last for tally in state.tallies.get("link/up", {}).values())
    if any(link.line > started and _RENAMED not in link.raw for link in links):
        return False  # who brings a network card up is a program of the system
    if any(tally.last.line > started for tally in state.tallies.get("dhcp/ok", {}).values()):
        return False  # so is who asks for an address
    others = any(_is_others(line) for line in lines if line.number > started)
    return not others and _last_seconds(lines) < STARTED


def _is_last_step(state: BootState, lines: Sequence[LastLine]) -> bool:
    """Whether a step of the kernel's is the last, but for a few lines of its own."""
    since = [line for line in lines if line.number > state.milestone]
    return (
        state.component == "kernel"
        and PROGRAMS_ACT not in state.tallies
        and len(since) <= _BESIDE
        and all(line.voice == KERNEL or is_kernels(line.text) for line in since)
        and _last_seconds(lines) < STARTED
    )


def _is_others(line: LastLine) -> bool:
    return line.voice == UNKNOWN and not is_kernels(line.text)


def _last_seconds(lines: Sequence[LastLine]) -> float:
    return next((line.seconds for line in reversed(lines) if line.seconds is not None), 0.0)
