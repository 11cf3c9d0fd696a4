"""Child processes that end when we do, kill -9 included, and are started safely beside threads.

Nothing of ours runs between fork and exec: a fork runs the handlers that libraries registered for it
(pthread_atfork(3)), and those of gRPC start its threads anew in the child, which then dies of them now and
then. Without such code Python uses vfork(2), which runs no handler. So a child asks by itself to be ended
with its parent (prctl(2), PR_SET_PDEATHSIG, which execve(2) keeps).
"""

from __future__ import annotations

import ctypes
import functools
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import current_process, get_context
from pathlib import Path

from bootwright.foundation import tools

_PR_SET_PDEATHSIG = 1  # linux/prctl.h

# The first reads its parent after the kernel was asked: one that died before the question is seen as well.
_IF_PARENT_LIVES = '[ "$PPID" = "$0" ] && exec "$@"'
_BY_PYTHON = """\
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, int(sys.argv[2]), 0, 0, 0)
if os.getppid() == int(sys.argv[1]):
    os.execvp(sys.argv[3], sys.argv[3:])
"""


def ending_with_us(command: Sequence[str], *, by: signal.Signals = signal.SIGKILL) -> list[str]:
    """The command, made so that the kernel sends it a signal when the thread that starts it dies.

    It is to be started by this process itself, and keeps its process ID.
    """
    parent = str(os.getpid())
    setpriv = _setpriv()
    if setpriv:
        signal_name = by.name.removeprefix("SIG")
        return [setpriv, "--pdeathsig", signal_name, "sh", "-c", _IF_PARENT_LIVES, parent, *command]
    return [sys.executable, "-I", "-S", "-c", _BY_PYTHON, parent, str(int(by)), *command]


def end_with(parent: int, *, by: signal.Signals = signal.SIGKILL) -> None:
    """Have this process sent a signal when its parent dies; end at once if it is dead already."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, by, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def pool(workers: int) -> ProcessPoolExecutor:
    """Processes for work of ours: forked, as that is quickest, unless this process has threads."""
    return ProcessPoolExecutor(workers, mp_context=get_context("forkserver" if _has_threads() else "fork"))


def can_work_beside() -> bool:
    """Whether a fork of this process can work at the same time: on another processor, and without threads."""
    # A daemon of multiprocessing may have no child of its own.
    return len(os.sched_getaffinity(0)) > 1 and not current_process().daemon and not _has_threads()


def _has_threads() -> bool:
    """Whether this process has a thread besides this one, of Python or of a library."""
    try:
        return len(list(Path("/proc/self/task").iterdir())) > 1
    except OSError:
        return True


@functools.cache
def _setpriv() -> str:
    """The path of util-linux' setpriv, or nothing: BusyBox has one that does not know the option."""
    program: Path | None = tools.find("setpriv")
    if program is None:
        return ""
    try:
        said = subprocess.run([program, "--help"], capture_output=True, check=False, timeout=10).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return str(program) if b"--pdeathsig" in said else ""
