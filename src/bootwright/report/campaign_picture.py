"""A campaign as a picture: one SVG, tasks by priority, coloured by state, decision points as arrows."""

from __future__ import annotations

from collections.abc import Iterator
from xml.sax.saxutils import escape

from bootwright.investigate.campaign.model import Campaign, PointRow, State, TaskRow
from bootwright.report.words import clean, seconds

COLOURS = {
    State.DONE: "#2e7d32",
    State.REFUTED: "#b3261e",
    State.WAITING: "#b26a00",
    State.OPEN: "#1565c0",
    State.CLOSED: "#8a8f98",
    State.UNNEEDED: "#8a8f98",
    State.EXHAUSTED: "#6a4c93",
}
_BOX, _GAP, _HIGH = 232, 16, 92
"""Width of a box, space between two, height of a box; in user units."""
_LEFT, _TOP = 60, 66
_LETTERS = 32
"""Letters of a title's line in a box, at 12 units a letter's height."""


def picture(campaign: Campaign) -> str:
    """The SVG document. What comes from files of others is escaped, and cut to what fits."""
    rows = {
        priority: [task for task in campaign.tasks if task.priority == priority]
        for priority in dict.fromkeys(task.priority for task in campaign.tasks)
    }
    width = _LEFT + max((len(row) for row in rows.values()), default=1) * (_BOX + _GAP) + 20
    parts: list[str] = []
    at = _TOP
    for priority, tasks in rows.items():
        parts.append(_text(16, at + _HIGH / 2, priority, size=18, weight="bold"))
        for column, task in enumerate(tasks):
            parts += _box(task, _LEFT + column * (_BOX + _GAP), at)
        at += _HIGH + 10
        for point in campaign.points:
            if point.when.startswith(priority):
                at += 20
                parts += _arrow(point, at)
        at += 26
    head = _text(16, 24, clean(campaign.title, 100), size=16, weight="bold")
    state = "decided" if campaign.decided else "not decided"
    under = _text(16, 46, f"{campaign.verdict}, {state}", size=13)
    body = "\n".join([head, under, *parts])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{at}" '
        f'viewBox="0 0 {width} {at}" font-family="sans-serif" role="img">\n'
        f"<title>{escape(clean(campaign.title, 200))}</title>\n"
        '<rect width="100%" height="100%" fill="#fff"/>\n'
        f"{body}\n</svg>\n"
    )


def _box(task: TaskRow, x: float, y: float) -> Iterator[str]:
    colour = COLOURS[task.state]
    dashed = ' stroke-dasharray="5 4"' if task.state in {State.CLOSED, State.UNNEEDED} else ""
    yield (
        f'<rect x="{x}" y="{y}" width="{_BOX}" height="{_HIGH}" rx="8" fill="{colour}" fill-opacity="0.08" '
        f'stroke="{colour}" stroke-width="2"{dashed}/>'
    )
    yield _text(x + 10, y + 20, f"{task.id}  {task.state.value}", size=13, weight="bold", fill=colour)
    for number, line in enumerate(_split(clean(task.title, 80))):
        yield _text(x + 10, y + 40 + 15 * number, line)
    known = f"{task.verdict} ({task.source})" if task.source else str(task.verdict)
    yield _text(
        x + 10, y + _HIGH - 10, f"{known}; {seconds(task.hours * 3600)} estimated", size=11, fill="#555"
    )


def _arrow(point: PointRow, y: float) -> Iterator[str]:
    colour = "#1b1b1f" if point.holds else "#8a8f98"
    weight = "bold" if point.holds else "normal"
    goes = "the end" if point.ends else ", ".join(point.opens)
    way = f"M {_LEFT} {y - 4} h 26 m -7 -5 l 7 5 l -7 5"
    yield f'<path d="{way}" fill="none" stroke="{colour}" stroke-width="2"/>'
    yield _text(_LEFT + 36, y, clean(f"{point.when}: {goes}. {point.then}", 120), weight=weight, fill=colour)


def _split(title: str) -> list[str]:
    """At most two lines."""
    first = ""
    words = title.split()
    while words and len(first) + len(words[0]) < _LETTERS:
        first = f"{first} {words.pop(0)}".strip()
    rest = " ".join(words)
    return [first or rest[:_LETTERS], rest if len(rest) <= _LETTERS else rest[: _LETTERS - 1] + "…"][
        : 2 if rest else 1
    ]


def _text(
    x: float, y: float, text: str, *, size: int = 12, weight: str = "normal", fill: str = "#1b1b1f"
) -> str:
    return (
        f'<text x="{x}" y="{y}" font-size="{size}" font-weight="{weight}" fill="{fill}">{escape(text)}</text>'
    )
