"""The cells that wait for a board: which, why, in which order, and what to do for each."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from attrs import evolve, frozen

from bootwright.foundation.verdict import Verdict
from bootwright.investigate.analysis.known import source_of
from bootwright.investigate.analysis.observations import Source, Values
from bootwright.investigate.campaign.criteria import Held, cells_of, known_of
from bootwright.investigate.campaign.model import CellRow
from bootwright.investigate.campaign.situation import Means, Situation
from bootwright.investigate.campaign.told import Told
from bootwright.investigate.decision.decide import Decision
from bootwright.investigate.plans.given import Given, text
from bootwright.investigate.plans.plan import Plan, covers
from bootwright.investigate.plans.runs import at_hand
from bootwright.investigate.plans.tasks import Criterion, Task
from bootwright.investigate.plans.ways import experiment_of, filled, hours_of, made, still_to_tell
from bootwright.investigate.running.investigation import Investigation

_ODD = re.compile(r"[^A-Za-z0-9.+-]+")
_DEAREST = 1e9
_UNSEEN = {
    "history": "has the known mend, by the public history",
    "untried": "is ready made, and nothing that is known speaks against it there",
}
"""Why a release that no run looked at is worth a try, by how it is known."""
_ONCE_MORE = (
    "boot it once more with a serial adapter, and keep its log to the end; IMAGE is the one that was booted"
)


def cell_name(plan: Plan, factors: Mapping[str, str]) -> str:
    """A name that is a file's too: the levels, given ones first, without those that are wanted anyway."""
    names = [*plan.given, *(name for name in plan.factor if name not in (*plan.given, *plan.wanted))]
    return "_".join(_ODD.sub("-", factors[name]) for name in names if name in factors)


def names_of_cells(investigation: Investigation) -> dict[str, dict[str, str]]:
    """Name → factor → level, of every cell of a given value that could be tried on a board."""
    plan = investigation.plan
    if plan is None:
        return {}
    given = {name: set(factor.given) for name, factor in plan.factor.items() if factor.given}
    cells: dict[str, dict[str, str]] = {}
    for trial in (*investigation.bench_trials, *investigation.trials):
        for _, values in trial.views:
            factors = {name: levels[0] for name, levels in values.items()}
            if covers(plan.wanted, values) and all(
                factors.get(name) in levels for name, levels in given.items()
            ):
                cells.setdefault(cell_name(plan, factors), factors)
    return cells


def emulated_cells(investigation: Investigation) -> dict[str, dict[str, str]]:
    """Name → outcome → verdict, of every emulated cell that was booted, for what is wanted."""
    wanted = investigation.plan.wanted if investigation.plan is not None else {}
    cells: dict[str, dict[str, str]] = {}
    for observation in investigation.observations:
        name = str(observation.evidence.get("boot", "")).partition("#")[0]
        if observation.source is Source.EMULATED and name and covers(wanted, observation.values):
            known = cells.setdefault(name, {})
            known |= {outcome: verdict.value for outcome, verdict in observation.outcomes.items()}
    return cells


@frozen
class _Wanted:
    """A cell with what asks for it."""

    values: Values
    given: Given
    rank: tuple[float, float]
    tasks: tuple[str, ...]
    why: str
    steps: tuple[str, ...] = ()
    """Of a task that looks at a cell once more: what makes its image of the one that was booted."""


def waiting_cells(situation: Situation, waiting: Sequence[tuple[Task, Held]], means: Means) -> list[CellRow]:
    """Every cell that somebody should try, best first; `waiting` are the tasks that need a board.

    For each given value without an answer by a board: the configuration that is thought to work there, or the
    experiment that tells most; then one cell for each task; and cells of which people said opposite things.
    """
    plan = situation.plan
    wanted: dict[str, _Wanted] = {}
    for choice in (
        *_disputed(situation),
        *_answering(situation.decision),
        *_of_tasks(situation.investigation, waiting),
    ):
        name = cell_name(plan, {factor: levels[0] for factor, levels in choice.values.items()})
        earlier = wanted.get(name)
        if earlier is None:
            wanted[name] = choice
        else:
            tasks = tuple(dict.fromkeys((*earlier.tasks, *choice.tasks)))
            wanted[name] = evolve(earlier, rank=min(earlier.rank, choice.rank), tasks=tasks)
    ordered = sorted(wanted.items(), key=lambda pair: pair[1].rank)
    return [_row(situation, name, choice, means) for name, choice in ordered]


