"""Runs that are spent on an answer for each given value, before any are spent on causes.

What tells most about a cause need not be what a person can use: an owner of one board is not helped by a
run on another. So while a given value has no cell in which every goal that runs can speak of works, the run
with the best chance to be one comes first, the given values taking turns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from attrs import frozen

from bootwright.foundation.verdict import Verdict
from bootwright.investigate.analysis.causes import CauseSpace
from bootwright.investigate.analysis.choose import Beliefs, Choice
from bootwright.investigate.analysis.either import sound
from bootwright.investigate.analysis.judge import Judgement, judge
from bootwright.investigate.analysis.known import known_at
from bootwright.investigate.analysis.observations import Observation, Values
from bootwright.investigate.plans.given import Given, fits, text
from bootwright.investigate.plans.plan import Plan
from bootwright.investigate.plans.runs import Run
from bootwright.investigate.running.investigation import Step

ANSWER = "answer "
"""How the purpose of such a step begins; the given value follows."""


@frozen
class _Cell:
    """A cell of a given value, with the wanted levels, that a run can show."""

    run: Run
    outcomes: frozenset[str]
    values: Values


@frozen
class Promising:
    """A run that may be a given value's answer."""

    step: Step
    rate: float
    """The chance that it works, a second of its cost."""


class GivenFirst:
    """Chooses such runs. A plan without given factors has none."""

    def __init__(self, space: CauseSpace, plan: Plan, runs: Sequence[Run], given: Sequence[Given]) -> None:
        self._space = space
        self._plan = plan
        self._cells = {text(value): _cells(plan, runs, value) for value in (given if plan.given else ())}

    def pick(
        self, observations: Sequence[Observation], steps: Sequence[Step], able: Sequence[tuple[Run, float]]
    ) -> Step | None:
        """The next such run of `able` (with its cost in seconds), or None where each value is answered.

        Also None for a value that no run left can answer: every cause left predicts failure in its cells.
        """
        turns = [step.purpose for step in steps]
        promising = self.promising(observations, able).values()
        best = min(
            promising,
            key=lambda candidate: (turns.count(candidate.step.purpose), -candidate.rate),
            default=None,
        )
        return best.step if best is not None else None

    def promising(
        self, observations: Sequence[Observation], able: Sequence[tuple[Run, float]]
    ) -> dict[str, Promising]:
        """Given value without an answer → the run with the best chance for its cost, where there is one."""
        if not any(self._cells.values()):
            return {}
        judgements = self._judgements(observations)
        beliefs = _beliefs(self._space, judgements)
        seconds = {run.id: cost for run, cost in able}
        promising = {}
        for name, cells in self._cells.items():
            if self._answered(cells, judgements):
                continue
            chances = [
                (self._chance(cell, judgements, beliefs) / max(seconds[cell.run.id], 1e-9), cell)
                for cell in cells
                if cell.run.id in seconds
            ]
            rate, cell = max(chances, key=lambda pair: pair[0], default=(0.0, None))
            if cell is not None and rate > 0:
                promising[name] = Promising(self._step(name, cell, beliefs), rate)
        return promising

    def unseen(self, observations: Sequence[Observation], able: Sequence[tuple[Run, float]]) -> Step | None:
        """A prediction in a cell of a value without an answer that the causes left say fails; or None.

        That everything free was exhausted is better seen than concluded, where no boot is needed for it.
        """
        if not any(self._cells.values()):
            return None
        judgements = self._judgements(observations)
        ids = {run.id for run, _ in able}
        for name, cells in self._cells.items():
            if self._answered(cells, judgements):
                continue
            for cell in cells:
                known = [known_at(self._space, judgements[goal], cell.values) for goal in cell.outcomes]
                predicted = cell.run.experiment.source == "predicted"
                if predicted and cell.run.id in ids and any(outcome.by is None for outcome in known):
                    return self._step(name, cell, _beliefs(self._space, judgements))
        return None

    def _judgements(self, observations: Sequence[Observation]) -> dict[str, Judgement]:
        return {name: judge(self._space, observations, name, self._plan.wanted) for name in self._plan.goals}

    def _step(self, name: str, cell: _Cell, beliefs: Mapping[str, Beliefs]) -> Step:
        """The run of a cell, as a step towards the answer for a given value."""
        worth = dict.fromkeys(sorted(cell.outcomes), 0.0)
        left = {outcome: beliefs[outcome].left.bit_count() for outcome in worth}
        choice = Choice(cell.run.trial, 0.0, worth, self._splits(cell, beliefs))
        return Step(choice, cell.run, f"{ANSWER}{name}", left)

    def _answered(self, cells: Sequence[_Cell], judgements: Mapping[str, Judgement]) -> bool:
        """Whether in one of the cells all goals that runs can speak of work, and none is known to fail."""
        spoken_of = {name for cell in cells for name in cell.outcomes}
        for cell in cells:
            verdicts = {
                name: known_at(self._space, judgement, cell.values).verdict
                for name, judgement in judgements.items()
            }
            if Verdict.FAILS not in verdicts.values() and all(
                verdicts[name] is Verdict.WORKS for name in spoken_of
            ):
                return True
        return not spoken_of

    def _chance(
        self, cell: _Cell, judgements: Mapping[str, Judgement], beliefs: Mapping[str, Beliefs]
    ) -> float:
        """How likely every goal works there, by the weight of the causes left; 0 where it tells nothing."""
        chance, tells = 1.0, False
        failing, _ = self._space.failing(cell.values)
        for name, judgement in judgements.items():
            known = known_at(self._space, judgement, cell.values)
            if known.verdict is Verdict.FAILS:
                return 0.0
            if known.by is None and name in cell.outcomes:
                tells = True
                left = beliefs[name].left
                whole = beliefs[name].mass(left)
                chance *= beliefs[name].mass(left & ~failing) / whole if whole else 1.0
        return chance if tells else 0.0

    def _splits(self, cell: _Cell, beliefs: Mapping[str, Beliefs]) -> dict[str, tuple[int, ...]]:
        failing, _ = self._space.failing(cell.values)
        return {
            name: tuple(
                sorted(
                    filter(
                        None,
                        (
                            (beliefs[name].left & failing).bit_count(),
                            (beliefs[name].left & ~failing).bit_count(),
                        ),
                    ),
                    reverse=True,
                )
            )
            for name in sorted(cell.outcomes)
        }


def _cells(plan: Plan, runs: Sequence[Run], given: Given) -> tuple[_Cell, ...]:
    """The cells of a given value that runs can show, with the wanted levels."""
    wanted = {**plan.wanted, **given}
    cells = []
    for run in runs:
        by_cell: dict[tuple[tuple[str, tuple[str, ...]], ...], set[str]] = {}
        for outcome, values in run.trial.views:
            if outcome in plan.goals and fits(values, wanted):
                by_cell.setdefault(tuple(sorted(values.items())), set()).add(outcome)
        cells += [_Cell(run, frozenset(outcomes), dict(cell)) for cell, outcomes in by_cell.items()]
    return tuple(cells)


def _beliefs(space: CauseSpace, judgements: Mapping[str, Judgement]) -> dict[str, Beliefs]:
    return {name: _left(space, judgement) for name, judgement in judgements.items()}


def _left(space: CauseSpace, judgement: Judgement) -> Beliefs:
    """The causes that fit; where none does alone, those that are sound, any of which may be a part."""
    causes = space.mask(judgement.causes)
    if not causes:
        causes = sound(space, judgement.kept, judgement.outcome)
    return Beliefs(space, causes)
