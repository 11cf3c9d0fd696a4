"""Signals that ask a process to end: what has to be put in order first."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType

_ENDING = (signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def ending_in_order() -> Iterator[None]:
    """While the block runs, SIGTERM and SIGHUP (a closed terminal) unwind it as Ctrl-C does.

    The process ends by that signal then, after the block. What is ignored (`nohup`) stays ignored; beside the
    main thread, and within another such block, this does nothing.
    """
    before = {}
    if threading.current_thread() is threading.main_thread():
        before = {number: signal.getsignal(number) for number in _ENDING}
        before = {number: handler for number, handler in before.items() if handler is signal.SIG_DFL}
    terminals = [number for number in (1, 2) if os.isatty(number)]
    came: list[int] = []

    def end(number: int, _: FrameType | None) -> None:
        if came:
            return  # it is being put in order
        came.append(number)
        if number == signal.SIGHUP:
            _say_to_nobody(terminals)
        raise KeyboardInterrupt

    for number in before:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in before:
            signal.signal(number, signal.SIG_DFL)
        if came:
            os.kill(os.getpid(), came[0])


def _say_to_nobody(descriptors: list[int]) -> None:
    """Writing to a terminal that is gone is an error, which would stop what is put in order."""
    null = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    for descriptor in descriptors:
        os.dup2(null, descriptor)
    os.close(null)
