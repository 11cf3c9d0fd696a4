"""The verdicts of one board, folded: what several goals or steppings share is there once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

from attrs import evolve, frozen

from bootwright.foundation.verdict import Verdict
from bootwright.predict.model import GoalVerdict, Hazard, Link
from bootwright.predict.verdicts import BoardVerdicts

_Shared = TypeVar("_Shared")
_ORDER = (Verdict.FAILS, Verdict.UNKNOWN, Verdict.WORKS)


@frozen
class Place:
    """One goal on one stepping."""

    stepping: str
    goal: str


@frozen
class Row:
    """Goals that have the same verdict for the same reason."""

    verdict: Verdict
    places: tuple[Place, ...]
    broken: tuple[Link, ...]
    """First broken links that say the same of different nodes; empty where nothing is broken."""


@frozen
class Warned:
    """A hazard and the goals that it threatens."""

    hazard: Hazard
    places: tuple[Place, ...]
    is_told: bool
    """Whether the text stands in a row already, as what breaks other goals."""


@frozen
class Unchecked:
    """Remarks on what no file can tell, of the same goals."""

    remarks: tuple[str, ...]
    goals: tuple[str, ...]


@frozen
class Folded:
    """What is predicted of one board, each thing once."""

    every: tuple[Place, ...]
    rows: tuple[Row, ...]
    """What fails first, then what is not known, then what works."""
    hazards: tuple[Warned, ...]
    unchecked: tuple[Unchecked, ...]
    """Of goals that do not fail for certain, for it bounds what `works` says; what touches most is first."""

    @property
    def goals(self) -> tuple[str, ...]:
        """The names of all goals."""
        return tuple(dict.fromkeys(place.goal for place in self.every))


def fold_board(judged: Sequence[BoardVerdicts]) -> Folded:
    """Fold the goals of one board's steppings."""
    goals = {
        Place(verdicts.stepping, name): _without_path(goal, str(verdicts.dtb))
        for verdicts in judged
        for name, goal in verdicts.goals.items()
    }
    rows = [
        Row(verdict, places, _distinct(goals[place].first_broken for place in places))
        for (verdict, *_), places in _grouped(
            (_what_breaks(goal), place) for place, goal in goals.items()
        ).items()
    ]
    rows.sort(key=lambda row: _ORDER.index(row.verdict))
    reasons = {link.reason for row in rows for link in row.broken}
    threats = _grouped(
        ((hazard.title, hazard.reason, hazard.remedy), place)
        for place, goal in goals.items()
        for hazard in goal.hazards
        if goal.first_broken is None or hazard.reason != goal.first_broken.reason
    )
    texts = {
        (hazard.title, hazard.reason, hazard.remedy): hazard
        for goal in goals.values()
        for hazard in goal.hazards
    }
    noted = {note for verdicts in judged for note in verdicts.notes}
    remarks = _grouped(
        (remark, place.goal)
        for place, goal in goals.items()
        if goal.verdict is not Verdict.FAILS
        for remark in goal.not_checked
        if remark not in noted
    )
    unchecked = _grouped((tuple(dict.fromkeys(names)), remark) for remark, names in remarks.items())
    return Folded(
        tuple(goals),
        tuple(rows),
        tuple(Warned(texts[key], places, texts[key].reason in reasons) for key, places in threats.items()),
        tuple(
            Unchecked(same, names)
            for names, same in sorted(unchecked.items(), key=lambda item: len(item[0]), reverse=True)
        ),
    )


def _without_path(goal: GoalVerdict, dtb: str) -> GoalVerdict:
    """A goal whose texts say `the devicetree` for its file, so that steppings can share them."""

    def general(text: str) -> str:
        return text.replace(dtb, "the devicetree")

    broken = goal.first_broken
    return evolve(
        goal,
        first_broken=broken and evolve(broken, reason=general(broken.reason), remedy=general(broken.remedy)),
        hazards=tuple(evolve(hazard, reason=general(hazard.reason)) for hazard in goal.hazards),
        not_checked=tuple(map(general, goal.not_checked)),
    )


def touched(places: Sequence[Place], every: Sequence[Place]) -> str:
    """The places in words, of all that there are: `d0: ethernet, usb`, `d0`, `ethernet`, or empty for all."""
    words = []
    for steppings, goals in by_steppings(places).items():
        of_all = set(steppings) == {place.stepping for place in every}
        of_each = {place for place in every if place.stepping in steppings} == {
            Place(stepping, goal) for stepping in steppings for goal in goals
        }
        parts = ([] if of_all else [", ".join(steppings)]) + ([] if of_each else [", ".join(goals)])
        words.append(": ".join(parts))
    return "; ".join(words)


def by_steppings(places: Iterable[Place]) -> dict[tuple[str, ...], tuple[str, ...]]:
    """Steppings → the goals of which it is exactly these."""
    goals = _grouped((place.goal, place.stepping) for place in places)
    return _grouped((steppings, goal) for goal, steppings in goals.items())


def _what_breaks(goal: GoalVerdict) -> tuple[Verdict, str, str, str]:
    broken = goal.first_broken
    if broken is None:
        return (goal.verdict, "", "", "")
    # Without a reason the node is all that is known; with one it may hold of several nodes.
    return (goal.verdict, broken.needs, broken.reason or broken.node, broken.remedy)


def _distinct(links: Iterable[Link | None]) -> tuple[Link, ...]:
    return tuple({link.node: link for link in links if link is not None}.values())


_Key = TypeVar("_Key")


def _grouped(pairs: Iterable[tuple[_Key, _Shared]]) -> dict[_Key, tuple[_Shared, ...]]:
    """Values by key, both in the order in which they first came."""
    groups: dict[_Key, list[_Shared]] = {}
    for key, value in pairs:
        groups.setdefault(key, []).append(value)
    return {key: tuple(values) for key, values in groups.items()}
