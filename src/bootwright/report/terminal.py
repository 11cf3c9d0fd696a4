"""The answer on a terminal: what works, what was wrong, what is not known, what to do next."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from bootwright.foundation.screen import line_width
from bootwright.investigate.decision.decide import Decision
from bootwright.investigate.plans.runs import Run
from bootwright.investigate.running.investigation import Investigation
from bootwright.report.story import Story, tell
from bootwright.report.story.causes import RemainingCauses
from bootwright.report.story.cells import Matrix
from bootwright.report.story.given import in_short
from bootwright.report.story.names import cell_words
from bootwright.report.words import command_lines, count, listed

if TYPE_CHECKING:
    from rich.console import Console

STYLES = {
    "works": "bold green",
    "fails": "bold red",
    "unknown": "bold yellow",
    "refuted": "bold red",
    "weakened": "yellow",
    "stands": "bold green",
    "shown": "bold green",
    "partly": "green",
}
MOST_OFFERS = 12
MOST_CONFIGURATIONS = 4
MOST_GROUPS = 6
PLAIN_WIDTH = 110
"""Columns where the output is no terminal and `$COLUMNS` says nothing: a log has no width of its own."""


def show(
    investigation: Investigation, decision: Decision, *, dry_run: bool = False, runs: Iterable[Run] = ()
) -> None:
    """Print to stdout; `runs` gives a dry run the sizes of downloads."""
    from rich.console import Console

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=line_width(PLAIN_WIDTH), no_color=True)
    if dry_run:
        ahead(investigation, decision, console, runs)
    else:
        summary(investigation, decision, console)


def summary(investigation: Investigation, decision: Decision, console: Console) -> None:
    """What came of it, answers first."""
    story = tell(investigation, decision)
    _title(story, console)
    _what_to_do(story, console)
    _why_not_otherwise(story, console)
    _goals(story, console)
    _configuration(story, console)
    _why(story, console)
    _beliefs(story, console)
    _reports(story, console)
    _cells(story.matrix, console)
    _predictions(story, console)
    _remaining_causes(story.remaining_causes, console)
    _other_outcomes(story, console)
    _next(story, console)
    _notes(story, console)
    _short(story, console)


def ahead(
    investigation: Investigation, decision: Decision, console: Console, runs: Iterable[Run] = ()
) -> None:
    """What the observations say so far, and what would be run, with its cost."""
    story = tell(investigation, decision, runs)
    _title(story, console)
    _goals(story, console)
    _reports(story, console)
    _cells(story.matrix, console)
    _remaining_causes(story.remaining_causes, console)
    _offers(story, console)
    _next(story, console)


def _head(console: Console, text: str) -> None:
    from rich.text import Text

    console.print()
    console.print(Text(text, style="bold underline" if console.is_terminal else ""))


def _line(console: Console, *fragments: tuple[str, str] | str, indent: int = 2) -> None:
    """One paragraph, wrapped under itself; nothing for no text. Untrusted text goes through Text."""
    from rich.text import Text

    text = Text.assemble(*fragments)
    for line in text.wrap(console, max(20, console.width - indent)) if text else ():
        line.rstrip()
        console.print(Text(" " * indent) + line, soft_wrap=True)


def _title(story: Story, console: Console) -> None:
    console.print()
    _line(console, (story.title, "bold"), indent=0)
    _line(console, (story.headline + ".", STYLES.get(story.verdict, "bold")), indent=0)


def _what_to_do(story: Story, console: Console) -> None:
    """What a reader came for: with what is given, what to choose and what to do."""
    shown = [answer for answer in story.what_to_do if answer.shown]
    if not shown:
        return
    _head(console, "What to do now")
    for answer in shown:
        if answer.name:
            what = f"  {answer.what}" if answer.what else ""
            verdict = (in_short(answer), STYLES[answer.verdict])
            _line(console, (answer.name, "bold"), ": ", verdict, (what, "dim"))
        for text in answer.again:
            _line(console, (text, "bold yellow"), indent=4)
        for command in answer.commands:
            _line(console, command.lead, indent=4)
            for line in command_lines(command.command, console.width):
                console.print(line, style="bold", markup=False, soft_wrap=True)
            _line(console, command.says, indent=4)
        if answer.use:
            lead, style = ("with ", "") if answer.commands else ("use ", "bold")
            _line(console, lead, (cell_words(answer.use), style), indent=4)
        elif answer.cell:
            _line(console, "try ", (cell_words(answer.cell), "bold"), indent=4)
        texts = (answer.ready, answer.says, answer.todo, answer.cost)
        _line(console, " ".join(filter(None, texts)), indent=4)


def _why_not_otherwise(story: Story, console: Console) -> None:
    answers = [answer for answer in story.what_to_do if answer.why or answer.history]
    if not answers:
        return
    _head(console, "Why not otherwise")
    for answer in answers:
        if answer.name:
            _line(console, (answer.name, "bold"))
        public = ("From the public history, not shown by a run here: ", "dim")
        for words in (*((text,) for text in answer.why), *((public, text) for text in answer.history)):
            _line(console, *words, indent=4)


def _goals(story: Story, console: Console) -> None:
    _head(console, "Answers")
    for goal in story.goals:
        _line(
            console,
            (f"{goal.verdict:<8}", STYLES[goal.verdict]),
            (goal.name, "bold"),
            f" ({goal.basis})" if goal.basis else "",
        )
        for text in (goal.answer, goal.cause, goal.instead):
            _line(console, text, indent=10)
        for change in goal.corroboration:
            commits = listed([identity for identity, _ in change.commits])
            _line(
                console,
                ("Fits the kernel's history (not shown by a boot here): ", "dim"),
                f"since {change.first_in}, {change.what} ({commits}).",
                indent=10,
            )


def _configuration(story: Story, console: Console) -> None:
    if not story.configuration:
        return
    _head(console, "Configuration")
    _grid(
        console,
        [
            ((row.factor, ""), (row.value, "bold" if row.state == "needed" else ""), (row.why, "dim"))
            for row in story.configuration
        ],
    )
    for text in story.changes:
        _line(console, text)
    for configuration in story.works[:MOST_CONFIGURATIONS]:
        _line(console, (configuration.word + ": ", STYLES["works"]), cell_words(configuration.cell))
        _line(console, configuration.why, indent=4)
    if len(story.works) > MOST_CONFIGURATIONS:
        _line(console, (f"and {len(story.works) - MOST_CONFIGURATIONS} more in the report", "dim"))
    if story.seen_to_work and not story.works:
        _line(console, f"Seen to work: {story.seen_to_work}.")


def _why(story: Story, console: Console) -> None:
    if not story.reports:
        return
    _head(console, "What made the reports fail")
    for report in story.reports:
        _line(console, (report.head, "bold"))
        for text in report.says:
            _line(console, text, indent=4)


def _beliefs(story: Story, console: Console) -> None:
    if not story.beliefs:
        return
    _head(console, "Beliefs")
    for conclusion in story.beliefs:
        _line(
            console,
            (f"{conclusion.id} {conclusion.word}: ", STYLES.get(conclusion.status, "bold")),
            conclusion.says,
        )
        _line(console, (" ".join((conclusion.why, *conclusion.shown)), ""), indent=4)
        for text in conclusion.history:
            _line(console, ("From the public history, not shown by a run here: ", "dim"), text, indent=4)
        for narrower_conclusion in conclusion.narrower:
            _line(
                console,
                (f"{narrower_conclusion.word}: ", STYLES.get(narrower_conclusion.status, "bold")),
                f"{narrower_conclusion.says} {' '.join(narrower_conclusion.shown)}",
                indent=4,
            )
            _line(console, (narrower_conclusion.limit, "dim"), indent=6)
    for ruling in story.rulings:
        _line(console, ("ruled out: ", STYLES["refuted"]), f"{listed(ruling.factors)} (“{ruling.outcome}”)")
        _line(console, ruling.says, indent=4)


def _reports(story: Story, console: Console) -> None:
    if not story.aliases:
        return
    _head(console, "What the reports cannot tell apart")
    for text in story.aliases:
        _line(console, text)


def _cells(matrix: Matrix, console: Console) -> None:
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    _head(console, f"Cells ({len(matrix.rows)})")
    shown = matrix.goals or len(matrix.outcomes)
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="dim")
    head = ("cell", "source", *matrix.factors, *matrix.outcomes[:shown])
    rows = [
        (
            row.id,
            row.source,
            *(level or "not known" for level in row.levels),
            *(verdict or "-" for verdict in row.verdicts[:shown]),
        )
        for row in matrix.rows
    ]
    columns = [[word for text in column for word in text.split()] for column in zip(head, *rows, strict=True)]
    widths = [min(16, max(map(len, column), default=1)) for column in columns]
    if sum(widths) + len(widths) + 1 > console.width:  # then columns would be lost
        _cells_in_lines(head, rows, console)
        rows = []
    for name, width in zip(head, widths, strict=True):
        table.add_column(Text(name), min_width=width, overflow="fold")
    for row in rows:
        table.add_row(*(Text(text, style=STYLES.get(text, "")) for text in row))
    if rows:
        console.print(Padding(table, (0, 0, 0, 2), expand=False))
    for text in matrix.outweighed:
        _line(console, text)


def _cells_in_lines(head: Sequence[str], rows: Sequence[Sequence[str]], console: Console) -> None:
    """A paragraph a cell, where the table does not fit."""
    for row in rows:
        levels = listed([text for text in row[2:] if text not in {*STYLES, "-", "not known"}])
        verdicts = [f"{name}: {text}" for name, text in zip(head, row, strict=True) if text in STYLES]
        _line(console, (row[0], "bold"), f" ({row[1]}): {'; '.join([levels, *verdicts])}")


def _predictions(story: Story, console: Console) -> None:
    """Cells of which the same is predicted, for the same reason, share an entry."""
    standing = [alike for alike in story.predictions.alike if alike.standing]
    if standing:
        _head(console, "Predictions, without a boot")
    for alike in standing:
        verdict, broken, said = alike.verdict, alike.broken, f"{alike.outcome}, in {listed(alike.standing)}"
        _line(console, (f"{verdict}: ", STYLES.get(verdict, "")), said)
        if broken:
            node = f"{broken.node}, " if broken.node else ""
            _line(console, f"first broken link: {node}{broken.link}. {broken.reason}", indent=4)
            if broken.remedy:
                _line(console, f"remedy: {broken.remedy}", indent=4)


def _remaining_causes(remaining_causes: Sequence[RemainingCauses], console: Console) -> None:
    _head(console, "Causes")
    for remaining in remaining_causes:
        if not remaining.goal:
            continue
        if remaining.settled:
            _line(console, (remaining.outcome, "bold"), f": one cause is left: {remaining.cause}.")
            for axis in remaining.axes:
                _line(console, axis.says, indent=4)
        elif remaining.total:
            _line(console, (remaining.outcome, "bold"), f": {count(remaining.total, 'cause')} still fit.")
            _grid(
                console,
                [
                    (
                        (f"{group.causes:,}", ""),
                        (listed(group.factors) + (" alone" if len(group.factors) == 1 else ""), ""),
                        (f"such as: {group.examples[0]}", "dim"),
                    )
                    for group in remaining.groups[:MOST_GROUPS]
                ],
                indent=4,
            )
            if len(remaining.groups) > MOST_GROUPS:
                _line(console, f"and {len(remaining.groups) - MOST_GROUPS} more kinds of pairs", indent=4)
        else:
            _line(console, (remaining.outcome, "bold"), f": {remaining.note}.")
            for part in remaining.either:
                alternatives = "" if part.causes == 1 else f" (the simplest of {part.causes} that fit there)"
                _line(console, f"{listed(part.cells)}: {part.simplest}{alternatives}", indent=4)
        for text in remaining.flaky:
            _line(console, ("flaky: ", "bold yellow"), text, indent=4)


def _other_outcomes(story: Story, console: Console) -> None:
    rows = [row for row in story.other_outcomes if row[1] != "No result for it yet."]
    if rows:
        _head(console, "Seen along the way")
    for name, findings, _ in rows:
        _line(console, (name, "bold"), f": {findings}")


def _offers(story: Story, console: Console) -> None:
    _head(console, "What it would run here")
    if not story.offers:
        _line(console, " ".join(story.left_out) or "Nothing: no run here would tell more of what is asked.")
        return
    text = "Best first, as things stand now. What is run after the first one depends on what it shows."
    _line(console, text)
    rows = [tuple((name, "dim") for name in ("kernel", "how", "bits", "time", "download", "tells about"))]
    for offer in story.offers[:MOST_OFFERS]:
        plain = (offer.run, offer.where, f"{offer.bits:.2f}", offer.time, offer.download or "-")
        rows.append((*((text, "") for text in plain), (offer.answers, "dim")))
    _grid(console, rows)
    if len(story.offers) > MOST_OFFERS:
        _line(console, f"and {len(story.offers) - MOST_OFFERS} more that tell less for their cost")
    _line(console, ("1 bit: on average, half of the causes are left after the run.", "dim"))


def _next(story: Story, console: Console) -> None:
    if not story.tries:
        return
    _head(console, "What would tell most about the causes, on the board")
    for suggestion in story.tries[:1]:
        _line(console, (cell_words(suggestion.cell), "bold"))
        for text in (suggestion.changes, suggestion.how, suggestion.why):
            _line(console, text, indent=4)
    if len(story.tries) > 1:
        _line(console, (f"{count(len(story.tries) - 1, 'other experiment')} in the report.", "dim"))


def _notes(story: Story, console: Console) -> None:
    if not story.limits and not story.notes:
        return
    _head(console, "Limits")
    for text in (*story.limits, *story.notes):
        _line(console, text)


def _short(story: Story, console: Console) -> None:
    """The answers once more: on a terminal the first lines have scrolled away by now."""
    _head(console, "In short")
    for goal in story.goals:
        basis = f" ({goal.basis})" if goal.basis else ""
        _line(console, (f"{goal.verdict:<8}", STYLES[goal.verdict]), f"{goal.name}{basis}. {goal.answer}")
    for answer in story.what_to_do:
        use = (cell_words(answer.use) if answer.use else answer.says, "bold")
        head = (f"{answer.name}: ", (in_short(answer), STYLES[answer.verdict]), ": ") if answer.name else ()
        if answer.name or answer.use:
            _line(console, *(head or ("use     ",)), use)
        for command in answer.commands[:1]:
            _line(console, "ready made, unknown until this reads its files:" if command.unseen else "")
            for line in command_lines(command.command, console.width):
                console.print(line, style="bold", markup=False, soft_wrap=True)


def _grid(console: Console, rows: Iterable[Sequence[tuple[str, str]]], indent: int = 2) -> None:
    """Rows of (text, style) cells in columns as wide as they need to be."""
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2, 0, 0))
    for row in rows:
        table.add_row(*(Text(text, style=style) for text, style in row))
    console.print(Padding(table, (0, 0, 0, indent), expand=False))
