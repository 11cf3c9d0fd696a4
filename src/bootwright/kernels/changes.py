"""Upstream changes of behaviour that are known: `data/changes/NAME.toml`."""

from __future__ import annotations

from attrs import field, frozen

from bootwright.foundation.knowledge import Kind
from bootwright.foundation.versions import Version


@frozen
class Commit:
    """An upstream commit."""

    id: str
    title: str


@frozen
class Reference:
    """Where it can be read."""

    title: str
    url: str


@frozen
class Change:
    """A change of behaviour between two versions of something."""

    what: str
    before: str
    first_in: str
    factor: str
    symptom: dict[str, str]
    """`call` and `errno` of what failed before it, or the `hazard` that a prediction ran into."""
    in_devicetree: bool = False
    """It is of a devicetree that comes with the kernel: an image with another's devicetrees has it or not,
    whatever its kernel."""
    also_in: list[str] = field(factory=list)
    """The first version of each older series that has it too (stable releases)."""
    commit: list[Commit] = field(factory=list)
    source: list[Reference] = field(factory=list)

    def is_in(self, version: Version) -> bool:
        """Whether a version has the change."""
        first = Version.parse(self.first_in)
        older = [parsed for text in self.also_in if (parsed := Version.parse(text)) is not None]
        return (first is not None and version >= first) or any(
            version.series() == earlier.series() and version >= earlier for earlier in older
        )


CHANGES = Kind("changes", "an upstream change", Change)
