"""The answer on a terminal: what works, what was wrong, what is not known, what to do next."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from bootwright.investigate.decision.decide import Decision
from bootwright.investigate.plans.runs import Run
from bootwright.investigate.running.investigation import Investigation
from bootwright.report.story import Story, tell
from bootwright.report.story.causes import Left
from bootwright.report.story.cells import Matrix
from bootwright.report.story.predictions import Broken
from bootwright.report.words import count, listed

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
MOST_GROUPS = 6
PLAIN_WIDTH = 110
"""Columns where the output is no terminal: a log has no width of its own."""


def show(
    found: Investigation, decision: Decision, *, dry_run: bool = False, runs: Iterable[Run] = ()
) -> None:
    """Print to stdout; `runs` gives a dry run the sizes of downloads."""
    from rich.console import Console

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=PLAIN_WIDTH, no_color=True)
    if dry_run:
        ahead(found, decision, console, runs)
    else:
        summary(found, decision, console)


def summary(found: Investigation, decision: Decision, console: Console) -> None:
    """What came of it, answers first."""
    story = tell(found, decision)
    _title(story, console)
    _goals(story, console)
    _configuration(story, console)
    _why(story, console)
    _beliefs(story, console)
    _reports(story, console)
    _cells(story.matrix, console)
    _predictions(story, console)
    _left(story.left, console)
    _told(story, console)
    _next(story, console)
    _notes(story, console)
    _short(story, console)


def ahead(found: Investigation, decision: Decision, console: Console, runs: Iterable[Run] = ()) -> None:
    """What the observations say so far, and what would be run, with its cost."""
    story = tell(found, decision, runs)
    _title(story, console)
    _goals(story, console)
    _reports(story, console)
    _cells(story.matrix, console)
    _left(story.left, console)
    _offers(story, console)
    _next(story, console)


def _head(console: Console, text: str) -> None:
    from rich.text import Text

    console.print()
    console.print(Text(text, style="bold underline" if console.is_terminal else ""))


def _line(console: Console, *parts: tuple[str, str] | str, indent: int = 2) -> None:
    """One paragraph, wrapped under itself. Untrusted text goes through Text, never through markup."""
    from rich.text import Text

    for line in Text.assemble(*parts).wrap(console, max(20, console.width - indent)):
        line.rstrip()
        console.print(Text(" " * indent) + line, soft_wrap=True)


def _title(story: Story, console: Console) -> None:
    console.print()
    _line(console, (story.title, "bold"), indent=0)
    _line(console, (story.headline + ".", STYLES.get(story.verdict, "bold")), indent=0)


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
            if text:
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
    for one in story.works:
        cell = "; ".join(f"{factor} {level}" for factor, level in one.cell)
        _line(console, (one.word + ": ", STYLES["works"]), cell)
        _line(console, one.why, indent=4)
    if story.seen_to_work and not story.works:
        _line(console, f"Seen to work: {story.seen_to_work}.")


def _why(story: Story, console: Console) -> None:
    if not story.reports:
        return
    _head(console, "What made the reports fail")
    for one in story.reports:
        _line(console, (one.head, "bold"))
        for text in one.says:
            _line(console, text, indent=4)


def _beliefs(story: Story, console: Console) -> None:
    if not story.beliefs:
        return
    _head(console, "Beliefs")
    for one in story.beliefs:
        _line(console, (f"{one.id} {one.word}: ", STYLES.get(one.status, "bold")), one.says)
        _line(console, (" ".join((one.why, *one.shown)), ""), indent=4)
        for text in one.history:
            _line(console, ("From the public history, not shown by a run here: ", "dim"), text, indent=4)
        for part in one.narrower:
            _line(
                console,
                (f"{part.word}: ", STYLES.get(part.status, "bold")),
                f"{part.says} {' '.join(part.shown)}",
                indent=4,
            )
            _line(console, (part.limit, "dim"), indent=6)
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
    for index, name in enumerate(head):
        words = [word for row in (head, *rows) for word in row[index].split()]
        table.add_column(Text(name), min_width=min(16, max(map(len, words), default=1)), overflow="fold")
    for row in rows:
        table.add_row(*(Text(text, style=STYLES.get(text, "")) for text in row))
    console.print(Padding(table, (0, 0, 0, 2), expand=False))
    for text in matrix.outweighed:
        _line(console, text)


def _predictions(story: Story, console: Console) -> None:
    """Cells of which the same is predicted, for the same reason, share an entry."""
    alike: dict[tuple[str, str, Broken | None], list[str]] = {}
    for one in story.predictions:
        for goal in one.goals:
            if goal.outweighed:  # said under the cells; what was predicted is not so
                continue
            alike.setdefault((goal.outcome, goal.verdict, goal.broken), []).append(one.id)
    if alike:
        _head(console, "Predictions, without a boot")
    for (outcome, verdict, broken), cells in alike.items():
        _line(console, (f"{verdict}: ", STYLES.get(verdict, "")), f"{outcome}, in {listed(cells)}")
        if broken:
            node = f"{broken.node}, " if broken.node else ""
            _line(console, f"first broken link: {node}{broken.link}. {broken.reason}", indent=4)
            if broken.remedy:
                _line(console, f"remedy: {broken.remedy}", indent=4)


def _left(left: Sequence[Left], console: Console) -> None:
    _head(console, "Causes")
    for one in left:
        if not one.goal:
            continue
        if one.settled:
            _line(console, (one.outcome, "bold"), f": one cause is left: {one.cause}.")
            for axis in one.axes:
                _line(console, axis.says, indent=4)
        elif one.total:
            _line(console, (one.outcome, "bold"), f": {count(one.total, 'cause')} still fit.")
            _grid(
                console,
                [
                    (
                        (f"{group.causes:,}", ""),
                        (listed(group.factors) + (" alone" if len(group.factors) == 1 else ""), ""),
                        (f"such as: {group.examples[0]}", "dim"),
                    )
                    for group in one.groups[:MOST_GROUPS]
                ],
                indent=4,
            )
            if len(one.groups) > MOST_GROUPS:
                _line(console, f"and {len(one.groups) - MOST_GROUPS} more kinds of pairs", indent=4)
        else:
            _line(console, (one.outcome, "bold"), f": {one.note}.")
            for part in one.either:
                others = "" if part.causes == 1 else f" (the simplest of {part.causes} that fit there)"
                _line(console, f"{listed(part.cells)}: {part.simplest}{others}", indent=4)
        for text in one.flaky:
            _line(console, ("flaky: ", "bold yellow"), text, indent=4)


def _told(story: Story, console: Console) -> None:
    rows = [row for row in story.told if row[1] != "Nothing was seen of it."]
    if not rows:
        return
    _head(console, "Seen along the way")
    for name, seen, _ in rows:
        _line(console, (name, "bold"), f": {seen}")


def _offers(story: Story, console: Console) -> None:
    _head(console, "What it would run here")
    if not story.offers:
        _line(console, "Nothing: no run here would tell more about what is asked.")
        return
    _line(
        console,
        "Best first, as things stand now. What is run after the first one depends on what it shows.",
    )
    rows = [tuple((name, "dim") for name in ("kernel", "how", "bits", "time", "download", "tells about"))]
    for offer in story.offers[:MOST_OFFERS]:
        plain = (offer.run, offer.where, f"{offer.bits:.2f}", offer.time, offer.download or "-")
        rows.append((*((part, "") for part in plain), (offer.answers, "dim")))
    _grid(console, rows)
    if len(story.offers) > MOST_OFFERS:
        _line(console, f"and {len(story.offers) - MOST_OFFERS} more that tell less for their cost")
    _line(console, ("1 bit: on average, half of the causes are left after the run.", "dim"))


def _next(story: Story, console: Console) -> None:
    both = [("to see it work: ", story.confirm)] if story.confirm else []
    both += [("to learn most: ", one) for one in story.tries[:1]]
    if not both:
        return
    _head(console, "What to do next, on the board")
    for aim, one in both:
        _line(console, aim, ("; ".join(f"{factor} {level}" for factor, level in one.cell), "bold"))
        for text in (one.changes, one.how, one.why):
            if text:
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
    if story.confirm:
        cell = "; ".join(f"{factor} {level}" for factor, level in story.confirm.cell)
        _line(console, "use     ", (cell, "bold"))


def _grid(console: Console, rows: Iterable[Sequence[tuple[str, str]]], indent: int = 2) -> None:
    """Rows of (text, style) cells in columns as wide as they need to be."""
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2, 0, 0))
    for row in rows:
        table.add_row(*(Text(text, style=style) for text, style in row))
    console.print(Padding(table, (0, 0, 0, indent), expand=False))
