"""Who may have turned it, with probabilities, over any history.

A history is its commits (or releases), each with all that it is made on. Exactly one of them turned the goal:
everything that contains it behaves in the new way, everything else in the old one. That is Bayesian search
(M. Ben-Or and A. Hassidim, "The Bayesian Learner is Optimal for Noisy Binary Search", FOCS 2008): each boot
shifts the probabilities, by how often boots lie, and the next one is where it tells most. Without noise it is
binary search. Two more suspects stand for ends that are not as the user says: that the old end behaves in the
new way already, and that the new end never does.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

from attrs import define, field, frozen

BEFORE = -1
"""Suspect: the old end is no different from the new one."""
NEVER = -2
"""Suspect: the new end is no different from the old one."""


@frozen
class Likelihoods:
    """How probable one boot's outcome is."""

    new_if_new: float
    """That it shows the new way, of a kernel that behaves so."""
    new_if_old: float

    def of(self, *, new: bool) -> tuple[float, float]:
        """Of an outcome: (if the kernel behaves in the new way, if in the old)."""
        if new:
            return self.new_if_new, self.new_if_old
        return 1 - self.new_if_new, 1 - self.new_if_old


@define
class Suspects:
    """The members of a history as suspects.

    `contains` holds for each member a bit mask of the members that it is made of, itself included; members
    are numbered so that no one contains a later one. The old end is member `count`, which contains none.
    """

    contains: Sequence[int]
    likelihoods: Likelihoods
    _groups: dict[float, int] = field(init=False)
    """Log of the probability, not normed → bit mask of the suspects that have it."""
    _before: int = field(init=False)

    def __attrs_post_init__(self) -> None:
        count = len(self.contains)
        self._before = 1 << count
        # The highest bit is in no member: `NEVER`.
        self._groups = {0.0: (1 << (count + 2)) - 1}

    @property
    def count(self) -> int:
        """How many members may have turned it."""
        return len(self.contains)

    def mask(self, member: int) -> int:
        """The suspects with which that member behaves in the new way; `count` is the old end."""
        own = self.contains[member] if member < self.count else 0
        return own | self._before

    def seen(self, member: int, *, new: bool) -> None:
        """A boot of that member showed the new way, or the old."""
        inside = self.mask(member)
        if_new, if_old = self.likelihoods.of(new=new)
        groups: dict[float, int] = {}
        for weight, suspects in self._groups.items():
            for likelihood, part in ((if_new, suspects & inside), (if_old, suspects & ~inside)):
                if part and likelihood > 0:
                    # Rounded, so that suspects with the same outcomes in another order stay together.
                    key = round(weight + math.log(likelihood), 9)
                    groups[key] = groups.get(key, 0) | part
        if groups:
            top = max(groups)
            self._groups = {round(weight - top, 9): part for weight, part in groups.items()}
        else:
            self._groups = {}

    @property
    def contradicted(self) -> bool:
        """Whether no suspect explains what was seen: without noise, the goal turned more than once."""
        return not self._groups

    def _total(self) -> float:
        return sum(math.exp(weight) * part.bit_count() for weight, part in self._groups.items())

    def _share(self, mask: int, total: float) -> float:
        inside = sum(math.exp(weight) * (part & mask).bit_count() for weight, part in self._groups.items())
        return inside / total if total else 0.0

    def likely(self, share: float) -> tuple[tuple[int, float], ...]:
        """The fewest suspects that together have this probability, the most probable first."""
        total = self._total()
        result: list[tuple[int, float]] = []
        reached = 0.0
        for weight in sorted(self._groups, reverse=True):
            chance = math.exp(weight) / total
            for number in bits(self._groups[weight]):
                if reached >= share:
                    return tuple(result)
                result.append((self._name(number), chance))
                reached += chance
        return tuple(result)

    def _name(self, number: int) -> int:
        return {self.count: BEFORE, self.count + 1: NEVER}.get(number, number)

    def next(self, *, skipped: Collection[int], costs: Mapping[int, float], cost: float) -> int | None:
        """The member whose boot tells most for what it costs; None where none tells anything.

        `skipped` cannot be tried, and what is near one of them probably cannot either. `costs` are those of
        members that are there, `cost` that of any other, in boots.
        """
        total = self._total()
        masks = {member: self.mask(member) for member in skipped}
        best: tuple[float, int] | None = None
        for member in range(self.count + 1):
            if member in skipped:
                continue
            mask = self.mask(member)
            share = self._share(mask, total)
            information = self._information(share)
            if information < 1e-9:
                continue
            # A neighbour of one that does not build shares what breaks it, the less the more lies between.
            near = min(((mask ^ other).bit_count() for other in masks.values()), default=None)
            chance = 1.0 if near is None else 1 - 1 / (1 + near)
            value = chance * information / costs.get(member, cost)
            if best is None or value > best[0] + 1e-12:
                best = (value, member)
        return best[1] if best is not None else None

    def _information(self, share: float) -> float:
        """Bits that one boot tells of a member with this probability of the new way."""
        new, old = self.likelihoods.new_if_new, self.likelihoods.new_if_old
        shown = share * new + (1 - share) * old
        return _entropy(shown) - share * _entropy(new) - (1 - share) * _entropy(old)


def bits(mask: int) -> list[int]:
    """The numbers of a mask's bits."""
    return [number for number, digit in enumerate(bin(mask)[:1:-1]) if digit == "1"]


def _entropy(share: float) -> float:
    if share <= 0 or share >= 1:
        return 0.0
    return -share * math.log2(share) - (1 - share) * math.log2(1 - share)
