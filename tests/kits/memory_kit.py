"""Memory of kernels and disks that tests held and nobody holds any more is given back to the system.

Importing the commands makes collections of garbage rare (`bootwright.cli`), exceptions hold what was read in
cycles, and glibc keeps what is free below something that is not.
"""

from __future__ import annotations

import ctypes
import gc
import os
from pathlib import Path

_MUCH = 64 << 20
"""Bytes that a test may leave behind."""


class Memory:
    """A plugin of pytest: what was collected is left alone, and tests that leave much are cleared up."""

    def __init__(self) -> None:
        self._held = 0
        self._trim = getattr(ctypes.CDLL(None), "malloc_trim", None)

    def pytest_collection_finish(self) -> None:
        """No later collection looks through thousands of tests again."""
        gc.collect()
        gc.freeze()
        self._held = _resident()

    def pytest_runtest_logfinish(self) -> None:
        """After each test."""
        if _resident() > self._held + _MUCH:
            gc.collect()
            if self._trim is not None:
                self._trim(0)
        self._held = _resident()


def _resident() -> int:
    """Bytes of memory that the process has."""
    return int(Path("/proc/self/statm").read_bytes().split()[1]) * os.sysconf("SC_PAGE_SIZE")
