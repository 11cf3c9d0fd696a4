"""The outcome of a file with several boots, by how far each of them got."""

from __future__ import annotations

from typing import Final

from bootwright.diagnose.model import STAGES, Outcome

LOOP: Final = 3
"""Boots in a row that restart at the same stage before it is called a loop."""
_KERNEL: Final = STAGES.index("kernel")
_INIT: Final = STAGES.index("init")
_SERVICES: Final = STAGES.index("services")
_READY: Final = STAGES.index("ready")
_Reached = tuple[int, int]
"""Index into `STAGES` of the furthest stage, and lines said."""
_MUCH_MORE = 3


def got_past(turn: _Reached, other: _Reached, *, in_a_row: int) -> bool:
    """Whether a boot got past where an earlier one restarted, which was the last of so many `in_a_row`.

    By its stage; in firmware, whose stages are few, also by saying much more. Where programs had run before a
    single restart, getting there again is enough.
    """
    if turn[0] != other[0]:
        return turn[0] > other[0]
    if turn[0] >= _SERVICES:
        return in_a_row == 1
    return 0 <= turn[0] < _KERNEL and turn[1] >= _MUCH_MORE * max(other[1], 1)


ORDER = (Outcome.UNKNOWN, Outcome.BOOT_OK, Outcome.DEGRADED, Outcome.FAILED)


class Overall:
    """The outcome of a file with several boots: that of the last one that got somewhere."""

    def __init__(self) -> None:
        self._decisive: Outcome | None = None
        self._failed = False
        self._failed_at = -1
        """How far a boot after the last one that failed must get: index into `STAGES`."""
        self._latest = Outcome.UNKNOWN
        """Of the last boot of which anything is known."""
        self._latest_rank = -1
        """How far it got: of one of which no more than the end is shown another tells more."""
        self._restarted: dict[_Reached, list[Outcome]] = {}
        """Of boots of which nothing is known but that they restarted: outcomes, by how far they got."""

    def copy(self) -> Overall:
        """Another one that knows the same."""
        duplicate = Overall()
        duplicate._decisive, duplicate._failed, duplicate._latest = self._decisive, self._failed, self._latest
        duplicate._failed_at, duplicate._latest_rank = self._failed_at, self._latest_rank
        duplicate._restarted = {reached: list(outcomes) for reached, outcomes in self._restarted.items()}
        return duplicate

    def add(self, outcome: Outcome, rank: int, *, said: int, only_restarted: bool) -> None:
        """One more boot, of `said` lines, that got as far as `STAGES[rank]`.

        Of one that `only_restarted` the outcome stands unless a later one gets past it.
        """
        reached = (rank, said)
        for before, outcomes in list(self._restarted.items()) if self._restarted else ():
            if got_past(reached, before, in_a_row=len(outcomes)):
                del self._restarted[before]
        if not only_restarted:
            if self._restarted:
                self.settle()
            self._count(outcome, rank)
            return
        same = next((before for before in self._restarted if before[0] == rank), reached)
        self._restarted.setdefault(same, []).append(outcome)
        if len(self._restarted[same]) > LOOP:
            del self._restarted[same][0]

    def settle(self) -> None:
        """No later boot gets past those that only restarted: they count."""
        for (rank, _), outcomes in self._restarted.items():
            for outcome in outcomes:
                self._count(outcome, rank, restarted=True)
        self._restarted.clear()

    def _count(self, outcome: Outcome, rank: int, *, restarted: bool = False) -> None:
        """After one that just `restarted` a boot must get further to have come up, after another as far."""
        came_up = outcome is not Outcome.UNKNOWN and rank >= max(_INIT, self._failed_at)
        if outcome is Outcome.FAILED or rank >= _READY or (self._decisive is Outcome.FAILED and came_up):
            self._decisive = outcome
        if outcome is Outcome.FAILED:
            self._failed_at = rank + restarted
        self._failed |= outcome is Outcome.FAILED
        ended_only = self._latest is Outcome.BOOT_OK and self._latest_rank < _INIT
        if outcome is not Outcome.UNKNOWN or (ended_only and rank >= 0):
            self._latest, self._latest_rank = outcome, rank

    @property
    def value(self) -> Outcome:
        """That of the last boot; a failure before a boot that worked leaves the whole degraded."""
        if self._restarted:
            settled = self.copy()
            settled.settle()
            return settled.value
        if self._decisive is None:
            return self._latest
        if self._decisive is Outcome.BOOT_OK and self._failed:
            return Outcome.DEGRADED
        return self._decisive
