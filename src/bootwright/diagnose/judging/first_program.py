"""Where the first program gives up: its error, and the kernel's word that the machine restarts or stops."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from bootwright.diagnose.judging.boot_needs import names_need
from bootwright.diagnose.judging.gravity import is_kernels
from bootwright.diagnose.judging.shapes import looks_wrong
from bootwright.diagnose.reading.tail import LastLine
from bootwright.diagnose.reading.voice import KERNEL, PROGRAM, UNKNOWN

BY_INIT: Final = re.compile(
    rb"(?:/s?bin/|/)?init(?:\[1\]| \d{1,3})?: |- runit: |s6-(?:linux-init|overlay)[\w-]*: "
    rb"|\[(?:FATAL|ERROR) +tini "
)
"""The first process (Android 14 system/core/init writes to the kernel's log, scripts to the console;
runit 2.1, s6-linux-init 1.1; in containers s6-overlay 3.2 and tini 0.19)."""
_LEAVES: Final = re.compile(rb"reboot: (?:Restarting system|System halted|Power down)\b")
"""kernel/reboot.c kernel_restart, kernel_halt, kernel_power_off (Linux 6.12)."""
_FATAL: Final = re.compile(rb"(?:\A|: |\[|\()(?:fatal|FATAL)\b(?: error)?[:\] ]")
"""In which first programs say that they go no further: strerr_dief of runit and s6, `[FATAL tini (1)]`."""
_CONTINUES: Final = re.compile(
    rb"(?i)\b(?:unable|refusing|impossible) to continue\b|\bcan(?:no|')t continue\b"
)
"""In which scripts of first programs say the same: OpenRC 0.63 sh/init.sh.Linux.in, dracut 107 die()."""
_HELPER: Final = re.compile(
    rb"\A(?:\S+: )?(?:modprobe|depmod|insmod|rmmod|kmod)\b|.{0,60}\bFATAL: Module \S+ not found\b"
)
"""Who calls a module that is not there fatal, and means itself, also where a program logs it under its own
name (kmod 34 tools/modprobe.c)."""
_FIRST_UNITS: Final = re.compile(
    rb"systemd\[1\]: (?:Listening on|Created slice|Starting|Mount(?:ing|ed)|Reached target|Set up|Expecting) "
)
_JOURNAL_RUNS: Final = re.compile(rb"systemd\[1\]: Started .{0,30}Journal Service|systemd-journald\[\d+\]: ")
_PROCESS: Final = re.compile(rb"\S{1,64}\[(?P<pid>\d{1,10})\]: ")
_LAST_WORDS: Final = 4
_BEFORE: Final = 14
"""Lines at the end among which the machine is left; its own lines in which the first program says why."""
_STRAY: Final = 1
"""Lines at the end that may be another console's: a program that runs says more."""


def of_another_console(lines: Sequence[LastLine], started: int) -> tuple[int, ...]:
    """The numbers of the lines after `started`, where the first program was, that show no program.

    Who spoke between the kernel's stamped lines before any program ran was none: so little more of the same
    kind says nothing of the first program.
    """
    kernel = next((line.number for line in lines if line.voice == KERNEL), started)
    unstamped = [
        line for line in lines if line.number > kernel and line.voice == UNKNOWN and not is_kernels(line.text)
    ]
    before = sum(line.number < started for line in unstamped)
    after = [line.number for line in unstamped if line.number > started]
    return tuple(after) if 0 < len(after) <= min(before, _STRAY) else ()


def gave_up(lines: Sequence[LastLine]) -> tuple[LastLine, LastLine] | None:
    """The first program's last error and the line with which the machine is left; None without them."""
    start = max(len(lines) - _LAST_WORDS, 0)
    for place in range(len(lines) - 1, start - 1, -1):
        if leaves(lines[place]):
            said = [line for line in lines[:place] if BY_INIT.match(line.text) is not None]
            errors = [line for line in said[-_BEFORE:] if looks_wrong(line.text)]
            # What it could not get is why; what fails after that is what came of it.
            error = next((line for line in errors if names_need(line.text)), errors[-1] if errors else None)
            return (error, lines[place]) if error is not None else None
    return None


def leaves(line: LastLine) -> bool:
    """Whether the kernel says that it was asked to restart or to stop."""
    return _LEAVES.match(line.text) is not None


def said_fatal(lines: Sequence[LastLine], *, known: bool = True) -> LastLine | None:
    """The line among the last in which a program calls its own error fatal; None without one.

    Where nobody is `known` to have the machine the word alone does not tell a first program from any other.
    """
    last = (line for line in reversed(lines[-_LAST_WORDS:]) if line.voice != KERNEL)
    return next(
        (
            line
            for line in last
            if _says_fatal(line, known=known)
            and _HELPER.match(line.text) is None
            and not is_kernels(line.text)
        ),
        None,
    )


def of_later_process(line: LastLine) -> bool:
    """Whether a program says it that is not the first one, by the number of its process in its tag."""
    process = _PROCESS.match(line.text) if line.voice == PROGRAM else None
    return process is not None and int(process["pid"]) != 1


def _says_fatal(line: LastLine, *, known: bool) -> bool:
    if not known and of_later_process(line):
        return False
    if _CONTINUES.search(line.text) is not None:
        return True
    by_name = line.voice == PROGRAM or BY_INIT.match(line.text) is not None
    return _FATAL.search(line.text) is not None and (known or by_name)


def among_first_units(lines: Sequence[LastLine]) -> bool:
    """Whether the log ends while systemd starts its first units, which it tells the kernel's log.

    As soon as its journal runs it tells that instead (systemd 257 src/basic/log.c, log_open).
    """
    last = lines[-1]
    if last.seconds is None or _FIRST_UNITS.match(last.text) is None:
        return False
    return not any(_JOURNAL_RUNS.match(line.text) for line in lines)