def _disputed(situation: Situation) -> Iterator[_Wanted]:
    """Cells about which boards contradict each other, and nothing settles it."""
    for answer in situation.decision.answers:
        for dispute in answer.disputed:
            by = dispute.by[0]
            why = f"{by.outcome} was told to work {by.works}× and to fail {by.fails}×: look again"
            values = {factor: (level,) for factor, level in dispute.factors.items()}
            if dispute.hours is not None:
                yield _Wanted(values, answer.given, (0.0, 0.0), (), why)


def _answering(decision: Decision) -> Iterator[_Wanted]:
    for answer in decision.answers:
        if answer.next is None:
            continue
        values = {name: (level,) for name, level in answer.next.factors.items()}
        quick = next(iter(answer.ways), None)
        if quick is not None and quick.source in _UNSEEN and quick.hours is not None:
            levels = {name: (level,) for name, level in quick.factors.items()}
            why = f"{quick.release} {_UNSEEN[quick.source]}; a board has to show it"
            yield _Wanted(levels, answer.given, (1.0, quick.hours), (), why)
        if answer.best is not None:
            why = f"it is thought to work there ({answer.best.source}); a board has to show it"
            yield _Wanted(values, answer.given, (1.0, answer.next.hours), (), why)
        else:
            why = f"it tells most there: {answer.next.bits:.1f} bits"
            yield _Wanted(values, answer.given, (2.0, answer.next.hours), (), why)


def _of_tasks(investigation: Investigation, waiting: Sequence[tuple[Task, Held]]) -> Iterator[_Wanted]:
    for task, held in waiting:
        for criterion in task.criterion:
            if criterion.by == "link":
                yield from _unexplained(investigation, task, criterion, held)
            if criterion.by not in {"works", "compared"}:
                continue
            for given in held.open_given:
                best = min(
                    (
                        (_promise(investigation, criterion.outcome, values), number, values)
                        for number, values in enumerate(cells_of(investigation, criterion, given))
                    ),
                    key=lambda row: row[:2],
                    default=None,
                )
                if best is not None and best[0][0] < _DEAREST:
                    why = f"task {task.id}: {task.success}"
                    yield _Wanted(best[2], given, (3.0 + best[0][0], best[0][1]), (task.id,), why)


def _unexplained(
    investigation: Investigation, task: Task, criterion: Criterion, held: Held
) -> Iterator[_Wanted]:
    """Of each given value a cell that a board showed to fail, and nobody knows at what."""
    steps = tuple(step for step in task.steps if "CELL" in step.split())
    for given in held.open_given:
        for number, values in enumerate(cells_of(investigation, criterion, given)):
            known = known_of(investigation, criterion.outcome, values)
            if known.verdict is Verdict.FAILS and known.by is not None and known.by.source is Source.BENCH:
                why = f"task {task.id}: {task.success}: it failed on the board, and no log says at what"
                yield _Wanted(values, given, (3.0, float(number)), (task.id,), why, steps)
                break


def _promise(investigation: Investigation, outcome: str, values: Values) -> tuple[float, float]:
    """Sorts cells for a trial: thought to work, then unknown, then thought to fail; cheap ones first."""
    known = known_of(investigation, outcome, values)
    seen = known.by is not None and known.by.source is Source.BENCH
    hours, _ = hours_of(investigation.plan, values, investigation.kernels)
    if seen or hours is None:
        return (_DEAREST, 0.0)
    order = {Verdict.WORKS: 0.0, Verdict.UNKNOWN: 0.1, Verdict.FAILS: 0.2}
    return (order[known.verdict], hours)


