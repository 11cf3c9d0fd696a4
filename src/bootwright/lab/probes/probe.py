"""The guest's init, which runs the probes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bootwright.foundation.guest import Program as Init
from bootwright.foundation.guest import build_with_any, program

__all__ = ["Init", "build_with_any", "init"]


def init(added: Sequence[Path] = ()) -> Init:
    """Compiled if it has to be, with the C files of added probes; raises as `foundation.guest.program`."""
    return program("init", added=added)
