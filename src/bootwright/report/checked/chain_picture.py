"""The way from the CPU to a goal's device as a picture: one SVG, a box for each device on it, in order.

Boxes have the classes `works`, `fails`, `unknown` and `broken` (of the first broken link); colours are the
style sheet's of the page it stands in.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from xml.sax.saxutils import escape

from attrs import frozen

from bootwright.foundation.verdict import Verdict, worst
from bootwright.predict.model import GoalVerdict, Link
from bootwright.report.words import clean

_WIDTH, _HIGH, _GAP = 320, 40, 14
"""Of the picture, of a box, and between two; in user units: it fits the narrowest telephone."""
_LETTERS = 40
"""Of a line in a box, at 12 units a letter's height."""
_DRIVER = "driver "
"""How the link begins that says which driver a node needs."""
_SIGNS = {Verdict.WORKS: "✓", Verdict.FAILS: "✗", Verdict.UNKNOWN: "?"}


@frozen
class Station:
    """One device of a chain, with all that it needs."""

    node: str
    """Devicetree path; `/` is the kernel as a whole."""
    driver: str
    """Empty where no driver stands in the chain."""
    verdict: Verdict
    is_broken: bool
    """Whether the first broken link is its."""


def stations(goal: GoalVerdict) -> tuple[Station, ...]:
    """The devices of a goal's chain in the order they come up, each once."""
    links: dict[str, list[Link]] = {}
    for link in goal.chain:
        links.setdefault(link.node, []).append(link)
    broken = goal.first_broken
    if broken is not None and all(broken is not link for link in itertools.chain(*links.values())):
        links.setdefault(broken.node, []).append(broken)
    return tuple(
        Station(
            node,
            next(
                (link.needs.removeprefix("driver ") for link in own if link.needs.startswith("driver ")), ""
            ),
            worst(link.verdict for link in own),
            broken is not None and broken.node == node,
        )
        for node, own in links.items()
    )


def chain_picture(name: str, goal: GoalVerdict) -> str:
    """The SVG element of the goal `name`. What comes from files is escaped, and cut to what fits."""
    shown = stations(goal)
    height = max(len(shown) * (_HIGH + _GAP) - _GAP, 0) + 4
    broken = goal.first_broken
    first = f", first broken at {broken.node}" if broken is not None else ""
    label = f"The chain of {name}: {len(shown)} devices, {goal.verdict.value}{first}"
    boxes = "\n".join(itertools.chain.from_iterable(_box(at, station) for at, station in enumerate(shown)))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="chain" width="{_WIDTH}" height="{height}" '
        f'viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{_attribute(clean(label, 300))}">\n'
        f"{boxes}\n</svg>"
    )


def _box(at: int, station: Station) -> Iterator[str]:
    top = at * (_HIGH + _GAP) + 2
    middle = _WIDTH / 2
    if at:
        yield f'<path class="way" d="M {middle} {top - _GAP} v {_GAP - 2} m -5 -6 l 5 6 l 5 -6"/>'
    state = f"{station.verdict.value} broken" if station.is_broken else station.verdict.value
    yield f'<g class="{state}"><title>{escape(clean(station.node, 300))}</title>'
    yield f'<rect x="2" y="{top}" width="{_WIDTH - 4}" height="{_HIGH}" rx="6"/>'
    yield f'<text class="sign" x="14" y="{top + 25}">{_SIGNS[station.verdict]}</text>'
    name = "kernel" if station.node == "/" else station.node.rpartition("/")[2]
    yield f'<text x="34" y="{top + (17 if station.driver else 25)}">{escape(_cut(name))}</text>'
    if station.driver:
        yield f'<text class="driver" x="34" y="{top + 33}">{escape(_cut(station.driver))}</text>'
    yield "</g>"


def _cut(text: str) -> str:
    text = clean(text, 4 * _LETTERS)
    return text if len(text) <= _LETTERS else f"{text[: _LETTERS - 1]}…"


def _attribute(text: str) -> str:
    return escape(text, {'"': "&quot;"})
