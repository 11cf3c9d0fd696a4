"""A report as plain text for a kernel's mailing list.

What belongs into one: Documentation/admin-guide/reporting-issues.rst and reporting-regressions.rst (Linux
6.18): plain text, the versions, what was expected and what happens, how to see it, no attachment that a
reader needs; for a regression the list for these and one paragraph for regzbot.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence

from bootwright.upstream.draft.report import Report, past_words

_WIDTH = 75
REGRESSIONS = "regressions@lists.linux.dev"
"""Documentation/admin-guide/reporting-regressions.rst, Linux 6.18."""


def mail(report: Report) -> str:
    """The whole mail, with the headers that a person fills in or checks."""
    people = [recipient.address for recipient in report.recipients if not recipient.is_list]
    copies = [recipient.address for recipient in report.recipients if recipient.is_list]
    copies += [REGRESSIONS] if report.introduced else []
    lines = [
        f"To: {', '.join(people) or _who(report)}",
        *([f"Cc: {', '.join(copies)}"] if copies else ()),
        f"Subject: {'[REGRESSION] ' if report.introduced else ''}{report.subject}",
        "",
        *_paragraph(f"Expected: {report.expected}"),
        "",
        "Seen:",
        *(line for seen in report.seen for line in _item(seen)),
        "",
        *_compared(report),
        "Environment:",
        *_pairs(report.environment.items()),
        "",
        *_reproducer(report),
        *_section("Evidence:", evidence_table(report)),
        *_since(report),
        *_section("Ruled out:", [line for text in report.ruled_out for line in _item(text)]),
        *_section("Would mend it:", [line for text in report.mends for line in _item(text)]),
        *_section("Limits of this:", [line for text in report.limits for line in _item(text)]),
    ]
    if report.introduced:
        # A paragraph of its own, as regzbot reads it.
        lines += [f"#regzbot introduced: {report.introduced}", ""]
    if report.program:
        lines += [f"--- {report.program_name} ---", "", *report.program.rstrip("\n").split("\n"), ""]
    return "\n".join(lines).rstrip("\n") + "\n"


def _who(report: Report) -> str:
    return f"({report.upstream.title}: {report.upstream.report.to if report.upstream.report else 'its list'})"


def _paragraph(text: str, indent: str = "") -> list[str]:
    return textwrap.wrap(
        text, _WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def _item(text: str) -> list[str]:
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent="- ",
        subsequent_indent="  ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _indented(text: str) -> list[str]:
    lines = textwrap.wrap(text, _WIDTH - 2, subsequent_indent="  ", break_long_words=False)
    return [f"  {line}" for line in lines]


def _pairs(pairs: Iterable[tuple[str, str]]) -> list[str]:
    listed = list(pairs)
    width = max((len(name) for name, _ in listed), default=0)
    return [
        line
        for name, value in listed
        for line in textwrap.wrap(
            value,
            _WIDTH,
            initial_indent=f"  {name + ':':{width + 1}} ",
            subsequent_indent=" " * (width + 4),
            break_long_words=False,
            break_on_hyphens=False,
        )
    ]


def _section(title: str, lines: Sequence[str]) -> list[str]:
    return [title, *lines, ""] if lines else []


def _compared(report: Report) -> list[str]:
    if report.compared is None:
        return []
    levels = [
        f"{report.labels.get(name) or name} {report.compared.factors.get(name, '?')}"
        for name in report.differs_in
    ]
    only = "only " if len(levels) == 1 else ""
    text = (
        f"It works ({report.compared.id}, {report.compared.source}) where {only}this differs: "
        f"{', '.join(levels)}."
    )
    return [*_paragraph(text), ""]


def _reproducer(report: Report) -> list[str]:
    if not report.reproducer:
        return []
    where = f" ({report.program_name} is at the end)" if report.program else ""
    commands = [f"  {command}" for command in report.reproducer.split("\n")]
    return [f"To see it{where}:", "", *commands, ""]


def _since(report: Report) -> list[str]:
    lines = [
        line
        for bracket in report.brackets
        for line in _item(f"{report.labels.get(bracket.factor) or bracket.factor}: {bracket.words}")
    ]
    for change in report.changes:
        since = ", ".join([change["first_in"], *change.get("also_in", ())])
        lines += _item(f"known change: {change['what']}, since {since}; before, {change['before']}")
        lines += [f'  {commit["id"]} ("{commit["title"]}")' for commit in change.get("commit", ())]
    for past in report.pasts:
        title, changes = past_words(past)
        lines += _item(title)
        lines += [line for text in changes for line in _indented(text)]
    if report.history is not None:
        span, shown = report.history.span, report.history.commits
        lines += _item(f"{len(shown)} of {report.history.count} commits in {span} touch what it is about:")
        for judged in shown:
            lines.append(f"  {judged.commit.short}")
    return _section("Since when, and what changed:", lines)


def evidence_table(report: Report) -> list[str]:
    """The cells as columns of text, and under them the hashes of what ran there."""
    heads = ["cell", *(report.labels.get(name) or name for name in report.columns), "result", "how", "seen"]
    rows = [[row.id, *row.levels, row.verdict, row.source, row.seen] for row in report.evidence]
    widths = [max(len(row[at]) for row in [heads, *rows]) for at in range(len(heads))]
    lines = [
        "  ".join(f"{value:{width}}" for value, width in zip(row, widths, strict=True)).rstrip()
        for row in [heads, *rows]
    ]
    hashes: dict[str, list[str]] = {}
    for row in report.evidence:
        for name, digest in row.hashes.items():
            hashes.setdefault(f"{name} sha256 {digest}", []).append(row.id)
    return [
        *lines,
        *([""] if hashes else []),
        *(f"{name} ({', '.join(ids)})" for name, ids in hashes.items()),
    ]
