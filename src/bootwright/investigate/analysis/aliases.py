"""Aliased factors: those that the observations never varied independently of each other.

Two factors are aliased when their levels split the observations in the same way: wherever one differs,
so does the other. Nothing that was seen can then tell the effect of one from the effect of the other
(Box, Hunter and Hunter, *Statistics for Experimenters*, 2nd ed., ch. 6; docs/theory.md).
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from bootwright.investigate.analysis.factors import Factor
from bootwright.investigate.analysis.observations import Observation


@frozen
class Aliasing:
    """What the observations can and cannot tell apart."""

    groups: tuple[tuple[str, ...], ...]
    """Factors that always changed together, two or more a group."""
    never_varied: tuple[str, ...]
    """Factors that had one level wherever their level is known."""
    not_known: tuple[str, ...]
    """Factors whose level is missing in so many observations that nothing can be said."""


def find_aliases(factors: Sequence[Factor], observations: Sequence[Observation]) -> Aliasing:
    """Group the factors by how they split the observations. O(factors · observations)."""
    splits: dict[tuple[int, ...], list[str]] = {}
    never: list[str] = []
    missing: list[str] = []
    for factor in factors:
        levels = [observation.level(factor.name) for observation in observations]
        known_levels = {level for level in levels if level is not None}
        if len(known_levels) < 2:
            (never if known_levels and None not in levels else missing).append(factor.name)
            continue
        if None in levels:
            missing.append(factor.name)
            continue
        first: dict[str | None, int] = {}
        splits.setdefault(tuple(first.setdefault(level, len(first)) for level in levels), []).append(
            factor.name
        )
    groups = tuple(tuple(names) for names in splits.values() if len(names) > 1)
    return Aliasing(groups=groups, never_varied=tuple(never), not_known=tuple(missing))
