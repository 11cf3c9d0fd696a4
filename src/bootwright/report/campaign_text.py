"""A campaign on a terminal: the picture, the table, what waits for whom, what is best to do next and why."""

from __future__ import annotations

import shlex
import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence

from bootwright.foundation.screen import line_width
from bootwright.foundation.verdict import Verdict
from bootwright.investigate.campaign.model import Campaign, CellRow, State, TaskRow
from bootwright.investigate.campaign.told import Told
from bootwright.lab.workers.queue import CellState, QueuedCell
from bootwright.report.words import clean, command_lines, count, listed, seconds

WIDTH = 110
MARKS = {
    State.DONE: "+",
    State.REFUTED: "x",
    State.WAITING: "?",
    State.OPEN: ">",
    State.CLOSED: ".",
    State.UNNEEDED: "-",
    State.EXHAUSTED: "0",
}
_CELLS = 6
_LEAST_TITLE = 12
_BELIEFS = {"partly": "shown in part", "set-aside": "set aside"}


def lines(
    campaign: Campaign,
    *,
    process: str = "",
    doing: str = "",
    not_weighed: Sequence[Told] = (),
    queue: Sequence[QueuedCell] = (),
) -> Iterator[str]:
    """Everything that `bootwright status` says."""
    yield f"{clean(campaign.title)}"
    yield from _wrapped(_headline(campaign, process, doing), "")
    yield ""
    yield from _picture(campaign)
    yield ""
    yield from _table(campaign)
    yield from _cells(campaign)
    yield from _emulated(campaign)
    yield from _queue(queue, campaign.plan_from)
    if campaign.decision:
        yield ""
        yield "Decision" if campaign.decided else "As far as it is known"
        for text in campaign.decision:
            yield from _wrapped(clean(text), "  ")
    if not_weighed:
        yield ""
        cells = listed([f"{clean(answer.cell)} ({_outcomes(answer)})" for answer in not_weighed])
        yield from _wrapped(f"Told since, and not weighed yet: {cells}.", "")
        yield f"  bootwright investigate {clean(campaign.plan_from)}"


def in_short(campaign: Campaign, run: str = "") -> Iterator[str]:
    """What the end of `bootwright investigate` says of it; `run` is its folder, where the user named one."""
    yield ""
    yield "The plan"
    yield from _picture(campaign, "  ")
    waiting = [cell.name for cell in campaign.cells]
    if waiting:
        yield from _wrapped(
            f"{count(len(waiting), 'cell waits', 'cells wait')} for a board; the best: {waiting[0]}", "  "
        )
        for cell in campaign.cells[:1]:
            if cell.lacks:
                yield from _wrapped(f"no image yet: {clean(cell.lacks)}", "  ")
            for command in cell.commands:
                yield from command_lines(clean(command), line_width(WIDTH))
    state = "decided" if campaign.decided else "not decided"
    yield f"  {state}; {shlex.join(['bootwright', 'status', *([run] if run else [])])} shows it all"


def told_lines(
    answer: Told,
    next_step: str,
    *,
    is_new: bool,
    is_kept: bool = True,
    stopped_by: str = "",
    still: Sequence[str] = (),
) -> Iterator[str]:
    """What `bootwright observe CELL` says; with `is_kept` false it was only asked what it means.

    `stopped_by` is what ended the boot before it showed any outcome; `still` what nobody has told yet.
    """
    kept = "kept" if is_kept else "not kept"
    kept = kept if is_new else "the same was told before; nothing is counted twice"
    shown = f"the boot stops: {clean(stopped_by)}" if stopped_by else _outcomes(answer)
    yield f"{clean(answer.cell)}: {shown} ({kept})"
    if stopped_by:
        yield "  that says nothing of the cell's outcomes: its system was not reached"
    for text in answer.says:
        yield from _wrapped(clean(text), "  ")
    if next_step:
        yield from _wrapped(f"next: {clean(next_step)}", "  ")
    for text in still:
        yield from _wrapped(f"still to tell: {clean(text)}", "  ")
    if is_kept:
        yield "  bootwright investigate weighs it with everything else"
    else:
        yield "  without --dry-run it is kept, and weighed by bootwright investigate"


def _outcomes(answer: Told) -> str:
    return (
        ", ".join(f"{clean(name)} {verdict}" for name, verdict in answer.outcomes.items()) or "nothing shown"
    )


def _headline(campaign: Campaign, process: str, doing: str) -> str:
    state = "decided" if campaign.decided else "not decided"
    board = ", without a board" if campaign.assume_no_board else ""
    running = (
        f"; running now (process {clean(process)}{': ' + clean(doing) if doing else ''})" if process else ""
    )
    known = f"{campaign.verdict} ({campaign.source})" if campaign.source else str(campaign.verdict)
    return f"{known}, {state}{board}{running}. As of {clean(campaign.written_at)}."


def _picture(campaign: Campaign, indent: str = "") -> Iterator[str]:
    """Priorities and their tasks, with a mark each, and the decision points between."""
    marks = ", ".join(f"{mark} {state.value}" for state, mark in MARKS.items())
    for priority in dict.fromkeys(task.priority for task in campaign.tasks):
        boxes = " ".join(
            f"[{MARKS[task.state]} {clean(task.id)}]" for task in campaign.tasks if task.priority == priority
        )
        yield from _wrapped(f"{priority}  {boxes}", indent)
        for point in campaign.points:
            if point.when.startswith(priority):
                sign = "=>" if point.holds else "->"
                goes = "the end" if point.ends else listed([clean(name) for name in point.opens])
                yield from _wrapped(
                    f"{sign} {clean(point.when)}: {goes}. {clean(point.then)}", f"{indent}    "
                )
    yield from _wrapped(f"({marks}; => holds)", f"{indent}    ")


