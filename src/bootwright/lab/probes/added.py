"""Probes of installed packages: a C file each, built into the guest's init beside bootwright's own.

A package names them by entry points of the group `bootwright.probes`, each an `AddedProbe`. The C file
includes `guest.h` and holds one `PROBE`, as those in `probes/` do; docs/boot.md tells how one is written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path

from attrs import frozen

from bootwright.foundation.errors import Refused

GROUP = "bootwright.probes"


@frozen
class AddedProbe:
    """A probe that is not bootwright's own."""

    source: Path
    """The C file."""
    modules: tuple[str, ...] = ()
    """Kernel modules that the guest loads for it, those they depend on left out."""


@cache
def added_probes() -> Mapping[str, AddedProbe]:
    """Name → probe of every installed package; raises `Refused` for an entry point that names no probe."""
    probes: dict[str, AddedProbe] = {}
    for entry in entry_points(group=GROUP):
        loaded = entry.load()
        if not isinstance(loaded, AddedProbe):
            raise Refused(
                f"entry point {entry.name} of {GROUP} ({entry.value}) is not an AddedProbe",
                hint="see docs/boot.md, or remove the package it belongs to",
            )
        probes[entry.name] = loaded
    return probes


def sources_of(names: Sequence[str]) -> tuple[Path, ...]:
    """The C files of those names that are added probes."""
    added = added_probes()
    return tuple(added[name].source for name in names if name in added)
