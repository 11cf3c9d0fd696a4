"""Tasks and decision points: what a plan's authors set out to do, in which order, and what follows from it.

A task is one numbered entry of such a list. Its steps are commands of this program; whether it succeeded is
told by what was seen, never by a person's tick. A decision point opens further tasks, or ends the campaign.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from typing import Literal, TypeAlias

from attrs import field, frozen

from bootwright.foundation.choices import hint_for
from bootwright.foundation.errors import Refused

Priority: TypeAlias = Literal["P0", "P1", "P2", "P3"]
Need: TypeAlias = Literal["emulator", "sources", "network", "board", "revision", "serial", "person"]
"""`sources` is a git tree of a kernel, `board` any board of the plan, `revision` boards of two revisions,
`serial` a serial adapter on it, `person` somebody who decides or writes."""

PLACEHOLDERS: Mapping[str, str] = {
    "IMAGE": "the image to change: --image",
    "REPOSITORY": "a git repository of kernels: --repository",
    "CELL": "the cell's name, by the person who has the board",
    "DEVICE": "the card, by the person who has it",
    "LOG": "the console's log, by the person who has it",
    "RUN": "the folder of the plan's run",
}
"""Words that may stand in a step for what only the user has → what they are."""


@frozen
class Criterion:
    """What shows that a task succeeded.

    `works`: `outcome` works in one of `cells`, for each given value asked about. `compared`: two cells
    that differ in `factor` alone are known. `cause`: what makes `outcome` fail is known. `link`: a cell in
    which `outcome` fails names its first broken link. `steps`: every step ended with status 0.
    """

    by: Literal["works", "compared", "cause", "link", "steps"]
    outcome: str = ""
    cells: dict[str, str | list[str]] = field(factory=dict)
    """Factor → level, bound or list of them; factors that are left out may have any."""
    factor: str = ""


@frozen
class Task:
    """One entry of the plan's list."""

    id: str
    priority: Priority
    title: str
    hypothesis: str
    success: str
    """The criterion in words."""
    hours: float
    """Effort of a person that is estimated, without waiting."""
    needs: list[Need]
    steps: list[str]
    """Commands of this program; a word of `PLACEHOLDERS` stands for what the user has to supply."""
    criterion: list[Criterion]
    """All of them must hold."""
    belief: str = ""
    """The plan's belief that the hypothesis is, where it is one."""
    note: str = ""


@frozen
class When:
    """One condition of a decision point, on a priority or a task.

    A priority `works` where the plan's question is answered and one of its tasks succeeded; it `fails` where
    all its tasks are at an end and the question is not answered.
    """

    its: Literal["works", "fails"]
    priority: Priority | None = None
    task: str = ""


@frozen
class DecisionPoint:
    """What follows, where all conditions hold."""

    id: str
    when: list[When]
    then: str
    """In words."""
    opens: list[str] = field(factory=list)
    """Priorities, and ids of tasks, that are worked on from here; P0 is open from the start."""
    ends: bool = False


_WANTED = {
    "works": ("outcome",),
    "compared": ("outcome", "factor"),
    "cause": ("outcome",),
    "link": ("outcome",),
    "steps": (),
}


def check_tasks(
    tasks: list[Task],
    points: list[DecisionPoint],
    outcomes: list[str],
    factors: list[str],
    beliefs: list[str],
) -> None:
    """Raise `Refused` for what does not fit together; levels of cells are checked with all others."""
    ids = [task.id for task in tasks]
    for doubled in sorted({name for name in ids if ids.count(name) > 1}):
        raise Refused(f"two tasks are called {doubled}", hint="give each its own id")
    for task in tasks:
        _check_task(task, outcomes, factors)
        if task.belief and task.belief not in beliefs:
            raise Refused(
                f"task {task.id} names belief {task.belief}, which the plan does not have",
                hint=hint_for(task.belief, beliefs, kind="its beliefs"),
            )
    priorities = sorted({task.priority for task in tasks})
    for point in points:
        place = f"decision point {point.id}"
        if not point.when:
            raise Refused(f"{place} has no condition", hint="say when, or leave it out")
        if not point.ends and not point.opens:
            raise Refused(f"{place} opens nothing and ends nothing", hint="give opens or ends = true")
        for condition in point.when:
            if (condition.priority is None) == (not condition.task):
                raise Refused(
                    f"{place}: a condition is on a priority or on a task", hint="give one of the two"
                )
            if condition.task and condition.task not in ids:
                raise Refused(
                    f"{place} names task {condition.task}, which the plan does not have",
                    hint=hint_for(condition.task, ids, kind="its tasks"),
                )
        for name in point.opens:
            if name not in (*ids, *priorities):
                raise Refused(
                    f"{place} opens {name}, which is no priority and no task",
                    hint=hint_for(name, [*priorities, *ids], kind="there are"),
                )


def _check_task(task: Task, outcomes: list[str], factors: list[str]) -> None:
    place = f"task {task.id}"
    if not task.criterion:
        raise Refused(f"{place} has no criterion", hint="say what shows that it succeeded")
    for criterion in task.criterion:
        for key in _WANTED[criterion.by]:
            if not getattr(criterion, key):
                raise Refused(
                    f"{place}: a criterion by {criterion.by} has no {key}", hint="see docs/plans.md"
                )
        if criterion.outcome and criterion.outcome not in outcomes:
            raise Refused(
                f"{place} names outcome {criterion.outcome}, which the plan does not declare",
                hint=hint_for(criterion.outcome, outcomes, kind="its outcomes"),
            )
        if criterion.factor and criterion.factor not in factors:
            raise Refused(
                f"{place} names factor {criterion.factor}, which the plan does not declare",
                hint=hint_for(criterion.factor, factors, kind="its factors"),
            )
        if criterion.by == "steps" and not task.steps:
            raise Refused(f"{place} is judged by its steps and has none", hint="give it steps")
    for step in task.steps:
        words(step)


def words(step: str) -> list[str]:
    """A step's words, without `bootwright`; raises `Refused` for what is no command of this program."""
    try:
        parts = shlex.split(step)
    except ValueError as error:
        raise Refused(f"step {step!r} cannot be split: {error}", hint="close the quotation") from error
    if len(parts) < 2 or parts[0] != "bootwright":
        raise Refused(f"step {step!r} is no command of bootwright", hint="it begins with bootwright COMMAND")
    return parts[1:]


def missing(step: str, have: Mapping[str, str]) -> Iterator[str]:
    """The placeholders of a step that nothing was given for."""
    return (word for word in words(step) if word in PLACEHOLDERS and word not in have)


def filled(step: str, have: Mapping[str, str]) -> list[str]:
    """A step's words with what was given in the place of placeholders."""
    return [have.get(word, word) for word in words(step)]
