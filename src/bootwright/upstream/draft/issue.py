"""A report as Markdown, for the page on which issues are opened."""

from __future__ import annotations

from collections.abc import Sequence

from bootwright.upstream.draft.report import Report, past_words


def issue(report: Report) -> str:
    """The whole text; its first line is the title."""
    lines = [
        f"# {report.subject}",
        "",
        *_section("Expected", [report.expected]),
        *_section("Seen", [f"- {_code_words(text)}" for text in report.seen]),
        *_compared(report),
        *_section("Environment", [f"- {name}: {value}" for name, value in report.environment.items()]),
        *_reproducer(report),
        *_section("Evidence", _table(report)),
        *_section("Since when, and what changed", _since(report)),
        *_section("Ruled out", [f"- {text}" for text in report.ruled_out]),
        *_section("Would mend it", [f"- {text}" for text in report.mends]),
        *_section("Limits of this", [f"- {text}" for text in report.limits]),
    ]
    if report.program:
        lines += [
            f"<details><summary>{report.program_name}</summary>",
            "",
            "```c",
            *report.program.rstrip("\n").split("\n"),
            "```",
            "",
            "</details>",
        ]
    return "\n".join(lines).rstrip("\n") + "\n"


def _section(title: str, lines: Sequence[str]) -> list[str]:
    return [f"## {title}", "", *lines, ""] if lines else []


def _code_words(text: str) -> str:
    """Paths of nodes and names of steps as code, so that nothing in them means anything."""
    name, colon, rest = text.partition(": ")
    return f"`{name}`: {rest}" if colon and ("/" in name) else text


def _compared(report: Report) -> list[str]:
    if report.compared is None:
        return []
    levels = ", ".join(
        f"{report.labels.get(name) or name} {report.compared.factors.get(name, '?')}"
        for name in report.differs_in
    )
    only = "only " if len(report.differs_in) == 1 else ""
    return [
        f"It works ({report.compared.id}, {report.compared.source}) where {only}this differs: {levels}.",
        "",
    ]


def _reproducer(report: Report) -> list[str]:
    if not report.reproducer:
        return []
    where = f" with {report.program_name}, below" if report.program else ""
    return [f"## To see it{where}", "", "```", report.reproducer, "```", ""]


def _table(report: Report) -> list[str]:
    heads = [
        "cell",
        *(report.labels.get(name) or name for name in report.columns),
        "result",
        "how",
        "seen",
        "sha256",
    ]
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    for row in report.evidence:
        hashes = ", ".join(f"{name} `{digest[:16]}`" for name, digest in row.hashes.items())
        cells = [row.id, *row.levels, row.verdict, row.source, row.seen, hashes]
        lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    whole = sorted({f"- {name} {digest}" for row in report.evidence for name, digest in row.hashes.items()})
    return [
        *lines,
        *(["", "<details><summary>whole hashes</summary>", "", *whole, "", "</details>"] if whole else []),
    ]


def _since(report: Report) -> list[str]:
    lines = [
        f"- {report.labels.get(bracket.factor) or bracket.factor}: {bracket.words}"
        for bracket in report.brackets
    ]
    for change in report.changes:
        since = ", ".join([change["first_in"], *change.get("also_in", ())])
        lines.append(f"- known change: {change['what']}, since {since}; before, {change['before']}")
        lines += [f'  - {commit["id"]} ("{commit["title"]}")' for commit in change.get("commit", ())]
        lines += [f"  - {source['title']}: <{source['url']}>" for source in change.get("source", ())]
    for past in report.pasts:
        title, changes = past_words(past)
        lines.append(f"- {title}")
        lines += [f"  - {text}" for text in changes]
    if report.history is not None:
        shown = report.history.commits
        lines.append(f"- {len(shown)} of {report.history.count} commits in {report.history.span} touch it:")
        lines += [f"  - {judged.commit.short}" for judged in shown]
    return lines
