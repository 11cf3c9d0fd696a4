"""The guest's init, which runs the probes."""

from __future__ import annotations

from bootwright.foundation.guest import Program as Init
from bootwright.foundation.guest import build_with_any, program

__all__ = ["Init", "build_with_any", "init"]


def init() -> Init:
    """Compiled if it has to be; raises as `foundation.guest.program`."""
    return program("init")
