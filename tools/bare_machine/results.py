"""What the commands did on a bare system: read from their output, shown as a table, kept in docs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

# pytest's last line: `==== 1 failed, 1180 passed, 9 skipped in 701.20s (0:11:41) ====`
_TALLY = re.compile(r"^=+ (?P<counts>\d+ \w+(?:, \d+ \w+)*) in [\d.]+s.*=+$", re.MULTILINE)
_INSTALL = re.compile(r"^ +(sudo apt-get .*)$", re.MULTILINE)
_COLUMNS = ("suite", "user", "command", "exit", "time", "tests")
_START, _END = "<!-- results: written by tools/bare-machine --docs -->", "<!-- end of results -->"


@dataclass(frozen=True)
class Step:
    """One command that ran inside."""

    suite: str
    user: str
    command: str
    status: int
    expected: int
    seconds: float
    tests: str = ""
    """pytest's counts, `1180 passed, 9 skipped`; empty where no tests ran."""

    @property
    def good(self) -> bool:
        """Whether it ended as it must, with no test failed."""
        return self.status == self.expected and not re.search(r"\d+ (failed|errors?)", self.tests)


def tally(output: str) -> str:
    """The counts of the last pytest run in some output; empty where there is none."""
    totals = _TALLY.findall(output)
    return totals[-1] if totals else ""


def install_line(output: str) -> str | None:
    """The line that the set-up told an ordinary user to run."""
    lines = _INSTALL.findall(output)
    return lines[-1].strip() if lines else None


def table(steps: Sequence[Step]) -> list[str]:
    """The rows in Markdown, without a heading."""
    return [
        f"| {step.suite} | {step.user} | `{step.command}` | {step.status}"
        f"{'' if step.good else ' **wrong**'} | {_time(step.seconds)} | {step.tests} |"
        for step in steps
    ]


def heading() -> list[str]:
    """The table's heading in Markdown."""
    return [f"| {' | '.join(_COLUMNS)} |", f"|{'---|' * len(_COLUMNS)}"]


def keep(page: Path, suite: str, steps: Sequence[Step], note: str) -> None:
    """Put a suite's rows and its note in the page, in place of the last ones of the same suite.

    Raises `ValueError` when the page has no place for them.
    """
    text = page.read_text(encoding="utf-8")
    before, start, rest = text.partition(_START)
    old, end, after = rest.partition(_END)
    if not (start and end):
        raise ValueError(f"{page} has no place for results: {_START} … {_END}")
    lines = old.splitlines()
    rows = [line for line in lines if line.startswith("| ") and line not in heading()]
    notes = [line for line in lines if line.startswith("- ")]
    rows = sorted(
        [*(row for row in rows if not row.startswith(f"| {suite} |")), *table(steps)],
        key=lambda row: row.split("|")[1],
    )
    notes = sorted([*(line for line in notes if not line.startswith(f"- {suite}:")), f"- {suite}: {note}"])
    body = "\n".join([start, "", *heading(), *rows, "", *notes, "", end])
    page.write_text(before + body + after, encoding="utf-8")


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
