"""The search itself: boots where they tell most, until one suspect is left or nothing more can be told."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import define, field, frozen

from bootwright.foundation.errors import Refused
from bootwright.foundation.verdict import Verdict
from bootwright.workshop.bisect.suspects import BEFORE, NEVER, Likelihoods, Suspects
from bootwright.workshop.trials.trials import Subject, Trials, Unbuildable

CONFIDENCE = 0.99
"""The probability at which a suspect is taken for the one."""


@frozen
class Tried:
    """What the boots of one member showed."""

    title: str
    passes: int
    fails: int
    skipped: str
    """Why it tells nothing; empty where it does."""


@frozen
class Turn:
    """Where it turned."""

    suspects: tuple[tuple[int, float], ...]
    """Members, with probabilities; one alone where it was found."""
    tried: tuple[Tried, ...]
    contradicted: bool
    """No single turn explains what was seen."""

    @property
    def found(self) -> int | None:
        """The member that turned it; None where several may have."""
        if self.contradicted or not self.suspects:
            return None
        member, share = self.suspects[0]
        return member if share >= CONFIDENCE else None


@define
class _Search:
    trials: Trials
    subjects: Sequence[Subject]
    suspects: Suspects
    new: Verdict
    cost: float
    boots: dict[int, int] = field(factory=dict)
    silent: dict[int, int] = field(factory=dict)
    skipped: dict[int, str] = field(factory=dict)
    passes: dict[int, int] = field(factory=dict)
    last: int | None = None

    def run(self) -> None:
        while not self.suspects.contradicted:
            # Of kernels that are built the last one is there; any other would be built again.
            ready = {} if self.last is None else {self.last: 1.0}
            member = self.suspects.next(skipped=self.skipped, costs=ready, cost=self.cost)
            done = self.suspects.likely(CONFIDENCE)
            if member is None or (len(done) == 1 and done[0][1] >= CONFIDENCE):
                return
            self.boot(member)

    def boot(self, member: int) -> None:
        number = self.boots.get(member, 0)
        try:
            seen = self.trials.observe(self.subjects[member], number)
        except Unbuildable as error:
            self.skipped[member] = error.reason
            return
        self.boots[member] = number + 1
        self.last = member
        if seen.verdict is Verdict.UNKNOWN:
            self.silent[member] = self.silent.get(member, 0) + 1
            if self.silent[member] > self.trials.noise.some:
                self.skipped[member] = seen.reason
            return
        self.passes[member] = self.passes.get(member, 0) + (seen.verdict is Verdict.WORKS)
        self.suspects.seen(member, new=seen.verdict is self.new)


def find_turn(
    trials: Trials,
    subjects: Sequence[Subject],
    contains: Sequence[int],
    *,
    new: Verdict,
    cost: float,
) -> Turn:
    """Who turned the goal to `new`.

    `subjects` are the members of a history, with the old end last; `contains` as `Suspects` has it. `cost` is
    that of a member that was not tried yet, in boots. Raises `Refused` where an end is not as it has to be.
    """
    noise = trials.noise
    shows = {
        Verdict.WORKS: Likelihoods(1 - noise.false_fail, noise.false_pass),
        Verdict.FAILS: Likelihoods(1 - noise.false_pass, noise.false_fail),
    }[new]
    search = _Search(trials, subjects, Suspects(contains, shows), new, cost)
    search.run()
    suspects = search.suspects.likely(CONFIDENCE)
    turn = Turn(suspects, _tried(search), search.suspects.contradicted)
    old_end, new_end = subjects[-1].title, subjects[-2].title
    word = {
        Verdict.WORKS: "reaches the goal, and so does every other that was tried",
        Verdict.FAILS: "does not reach the goal, and neither does any other that was tried",
    }
    old = Verdict.FAILS if new is Verdict.WORKS else Verdict.WORKS
    if turn.found == BEFORE:
        raise Refused(
            f"{old_end} {word[new]}", hint="begin further back, or choose another goal: nothing turns here"
        )
    if turn.found == NEVER:
        raise Refused(
            f"{new_end} {word[old]}", hint="end further on, or choose another goal: nothing turns here"
        )
    return turn


def _tried(search: _Search) -> tuple[Tried, ...]:
    members = sorted(
        {*search.boots, *search.skipped}, key=lambda index: (index != len(search.subjects) - 1, index)
    )
    return tuple(
        Tried(
            search.subjects[member].title,
            search.passes.get(member, 0),
            search.boots.get(member, 0) - search.passes.get(member, 0) - search.silent.get(member, 0),
            search.skipped.get(member, ""),
        )
        for member in members
    )
