"""The report as Markdown, short enough to paste into an issue."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator, Sequence

from bootwright.investigate.decision.decide import Decision
from bootwright.investigate.running.investigation import Investigation
from bootwright.report.story import Story, tell
from bootwright.report.story.answers import Link
from bootwright.report.story.beliefs import Conclusion
from bootwright.report.story.given import in_short
from bootwright.report.story.names import cell_words
from bootwright.report.story.predictions import Shared
from bootwright.report.words import capital, count, listed

# What GitHub Flavored Markdown 0.29 gives a meaning; ASCII punctuation may be escaped (section 2.4).
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>()#+!|~&@$^=:-])")
_WORD = re.compile(r"(?<=\w)\\([-_:=+.])(?=\w)|(?<=\s)\\([=+-])(?=\s)|\\([():])")
MOST_CAUSE_GROUPS = 8


def page(investigation: Investigation, decision: Decision) -> str:
    """The whole text, ending in one newline."""
    story = tell(investigation, decision)
    lines = [
        f"# {plain(story.title)}",
        "",
        *_what_to_do(story),
        *_answers(story),
        *_configuration(story),
        *_reports(story),
        *_beliefs(story),
        *_next(story),
        *_cells(story),
        *_causes(story),
        *_path(story),
        *_predictions(story),
        *_evidence(story),
        *_limits(story),
    ]
    return "\n".join(lines).rstrip() + "\n"


def plain(text: str) -> str:
    """Text that means nothing to Markdown or HTML, and mentions nobody."""
    escaped = _SPECIAL.sub(r"\\\1", text)
    # Inside a word, and round brackets without a square one before, these do nothing: keep them legible.
    escaped = _WORD.sub(lambda match: match[0][1:], escaped)
    return re.sub(r"^(\d+)([.)])(?=\s|$)", r"\1\\\2", escaped)


def code(text: str) -> str:
    """A code span; text with backticks is fenced by more of them."""
    fence = "`" * (max((len(run) for run in re.findall("`+", text)), default=0) + 1)
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{pad}{text.replace('|', chr(92) + '|')}{pad}{fence}" if text else ""


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(map(plain, head))} |"
    yield f"|{' --- |' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(plain(cell) or '–' for cell in row)} |"
    yield ""


def _what_to_do(story: Story) -> Iterator[str]:
    yield f"**{plain(story.headline)}.**"
    yield ""
    shown = [answer for answer in story.what_to_do if answer.shown]
    if not shown:
        return
    yield "## What to do now"
    yield ""
    for answer in shown:
        name = f"{answer.name}: {in_short(answer)}" if answer.name else in_short(answer)
        what = f" {plain(answer.what)}." if answer.what else ""
        lead = "With" if answer.commands else "Use"
        cell = f"{lead} **{plain(cell_words(answer.use))}**." if answer.use else ""
        if not answer.use and answer.cell:
            cell = f"Try {plain(cell_words(answer.cell))}."
        yield f"- **{plain(name)}.**{what}"
        for text in answer.again:
            yield f"  **{plain(text)}**"
        for command in answer.commands:
            says = " ".join(filter(None, (plain(command.lead), code(command.command), plain(command.says))))
            yield f"  {says}"
        texts = (answer.ready, answer.says, answer.todo, answer.cost)
        yield f"  {cell} {plain(' '.join(filter(None, texts)))}".rstrip()
        for text in answer.why:
            yield f"  {plain(text)}"
        for text in answer.history:
            yield f"  *From the public history, not shown by a run here:* {plain(text)}"
    yield ""


def _answers(story: Story) -> Iterator[str]:
    yield "## Answers"
    yield ""
    for goal in story.goals:
        verdict = f"{goal.verdict} ({goal.basis})" if goal.basis else goal.verdict
        yield f"- **{plain(goal.name)}: {verdict}.** {plain(goal.answer)}"
        for text in (goal.cause, goal.instead):
            if text:
                yield f"  {plain(text)}"
        for change in goal.corroboration:
            commits = listed([f"{code(identity)} {plain(title)}" for identity, title in change.commits])
            yield f"  *Fits the public history, not shown by a boot here:* since {plain(change.first_in)}, "
            yield f"  {plain(change.what)} ({commits})."
    yield ""


def _configuration(story: Story) -> Iterator[str]:
    if not story.configuration:
        return
    yield "## Configuration"
    yield ""
    yield from _table(
        ("Setting", "Value", "Why"), [(row.factor, row.value, row.why) for row in story.configuration]
    )
    if story.seen_to_work and not story.works:
        yield f"Seen to work: {plain(story.seen_to_work)}. This covers what is settled, not what is open."
        yield ""
    for text in story.changes:
        yield f"- {plain(text)}"
    for configuration in story.works:
        cell = f"{plain(configuration.word)}: **{plain(cell_words(configuration.cell))}**"
        yield f"- {cell}. {plain(configuration.why)}"
    yield ""


def _reports(story: Story) -> Iterator[str]:
    if not story.reports:
        return
    yield "## What made the reports fail"
    yield ""
    for report in story.reports:
        yield f"- **{plain(report.head)}** {plain(' '.join(report.says))}"
    yield ""


def _beliefs(story: Story) -> Iterator[str]:
    if not (story.beliefs or story.aliases or story.rulings):
        return
    yield "## What was believed"
    yield ""
    for text in story.aliases:
        yield f"- {plain(text)}"
    yield ""
    for conclusion in story.beliefs:
        yield _belief(conclusion)
        for text in conclusion.history:
            yield f"  *From the public history, not shown by a run here:* {plain(text)}"
        for narrower_conclusion in conclusion.narrower:
            yield f"  {_belief(narrower_conclusion)}"
            if narrower_conclusion.limit:
                yield f"    Limit: {plain(narrower_conclusion.limit)}"
    yield ""
    for ruling in story.rulings:
        yield f"- Ruled out for “{plain(ruling.outcome)}”: {plain(ruling.says)}"
    yield ""


def _belief(conclusion: Conclusion) -> str:
    name = f"{conclusion.id}: {conclusion.says}" if conclusion.id else conclusion.says
    reasons = " ".join((conclusion.why, *conclusion.shown))
    return f"- **{plain(name)}** *{plain(conclusion.word)}.* {plain(reasons)}"


def _next(story: Story) -> Iterator[str]:
    if not story.tries:
        return
    yield "## What would tell most about the causes, on the board"
    yield ""
    for number, suggestion in enumerate(story.tries, 1):
        cell = "; ".join(f"{factor} {level}" for factor, level in suggestion.cell)
        first = f"{number}. **{plain(suggestion.changes or capital(cell))}**"
        yield f"{first} ({plain(cell)}). {plain(suggestion.how)} {plain(suggestion.why)}"
    yield ""


def _cells(story: Story) -> Iterator[str]:
    matrix = story.matrix
    yield "## What was seen"
    yield ""
    head = ("Cell", "Source", *map(capital, matrix.factors), *map(capital, matrix.outcomes))
    yield from _table(head, [(row.id, row.source, *row.levels, *row.verdicts) for row in matrix.rows])
    for text in matrix.outweighed:
        yield f"- {plain(text)}"
    yield ""


def _causes(story: Story) -> Iterator[str]:
    yield "## Causes"
    yield ""
    for remaining in story.remaining_causes:
        if not remaining.goal:
            continue
        if remaining.settled:
            yield f"- **{plain(remaining.outcome)}**: one cause is left: {plain(remaining.cause)}."
            for axis in remaining.axes:
                yield f"  {plain(axis.says)}"
        elif remaining.total:
            fitting = count(remaining.total, "cause fits", "causes fit")
            yield f"- **{plain(remaining.outcome)}**: {fitting} what was seen."
            for group in remaining.groups[:MOST_CAUSE_GROUPS]:
                on, example = plain(listed(group.factors)), plain(group.examples[0])
                yield f"  - {on}: {group.causes}, such as {example}"
            if len(remaining.groups) > MOST_CAUSE_GROUPS:
                yield f"  - and {len(remaining.groups) - MOST_CAUSE_GROUPS} more kinds"
        else:
            yield f"- **{plain(remaining.outcome)}**: {plain(remaining.note)}."
            for part in remaining.either:
                yield f"  - {plain(listed(part.cells))}: {plain(part.simplest)} ({_of(part.causes)})"
        for text in remaining.flaky:
            yield f"  Flaky: {plain(text)}"
    yield ""


def _of(causes: int) -> str:
    return "the only cause that fits there" if causes == 1 else f"the simplest of {causes} that fit there"


def _path(story: Story) -> Iterator[str]:
    if not story.stops:
        return
    yield "## How each run was chosen"
    yield ""
    for stop in story.stops:
        after = "" if stop.after is None else f" {stop.before:,} before, {stop.after:,} after."
        yield (
            f"{stop.number}. {code(stop.run)} {plain(stop.where)}, {plain(stop.purpose)}, "
            f"{stop.bits:.2f} bits. {plain(stop.why)}{after}"
        )
    yield ""


def _predictions(story: Story) -> Iterator[str]:
    predictions = story.predictions
    if not predictions.alike:
        return
    yield "## Predictions, without a boot"
    yield ""
    for alike in predictions.alike:
        text = f"- {plain(alike.outcome)}: **{alike.verdict}**."
        if alike.broken:
            node = f"{code(alike.broken.node)}, " if alike.broken.node else ""
            text += f" First broken link: {node}{plain(alike.broken.link)}. {plain(alike.broken.reason)}"
            text += f" Remedy: {plain(alike.broken.remedy)}" if alike.broken.remedy else ""
        yield text
        for prediction in alike.cells:
            yield f"  - **{plain(prediction.id)}** ({plain(prediction.cell)})"
        for cell, better in alike.outweighed:
            yield f"  - {plain(cell)} is outweighed: {plain(better)}"
    for hazard in predictions.hazards:
        yield f"- May go wrong{_cells_of(hazard)}: {plain(' '.join(filter(None, hazard.texts)))}"
    for limit in predictions.limits:
        yield f"- {plain(limit.texts[0])}{_cells_of(limit)}"
    yield ""


def _cells_of(shared: Shared) -> str:
    return f" ({plain(listed(shared.ids))})" if shared.ids else ""


def _evidence(story: Story) -> Iterator[str]:
    if not story.boots:
        return
    yield "## Evidence"
    yield ""
    for boot in story.boots:
        cells = listed([cell.id for cell in boot.cells])
        # Markdown means nothing inside this line of HTML.
        yield f"<details><summary>{html.escape(f'{boot.title}: {cells}, {boot.summary}')}</summary>"
        yield ""
        for line in boot.excerpt.lines:
            if line.proves:
                yield f"- {line.at} s {code(line.text)}"
        yield ""
        for label, text in (*boot.facts, *((f"{name}, SHA-256", digest) for name, digest in boot.hashes)):
            yield f"- {plain(label)}: {code(text)}"
        yield ""
        yield "</details>"
        yield ""


def _limits(story: Story) -> Iterator[str]:
    yield "## Limits"
    yield ""
    for text in (*story.limits, *story.notes):
        yield f"- {plain(text)}"
    if not story.limits and not story.notes:
        yield "None are known."
    yield ""
    if story.sources:
        yield "The reports were found at:"
        yield ""
        for link in story.sources:
            yield f"- {_link(link)}"


def _link(link: Link) -> str:
    address = re.sub(r"[<>\s\"'()\[\]\\|]", "", link.url)
    return f"<{address}>" if address and address == link.url else plain(link.title)
