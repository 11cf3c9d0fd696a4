"""A campaign as it stands: tasks, cells for a board, decision points. `status.json` holds just this.

Only plain types, so that the file can be read as strictly as it is written.
"""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path

import cattrs
from attrs import field, frozen

from bootwright.foundation.atomic import write_text
from bootwright.foundation.documents import parse_document, read_kept
from bootwright.foundation.errors import Missing
from bootwright.foundation.verdict import Verdict

SCHEMA = "bootwright/status/1"
STATUS = "status.json"
_MOST_BYTES = 16 << 20


class State(StrEnum):
    """Where a task is."""

    DONE = "done"
    """Its criterion was seen to hold."""
    REFUTED = "refuted"
    """It was seen not to."""
    WAITING = "waiting"
    """It needs something that is not here."""
    OPEN = "open"
    """It can go on here, and was not run to its end."""
    CLOSED = "closed"
    """No decision point has opened it."""
    UNNEEDED = "not needed"
    """The question was answered without it."""
    EXHAUSTED = "exhausted"
    """All that could be done was done, and it is still not known."""

    @property
    def is_end(self) -> bool:
        """Nothing more is done about it."""
        return self in {State.DONE, State.REFUTED, State.UNNEEDED, State.EXHAUSTED}


@frozen
class StepRow:
    """One command of a task."""

    command: str
    status: int | None
    """Exit status; None where it was not run."""
    seconds: float
    lacks: str
    """What it cannot be run without, in words."""


@frozen
class TaskRow:
    """One task."""

    id: str
    priority: str
    title: str
    state: State
    verdict: Verdict
    source: str
    """`bench`, `emulated`, `predicted`: the weakest kind that the verdict rests on; empty where unknown."""
    says: str
    waits_for: list[str]
    hypothesis: str
    belief: str
    """What became of the belief that the hypothesis is: `refuted`, `shown`, …; empty where it is none."""
    seconds: float
    """Spent here, on boots and steps."""
    hours_told: float
    """Spent by people, as far as they said."""
    hours: float
    """Estimated."""
    steps: list[StepRow]


@frozen
class CellRow:
    """A cell that a person can try on a board."""

    name: str
    factors: dict[str, str]
    given: str
    """The board it is for, in the plan's words."""
    hours: float
    because: list[str]
    tasks: list[str]
    why: str
    expects: dict[str, str]
    """Outcome → what is known or predicted of it there."""
    how: str
    image: str
    """The image that was made and checked for it; empty where there is none yet."""
    lacks: str
    """Why there is none."""
    commands: list[str]
    """What to do, in order."""
    told: dict[str, int]
    """`ethernet works` → how many said so."""


@frozen
class PointRow:
    """One decision point."""

    id: str
    when: str
    then: str
    holds: bool
    ends: bool
    opens: list[str]


@frozen
class Campaign:
    """All of it."""

    plan: str
    plan_from: str
    """Its name where it comes with this program, else its file."""
    title: str
    question: str
    verdict: Verdict
    source: str
    """The weakest kind that the answers rest on; empty where something is not known."""
    decided: bool
    """A decision point that ends the campaign holds, or nothing is left that can be done."""
    decision: list[str]
    """What to do, in words."""
    tasks: list[TaskRow]
    points: list[PointRow]
    cells: list[CellRow]
    """Best first."""
    names: dict[str, dict[str, str]]
    """Name of every cell that somebody could try → factor → level."""
    told: list[str]
    """Ids of what people told that is weighed in this."""
    assume_no_board: bool
    written_at: str
    emulated: dict[str, dict[str, str]] = field(factory=dict)
    """Name of every emulated cell that was booted → outcome → verdict, for what is wanted."""
    schema: str = field(default=SCHEMA)

    @property
    def seconds(self) -> float:
        """Spent here."""
        return sum(task.seconds for task in self.tasks)

    @property
    def hours(self) -> float:
        """Estimated, of the tasks that were opened and needed."""
        return sum(task.hours for task in self.tasks if task.state not in {State.CLOSED, State.UNNEEDED})


def write_status(folder: Path, campaign: Campaign) -> None:
    """Put `status.json` into a run's folder, whole or not at all."""
    text = json.dumps(cattrs.unstructure(campaign), indent=1, ensure_ascii=False)
    write_text(folder / STATUS, text.encode(errors="replace").decode() + "\n")


def read_status(folder: Path) -> Campaign:
    """The campaign of a run's folder; raises `Missing` where there is none, `Malformed` for a damaged one."""
    campaign = find_status(folder)
    if campaign is None:
        raise Missing(
            f"there is no campaign in {folder}",
            hint="bootwright investigate PLAN begins one; --out names its folder",
        )
    return campaign


def find_status(folder: Path) -> Campaign | None:
    """The same, None where there is none; raises `Missing` where it cannot be read."""
    path = folder / STATUS
    data = read_kept(path, most=_MOST_BYTES)
    return None if data is None else parse_status(data, str(path))


def parse_status(data: bytes, where: str) -> Campaign:
    """Read the bytes of a `status.json`; raises `Malformed`."""
    return parse_document(data, Campaign, where, schema=SCHEMA, most=_MOST_BYTES)
