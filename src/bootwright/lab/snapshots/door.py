"""Where a snapshot is taken: the kernel is up, and init waits to be told what to do.

With `bootwright.door=1` the guest's init makes its mounts, says on the console where it waits for words, and
waits (probes/main.c). The words are the rest of its command line: probe, step, mark. They are written into
its memory when the machine goes on, so that one snapshot serves every run that has kernel, machine, arguments
and initramfs in common.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from attrs import evolve, frozen

from bootwright.lab.probes.boot import PlannedBoot

MOST_WORDS = 1023
"""Bytes, without the NUL at the end (probes/main.c, `wait_at_door`)."""
TOGETHER = "bootwright.together=1"
"""Makes init run the tests in its own process (probes/ktap.c, `run_here`)."""
_INIT = "bootwright."
"""Kernel arguments that begin so are for init alone."""
ANSWERS = "bootwright.answers=1"
"""Makes init keep its lines in memory, and hand them over there (probes/ktap.c, `hand_over_answers`)."""
_DOOR = re.compile(rb"bootwright: # bootwright: door (\d{1,15}) (\d{1,15})\r?\n")


@frozen
class Door:
    """Places in init's memory: virtual addresses."""

    words_at: int
    """Where it waits for words."""
    ready_at: int
    """The instruction it comes to when it hands answers over: x0 has their address, x1 their length."""


def at_door(planned: PlannedBoot) -> PlannedBoot:
    """The same boot as far as the door."""
    kernel_own = [argument for argument in planned.kernel_arguments if not argument.startswith(_INIT)]
    return evolve(planned, kernel_arguments=(*kernel_own, f"{_INIT}door=1"))


def words(planned: PlannedBoot) -> tuple[str, ...]:
    """What init is told at the door."""
    return tuple(argument for argument in planned.kernel_arguments if argument.startswith(_INIT))


def as_bytes(words: Sequence[str]) -> bytes:
    """Words as init reads them."""
    return " ".join(words).encode() + b"\0"


def fits(planned: PlannedBoot, mark: str) -> bool:
    """Whether init has room for what it would be told."""
    return len(as_bytes((*words(planned), TOGETHER, ANSWERS, mark))) <= MOST_WORDS + 1


def door_in(console: bytes) -> Door | None:
    """What init says of itself at the door, or None where it has not come there."""
    match = _DOOR.search(console)
    return Door(int(match[1]), int(match[2])) if match else None
