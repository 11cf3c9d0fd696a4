"""Drivers that match a device, and why one that is there is not used."""

from __future__ import annotations

from attrs import frozen


@frozen
class Candidate:
    """A driver that matches a device."""

    driver: str
    module: str | None
    """None when it is built in."""
    buses: tuple[str, ...]
    """Empty where they could not be told: any."""
    calls: tuple[str, ...]
    """What it, or a module it depends on, calls of the driver core (`module_file.CALLS`)."""
    rank: int = 0
    """Position of the compatible that matched; 0 is the most specific."""
    matched: str = ""
    object: str = ""
    """Of one that is built in: the object that it is built into, where known."""


@frozen
class Obstacle:
    """Why a driver that is there is not used."""

    reason: str
    remedy: str
    rule: str
    certain: bool = True
    """False where it cannot be told from the files."""