def _row(situation: Situation, name: str, wanted: _Wanted, means: Means) -> CellRow:
    plan, investigation = situation.plan, situation.investigation
    hours, because = hours_of(plan, wanted.values, investigation.kernels)
    experiment = experiment_of(plan, wanted.values)
    commands, lacks = _commands(plan, wanted, name, means)
    return CellRow(
        name=name,
        factors={factor: levels[0] for factor, levels in wanted.values.items()},
        given=text(wanted.given),
        hours=hours or 0.0,
        because=list(because),
        tasks=list(wanted.tasks),
        why=wanted.why,
        expects={goal: _expected(investigation, goal, wanted.values) for goal in investigation.goals},
        how=_ONCE_MORE
        if wanted.steps
        else _how(situation, name, wanted.values, experiment.how if experiment else ""),
        image="",
        lacks=lacks,
        commands=commands,
        told=counts_of(situation.told).get(name, {}),
    )


def _how(situation: Situation, name: str, values: Values, how: str) -> str:
    """What to do and to look at; what is still to be told, where somebody told a part."""
    told_outcomes = {key.split()[0] for key in counts_of(situation.told).get(name, {})}
    missing = [goal for goal in situation.investigation.goals if goal not in told_outcomes]
    still = still_to_tell(situation.plan, values, missing) if told_outcomes else []
    return f"still to tell: {'; '.join(still)}" if still else how


def _expected(investigation: Investigation, goal: str, values: Values) -> str:
    known = known_of(investigation, goal, values)
    if known.verdict is Verdict.UNKNOWN:
        return "unknown"
    return f"{known.verdict} ({source_of(known, investigation.judgements[goal]).word})"


def _commands(plan: Plan, wanted: _Wanted, name: str, means: Means) -> tuple[list[str], str]:
    """What to do for a cell, in order, and what is missing to have its image made.

    There is one way to its image: made of the one that the user gave, else the release that has it, else made
    of one that the user has. `prepare` prints how to flash what it found or made.
    """
    observe = ["bootwright", "observe", name, *(["--run", means.run] if means.run else []), "--log", "LOG"]
    if wanted.steps:
        card = {"CELL": f"{name}_log.raw"}
        steps = [filled(plan, step, wanted.given, card) for step in wanted.steps]
        return [shlex.join(words) for words in (*steps, observe) if words], ""
    release = plan.release_of(wanted.values)
    get = filled(plan, release.get, wanted.given, {}) if release is not None else []
    image = means.image or "IMAGE"
    making = making_words(plan, wanted.values, wanted.given, evolve(means, image=image), f"{name}.raw")
    lacks = ""
    first = get if get and not means.image else making or get
    if making and first is making and not means.image:
        lacks = "an image to make it from: --image FILE"
    elif not making and release is None:
        lacks = "the plan knows no command that makes it: build it yourself"
    return [shlex.join(words) for words in (first, observe) if words], lacks


def making_words(plan: Plan, values: Values, given: Given, means: Means, card: str | Path) -> list[str]:
    """The command that makes a cell's image; nothing where the plan knows none."""
    making = made(plan, values, at_hand(plan, means.kernels))
    if making is None:
        return []
    standing = {"IMAGE": means.image, "KERNEL": making.kernel, "CELL": str(card)}
    return filled(plan, making.making.step, given, standing)


def counts_of(answers: Iterable[Told]) -> dict[str, dict[str, int]]:
    """Cell of a board → `ethernet works` → how many said so."""
    counts: dict[str, dict[str, int]] = {}
    for answer in answers:
        if answer.source != Source.BENCH.word:
            continue
        for outcome, verdict in answer.outcomes.items():
            if verdict is not Verdict.UNKNOWN:
                row = counts.setdefault(answer.cell, {})
                row[f"{outcome} {verdict}"] = row.get(f"{outcome} {verdict}", 0) + 1
    return counts
