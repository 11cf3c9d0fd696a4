"""The smallest change that works: changes are tried on the predictor, the cheapest first.

One change after the other is predicted; where one leads on without being enough (another link is the broken
one now, and nothing that worked is broken), others are tried on top of it. What costs least is answered
first, so that the first answer is the smallest of those that are known.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence

from attrs import define, field, frozen

from bootwright.foundation.errors import BootwrightError
from bootwright.foundation.progress import Progress
from bootwright.foundation.verdict import Verdict
from bootwright.predict.given.gathered import Gathered
from bootwright.prepare.mends.small_changes import all_of
from bootwright.prepare.model import Judged, Mend, MendKind, Setup, Trial

MOST_TRIALS = 400
"""Predictions of one search; each takes 10 to 200 ms."""
_MOST_TOGETHER = 3
"""Changes in one answer."""

Propose = Callable[[Setup, Judged, frozenset[MendKind]], Iterator[Mend]]
"""(an image, what is predicted of it, the kinds of changes in it already) → changes to try on top."""
Judge = Callable[[Gathered], Judged]

_PARTS = frozenset({MendKind.DEVICETREE, MendKind.MODULES, MendKind.KERNEL})
"""What an answer has one of each of; a kernel stands alone, as it brings its modules and devicetrees."""


@frozen(order=True)
class _Open:
    """A change, or several, that are yet to be judged."""

    cost: float
    number: int
    """Of two that cost the same, what was proposed first comes first."""
    mends: tuple[Mend, ...] = field(eq=False)
    setup: Setup = field(eq=False)
    """The image with all but the last of them."""
    before: Judged = field(eq=False)


@define
class Search:
    """A search for changes; `trials` holds everything that was judged so far."""

    propose: Propose
    judge: Judge
    progress: Progress
    trials: list[Trial] = field(factory=list)
    _open: list[_Open] = field(factory=list)
    _known: set[frozenset[str]] = field(factory=set)
    _count: int = 0
    _path: tuple[Mend, ...] = ()
    """The changes that others are being proposed on top of."""

    def begin(self, setup: Setup, judged: Judged) -> None:
        """Propose changes of the image as it is."""
        self._add((), 0.0, setup, judged)

    def that_matter(self, mends: Sequence[Mend], setup: Setup, judged: Judged) -> Iterator[Mend]:
        """The small changes, unless all of them together change nothing: then they are one trial."""
        if not mends:
            return
        everything = all_of(mends)
        try:
            after = self.judge(everything.apply(setup).gathered)
        except BootwrightError:
            yield from mends  # together they contradict each other
            return
        if after.verdict is Verdict.WORKS or leads_on(after, judged):
            yield from mends
        else:
            self.trials.append(Trial((*self._path, everything), after, why_not(after, judged)))

    def answers(self) -> Iterator[Trial]:
        """Changes with which every goal that decides works, the smallest first."""
        while self._open and len(self.trials) < MOST_TRIALS:
            current = heapq.heappop(self._open)
            last = current.mends[-1]
            try:
                setup = last.apply(current.setup)
                judged = self.judge(setup.gathered)
            except BootwrightError as error:
                self.trials.append(Trial(current.mends, None, error.message))
                continue
            self.progress.advance(len(self.trials) + 1, None, "changes tried")
            if judged.verdict is Verdict.WORKS:
                trial = Trial(current.mends, judged)
                self.trials.append(trial)
                yield trial
                continue
            self.trials.append(Trial(current.mends, judged, why_not(judged, current.before)))
            if leads_on(judged, current.before) and len(current.mends) < _MOST_TOGETHER:
                self._add(current.mends, current.cost, setup, judged)

    def reject(self, trial: Trial, why: str) -> None:
        """Say of an answer that it is none after all."""
        index = self.trials.index(trial)
        self.trials[index] = Trial(trial.mends, trial.judged, why)

    def _add(self, mends: tuple[Mend, ...], cost: float, setup: Setup, judged: Judged) -> None:
        self._path = mends
        used = frozenset(mend.kind for mend in mends)
        for mend in self.propose(setup, judged, used):
            if not excluded(mend.kind, used):
                self._push((*mends, mend), cost + mend.cost, setup, judged)

    def _push(self, mends: tuple[Mend, ...], cost: float, setup: Setup, judged: Judged) -> None:
        key = frozenset(mend.title for mend in mends)
        if key in self._known:
            return
        self._known.add(key)
        self._count += 1
        heapq.heappush(self._open, _Open(cost, self._count, mends, setup, judged))


def excluded(kind: MendKind, used: frozenset[MendKind]) -> bool:
    """Whether a change of that kind makes no sense beside those."""
    parts = used & _PARTS
    return kind in _PARTS and (kind in parts or (bool(parts) and MendKind.KERNEL in parts | {kind}))


def leads_on(judged: Judged, before: Judged) -> bool:
    """Whether something is better than before, or broken at another place, and nothing is worse."""
    goals, earlier = judged.goals, before.goals
    order = (Verdict.FAILS, Verdict.UNKNOWN, Verdict.WORKS)
    changed = False
    for key, goal in goals.items():
        was = earlier.get(key)
        if was is None:
            continue
        if order.index(goal.verdict) < order.index(was.verdict):
            return False
        changed |= goal.verdict is not was.verdict
        link, other = goal.first_broken, was.first_broken
        if link is not None and other is not None:
            changed |= (link.node, link.needs, link.reason) != (other.node, other.needs, other.reason)
    return changed


def why_not(judged: Judged, before: Judged) -> str:
    """Why an image with a change is not the answer, in one line."""
    first = judged.first
    if first is None:
        return "its verdict is not known"
    stepping, goal, link = first
    steppings = len({board_verdicts.stepping for board_verdicts in judged.boards}) > 1
    name = f"{goal} on {stepping}" if steppings else goal
    verdict = judged.goals[stepping, goal].verdict
    was = before.goals.get((stepping, goal))
    word = "still " if was is not None and was.verdict is verdict else ""
    says = f"{word}fails" if verdict is Verdict.FAILS else f"is {word}unknown"
    return f"{name} {says}: {link.node}: {link.reason or link.needs}"
