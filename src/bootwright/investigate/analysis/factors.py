"""Factors and their levels: what differs between one configuration and another.

Words as in the design of experiments: a *factor* is a thing that can be varied, a *level* is a value of
it, a *cell* gives every factor a level.
"""

from __future__ import annotations

from collections.abc import Iterable

from attrs import frozen

from bootwright.foundation.errors import Refused
from bootwright.foundation.versions import Version

MAX_FACTORS = 24
MAX_LEVELS = 256


@frozen
class Factor:
    """One factor with every level that is known of it.

    `levels` are in order when the factor is `ordered` (every level reads as a version), so that a
    threshold between two of them means something.
    """

    name: str
    levels: tuple[str, ...]
    ordered: bool
    label: str = ""

    @property
    def title(self) -> str:
        """What a person reads: the label, or the name without underscores."""
        return self.label or self.name.replace("_", " ").replace("-", " ")

    def position(self, level: str) -> int:
        """The index of `level` in `levels`; raises `Refused` for a level it does not have."""
        try:
            return self.levels.index(level)
        except ValueError:
            raise Refused(
                f"factor {self.name} has no level {level!r}",
                hint=f"its levels are {', '.join(self.levels)}",
            ) from None


def make_factor(name: str, levels: Iterable[str], label: str = "") -> Factor:
    """A factor from levels in any order, with repeats; ordered when all of them look like versions.

    Two spellings of one version (`6.18`, `6.18.0`) are two levels to a reader of tables, but one to the
    order; raises `Refused` for them, as for two that differ in upper and lower case only (`4k`, `4K`), and
    for more than 256 levels.
    """
    unique = list(dict.fromkeys(levels))
    spelt: dict[str, str] = {}
    for level in unique:
        spelling = spelt.setdefault(level.casefold(), level)
        if spelling != level:
            raise Refused(
                f"factor {name} writes one level in two ways: {spelling} and {level}",
                hint="write it in one way",
            )
    if len(unique) > MAX_LEVELS:
        raise Refused(
            f"factor {name} has {len(unique)} levels, more than {MAX_LEVELS}",
            hint="group its values into ranges or kinds",
        )
    versions = {level: Version.parse(level) for level in unique}
    known_versions = {level: version for level, version in versions.items() if version is not None}
    ordered = bool(unique) and len(known_versions) == len(unique)
    if ordered:
        level_of: dict[Version, str] = {}
        for level, version in known_versions.items():
            if version in level_of:
                raise Refused(
                    f"factor {name} writes one version in two ways: {level_of[version]} and {level}",
                    hint="write it in one way",
                )
            level_of[version] = level
        unique.sort(key=lambda level: known_versions[level])
    return Factor(name=name, levels=tuple(unique), ordered=ordered, label=label)
