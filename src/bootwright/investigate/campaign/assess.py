"""Where a campaign is: the state of each task, the decision points that hold, what waits for whom.

A pure function of an investigation, of how steps ended and of what people told; nothing is run here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from attrs import evolve, frozen

from bootwright.foundation.verdict import Verdict
from bootwright.investigate.analysis.observations import Source
from bootwright.investigate.campaign.cells import (
    emulated_cells,
    names_of_cells,
    waiting_cells,
)
from bootwright.investigate.campaign.criteria import Held, judge_task, named
from bootwright.investigate.campaign.model import Campaign, PointRow, State, StepRow, TaskRow
from bootwright.investigate.campaign.situation import Means, Situation
from bootwright.investigate.campaign.steps import Steps, runnable
from bootwright.investigate.campaign.told import Told
from bootwright.investigate.decision.decide import Decision
from bootwright.investigate.decision.given import Answer
from bootwright.investigate.plans.given import text
from bootwright.investigate.plans.plan import Plan, covers
from bootwright.investigate.plans.tasks import DecisionPoint, Need, Task, When
from bootwright.investigate.running.investigation import Investigation

_PEOPLE: Mapping[Need, str] = {
    "sources": "a git repository of kernels (--repository)",
    "serial": "a serial adapter",
    "person": "a person",
    "network": "a network",
    "emulator": "an emulator",
}
_KNOWN_TO_WORK = {
    "bench": "seen to work on a board",
    "emulated": "seen to work under emulation, not yet all of it on a board",
    "predicted": "predicted to work",
    "reported": "reported to work",
}
ORDER = ("P0", "P1", "P2", "P3")


@frozen
class Assessed:
    """The state of a campaign, with what the walk needs of it."""

    campaign: Campaign
    open_tasks: tuple[Task, ...]
    """Tasks that are open and have steps that can be run here, most urgent first."""


class Assessor:
    """Assesses one campaign."""

    def __init__(
        self,
        plan: Plan,
        steps: Steps,
        means: Means,
        *,
        assume_no_board: bool,
        plan_from: str = "",
    ) -> None:
        self._plan = plan
        self._steps = steps
        self._means = means
        self._plan_from = plan_from or plan.name
        self._no_board = assume_no_board

    def assess(self, investigation: Investigation, decision: Decision, answers: Sequence[Told]) -> Assessed:
        """The campaign as it stands."""
        results = {
            step: result
            for task in self._plan.task
            for step in task.steps
            if (result := self._steps.recorded(step)) is not None
        }
        closed = {text(answer.given) for answer in decision.answers if self._is_closed(answer)}
        held = {
            task.id: _without(
                judge_task(investigation, task, results, board="board" in task.needs),
                # Where nothing works it is still to be seen at what it fails.
                set() if any(criterion.by == "link" for criterion in task.criterion) else closed,
            )
            for task in self._plan.task
        }
        situation = Situation(self._plan, investigation, decision, tuple(answers), results)
        opened, taken = {"P0"}, list[DecisionPoint]()
        while True:
            ended = any(point.ends for point in taken)
            states = {
                task.id: self._state(task, held[task.id], opened, ended=ended) for task in self._plan.task
            }
            new = [
                point
                for point in self._plan.decision
                if point not in taken and not ended and self._holds(point, states, held, decision, opened)
            ]
            if not new:
                break
            taken += new
            opened |= {name for point in new for name in point.opens}
        waiting = [(task, held[task.id]) for task in self._plan.task if states[task.id] is State.WAITING]
        asked = [] if self._no_board or ended else [pair for pair in waiting if "board" in pair[0].needs]
        cells = (
            []
            if self._no_board or (ended and not any(answer.disputed for answer in decision.answers))
            else waiting_cells(situation, asked, self._means)
        )
        open_tasks = tuple(task for task in self._plan.task if states[task.id] is State.OPEN)
        campaign = Campaign(
            plan=self._plan.name,
            plan_from=self._plan_from,
            title=self._plan.title,
            question=self._plan.question,
            verdict=decision.verdict,
            source=_weakest(decision),
            decided=ended
            or not (open_tasks or waiting or cells)
            or (bool(closed) and len(closed) == len(decision.answers)),
            decision=_in_words(self._plan, decision, taken),
            tasks=[self._row(task, held[task.id], states[task.id], situation) for task in self._plan.task],
            points=[
                PointRow(
                    point.id,
                    " and ".join(_condition(when) for when in point.when),
                    point.then,
                    point in taken,
                    point.ends,
                    list(point.opens),
                )
                for point in self._plan.decision
            ],
            cells=cells,
            names=names_of_cells(investigation),
            emulated=emulated_cells(investigation),
            told=[answer.id for answer in answers],
            assume_no_board=self._no_board,
            written_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        return Assessed(campaign, open_tasks)

    def _state(self, task: Task, held: Held, opened: set[str], *, ended: bool) -> State:
        board = "board" in task.needs and not self._no_board
        proved = not board or held.source is Source.BENCH or held.source is None
        if held.verdict is not Verdict.UNKNOWN and proved and not (board and held.open_given):
            return State.DONE if held.verdict is Verdict.WORKS else State.REFUTED
        if ended:
            return State.UNNEEDED
        if task.priority not in opened and task.id not in opened:
            return State.CLOSED
        if self._ready(task):
            return State.OPEN
        about_boards = any(criterion.by in {"works", "compared"} for criterion in task.criterion)
        if board and about_boards and not held.open_given:
            return State.UNNEEDED  # every board is answered for by other tasks
        if self._no_board and set(task.needs) <= {"emulator", "board", "revision", "serial", "person"}:
            return State.EXHAUSTED
        return State.WAITING

    def _ready(self, task: Task) -> bool:
        """Whether its verdict hangs on steps that can be run here."""
        return any(criterion.by == "steps" for criterion in task.criterion) and bool(
            runnable(self._steps, task)
        )

    def _holds(
        self,
        point: DecisionPoint,
        states: Mapping[str, State],
        held: Mapping[str, Held],
        decision: Decision,
        opened: set[str],
    ) -> bool:
        return all(self._true(when, states, held, decision, opened) for when in point.when)

    def _true(
        self,
        when: When,
        states: Mapping[str, State],
        held: Mapping[str, Held],
        decision: Decision,
        opened: set[str],
    ) -> bool:
        wanted = Verdict(when.its)
        if when.task:
            return held[when.task].verdict is wanted and self._helps(when, decision)
        tasks = [task for task in self._plan.task if task.priority == when.priority]
        answered = all(self._answered(answer) for answer in decision.answers)
        if wanted is Verdict.WORKS:
            return answered and any(held[task.id].verdict is Verdict.WORKS for task in tasks)
        if when.priority not in opened or answered:
            return False
        return all(states[task.id].is_end for task in tasks)

    def _helps(self, when: When, decision: Decision) -> bool:
        """Whether a success is one for what still fails: of a fix, the goal that it mends has to be open."""
        (task,) = (task for task in self._plan.task if task.id == when.task)
        outcomes = [
            self._plan.outcome[criterion.outcome] for criterion in task.criterion if criterion.outcome
        ]
        mended = {outcome.mends for outcome in outcomes if outcome.mends}
        still_open = {
            goal for answer in decision.answers if not self._answered(answer) for goal in answer.open_goals
        }
        return when.its != "works" or not mended or bool(mended & still_open)

    def _answered(self, answer: Answer) -> bool:
        """Whether something is known to work for a given value: on a board, unless none is to be had."""
        best = answer.best
        if answer.verdict is not Verdict.WORKS or best is None:
            return answer.verdict is Verdict.WORKS and not answer.given
        return self._no_board or best.source == Source.BENCH.word or not self._needs_board()

    def _is_closed(self, answer: Answer) -> bool:
        """Whether a given value needs no board any more: something works there, or nothing can."""
        return bool(answer.given) and (answer.exhausted or self._answered(answer))

    def _needs_board(self) -> bool:
        return any("board" in task.needs for task in self._plan.task)

    def _row(
        self,
        task: Task,
        held: Held,
        state: State,
        situation: Situation,
    ) -> TaskRow:
        results, known = situation.results, held.verdict is not Verdict.UNKNOWN
        beliefs = {belief.id: belief.status for belief in situation.decision.beliefs}
        outcomes = {criterion.outcome for criterion in task.criterion if criterion.outcome}
        ran = sum(results[step].seconds for step in task.steps if step in results)
        boots = sum(
            done.recording.wall_seconds
            for step in situation.investigation.steps
            for done in step.done
            if _is_for(self._plan, task, step.choice.trial.outcomes & outcomes)
        )
        minutes = sum(answer.minutes for answer in situation.told if _first_about(self._plan, answer) is task)
        return TaskRow(
            id=task.id,
            priority=task.priority,
            title=task.title,
            state=state,
            verdict=held.verdict,
            source=held.source.word if held.source is not None and known else "",
            says=held.says,
            waits_for=self._waits_for(task, held, state),
            hypothesis=task.hypothesis,
            belief=beliefs.get(task.belief, ""),
            seconds=round(ran + boots, 3),
            hours_told=round(minutes / 60, 3),
            hours=task.hours,
            steps=[
                StepRow(
                    step,
                    results[step].status if step in results else None,
                    results[step].seconds if step in results else 0.0,
                    self._steps.lacks(step),
                )
                for step in task.steps
            ],
        )

    def _waits_for(self, task: Task, held: Held, state: State) -> list[str]:
        if state is not State.WAITING:
            return []
        boards = [f"board {named(given)}" for given in held.open_given]
        needs = [_PEOPLE[need] for need in task.needs if need in _PEOPLE and need != "emulator"]
        if "board" in task.needs and not boards:
            boards = ["a board"]
        return [*boards, *needs]


def _is_for(plan: Plan, task: Task, outcomes: frozenset[str] | set[str]) -> bool:
    """Whether a boot counts as the time of a task: the first task that asks for one of its outcomes."""
    for other in plan.task:
        if any(criterion.outcome in outcomes for criterion in other.criterion):
            return other is task
    return False


def _weakest(decision: Decision) -> str:
    best = [answer.best for answer in decision.answers]
    words = [configuration.source for configuration in best if configuration is not None]
    order = [source.word for source in Source]
    return min(words, key=order.index) if words and len(words) == len(best) else ""


def _first_about(plan: Plan, answer: Told) -> Task | None:
    """The first task that a told cell is one of: its time is counted once."""
    values = {name: (level,) for name, level in answer.factors.items()}
    for task in plan.task:
        for criterion in task.criterion:
            if criterion.outcome in answer.outcomes and covers(criterion.cells, values):
                return task
    return None


def _without(held: Held, closed: set[str]) -> Held:
    """The same, without the given values that need no board any more.

    Where all the others were seen on a board, that is what is known of it.
    """
    held = evolve(held, open_given=tuple(given for given in held.open_given if text(given) not in closed))
    seen = [verdict for _, verdict, source in held.rows if source is Source.BENCH]
    left = [given for given, _, source in held.rows if source is not Source.BENCH]
    if not seen or held.source is Source.BENCH or any(text(given) not in closed for given in left):
        return held
    verdict = Verdict.WORKS if Verdict.WORKS in seen else Verdict.FAILS
    return evolve(held, verdict=verdict, source=Source.BENCH)


def _condition(when: When) -> str:
    return f"{when.priority or f'task {when.task}'} {when.its}"


def _in_words(plan: Plan, decision: Decision, taken: Sequence[DecisionPoint]) -> list[str]:
    words = []
    for answer in decision.answers:
        of = f"{named(answer.given)}: " if answer.given else ""
        if answer.best is not None and answer.verdict is Verdict.WORKS:
            release = f" ({answer.best.release})" if answer.best.release else ""
            levels = ", ".join(
                f"{name} {plan.word(name, level)}"
                for name, level in answer.best.factors.items()
                if name not in answer.given
            )
            seen = _KNOWN_TO_WORK[answer.best.source]
            words.append(f"{of}use {levels}{release}; {seen}")
        elif answer.exhausted:
            other = " or ".join(named(given) for given in answer.instead)
            words.append(f"{of}nothing works: {answer.why}" + (f"; {other} works" if other else ""))
        else:
            words.append(f"{of}unknown: {answer.why}")
    return [*words, *(point.then for point in taken)]