def _fitted(text: str, width: int) -> str:
    """In a column of that width; what is cut off is seen to be."""
    return (text if len(text) <= width else f"{text[: width - 1]}…").ljust(width)


def _table(campaign: Campaign) -> Iterator[str]:
    heading = ("task", "", "state", "known", "spent", "estimate", "waits for")
    rows = [heading, *(_row(task) for task in campaign.tasks)]
    widths = [max(len(row[column]) for row in rows) for column in range(6)]
    is_narrow = line_width(WIDTH) < WIDTH  # then what a task waits for stands below
    others = sum(widths) - widths[1] + 2 * 5
    widths[1] = min(widths[1], max(line_width(WIDTH) - others, _LEAST_TITLE) if is_narrow else 46)
    for row in rows:
        cells = [_fitted(row[column], widths[column]) for column in range(6)]
        yield "  ".join([*cells, "" if is_narrow else row[6]]).rstrip()
    for task, row in zip(campaign.tasks, rows[1:], strict=True):
        if is_narrow and row[6]:
            yield from _wrapped(f"{clean(task.id)} waits for {row[6]}", "  ")
        if task.says and task.state is not State.CLOSED:
            belief = f" Its hypothesis: {_BELIEFS.get(task.belief, task.belief)}." if task.belief else ""
            yield from _wrapped(f"{task.id}: {clean(task.says)}.{belief}", "  ")
    hours = sum(task.hours_told for task in campaign.tasks)
    people = f", {seconds(hours * 3600)} of people's" if hours else ""
    estimate = seconds(campaign.hours * 3600)
    yield f"  spent: {seconds(campaign.seconds)} here{people}; estimated: {estimate} of people's"


def _row(task: TaskRow) -> tuple[str, str, str, str, str, str, str]:
    return (
        f"{task.priority} {task.id}",
        clean(task.title),
        task.state.value,
        _known(task),
        _spent(task),
        seconds(task.hours * 3600),
        "; ".join(clean(text) for text in task.waits_for),
    )


def _known(task: TaskRow) -> str:
    if task.verdict is Verdict.UNKNOWN:
        return "unknown"
    return f"{task.verdict} ({task.source})" if task.source else str(task.verdict)


def _spent(task: TaskRow) -> str:
    parts = [seconds(task.seconds)] if task.seconds else []
    parts += [seconds(task.hours_told * 3600)] if task.hours_told else []
    return " + ".join(parts) or "-"


def _cells(campaign: Campaign) -> Iterator[str]:
    for number, cell in enumerate(campaign.cells[:_CELLS]):
        yield ""
        yield f"{'Next' if number == 0 else 'Then'}: {clean(cell.name)} ({seconds(cell.hours * 3600)})"
        yield from _cell(cell)
    if len(campaign.cells) > _CELLS:
        yield f"  and {count(len(campaign.cells) - _CELLS, 'cell')} more (--json)"


def _cell(cell: CellRow) -> Iterator[str]:
    yield from _wrapped(f"why: {clean(cell.why)}", "  ")
    if cell.tasks:
        yield f"  for task {listed([clean(name) for name in cell.tasks])}"
    expects = ", ".join(f"{clean(name)} {clean(text)}" for name, text in cell.expects.items())
    yield from _wrapped(f"expected: {expects}", "  ")
    if cell.told:
        counts = ", ".join(f"{clean(what)} {number}×" for what, number in cell.told.items())
        yield from _wrapped(f"told so far: {counts}", "  ")
    if cell.because:
        yield from _wrapped(f"dear: {'; '.join(clean(text) for text in cell.because)}", "  ")
    yield from _wrapped(f"look: {clean(cell.how)}", "  ")
    image = f"image: {clean(cell.image)} (made, verified, checked)" if cell.image else ""
    yield from _wrapped(image or f"no image yet: {clean(cell.lacks)}" if cell.lacks or image else "", "  ")
    for command in cell.commands:
        yield from command_lines(clean(command), line_width(WIDTH))


def _emulated(campaign: Campaign) -> Iterator[str]:
    """The emulated cells that were booted, by the names that `bench job` and `observe` take."""
    if campaign.emulated:
        yield ""
        yield "Emulated"
    width = max(map(len, campaign.emulated), default=0)
    for name, outcomes in campaign.emulated.items():
        words = ", ".join(f"{clean(outcome)} {clean(verdict)}" for outcome, verdict in outcomes.items())
        yield from _wrapped(f"{clean(name).ljust(width)}  {words}", "  ")


def _queue(queue: Sequence[QueuedCell], plan: str) -> Iterator[str]:
    """Who does what, and what was given up; nothing where all is done."""
    states = Counter(cell.state for cell in queue)
    if states.keys() <= {CellState.DONE}:
        return
    yield ""
    yield "Workers: " + ", ".join(f"{states[state]} {state.value}" for state in CellState if states[state])
    for cell in queue:
        if cell.state is CellState.LEASED:
            yield f"  {clean(cell.worker)} has {clean(cell.name)}"
    given_up = [cell for cell in queue if cell.state is CellState.QUARANTINED]
    for cell in given_up:
        reasons = "; ".join(dict.fromkeys(clean(reason) for reason in cell.reasons))
        tries = count(max(1, cell.attempts), "try", "tries")
        yield from _wrapped(f"given up after {tries}: {clean(cell.name)}: {reasons}", "  ")
    if given_up:
        yield f"  bootwright investigate {clean(plan)} --retry tries again"


def _wrapped(text: str, indent: str) -> Iterator[str]:
    yield from textwrap.wrap(
        text,
        line_width(WIDTH),
        initial_indent=indent,
        subsequent_indent=indent + "  ",
        break_long_words=False,
    )
