"""Given factors: what a person has and cannot choose, and for which of it an answer is asked.

A plan is answered for each *given value*, a combination of levels of its given factors. A plan without
given factors has one, the empty one: everything in it can be chosen.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

from attrs import frozen

from bootwright.boards.model import Board, Stepping
from bootwright.boards.model import board as board_named
from bootwright.foundation.choices import hint_for, no_such
from bootwright.foundation.errors import Refused
from bootwright.investigate.analysis.observations import Values
from bootwright.investigate.plans.plan import Plan

Given = Mapping[str, str]
"""Given factor → its level; empty where a plan has no given factors."""
MAX_GIVEN = 64
"""Given values of one plan: an answer each is for people to read."""


def given_values(plan: Plan) -> tuple[Given, ...]:
    """Every combination of given levels that can be, in the plan's order.

    Raises `Refused` for more than `MAX_GIVEN`, for a level named twice, for a factor that is also wanted, and
    where every combination is impossible.
    """
    for name in plan.given:
        levels = plan.factor[name].given
        for doubled in (level for level in levels if levels.count(level) > 1):
            raise Refused(f"given levels of factor {name} name {doubled} twice", hint="name it once")
        if name in plan.wanted:
            raise Refused(
                f"factor {name} is given, and [wanted] names it too",
                hint="what a person has cannot be chosen: leave it out of [wanted], or give the one level",
            )
    size = math.prod(len(plan.factor[name].given) for name in plan.given)
    if size > MAX_GIVEN:
        raise Refused(
            f"the given factors have {size:,} combinations, more than {MAX_GIVEN}",
            hint="name fewer given levels",
        )
    combinations = itertools.product(*(plan.factor[name].given for name in plan.given))
    values = tuple(
        given
        for levels in combinations
        for given in [dict(zip(plan.given, levels, strict=True))]
        if plan.why_impossible({name: (level,) for name, level in given.items()}) is None
    )
    if not values:
        raise Refused(
            "every combination of given levels is impossible", hint="correct the [[impossible]] rules"
        )
    return values


def asked(
    plan: Plan, have: Sequence[str] = (), *, board: str | None = None, stepping: str | None = None
) -> tuple[Given, ...]:
    """The given values that somebody has: all of the plan's, or those that fit what is named.

    `have` are texts `factor=level`. A board's name, alone or with its stepping, is found through the
    devicetrees that the plan's experiments predict with. Raises `Refused` for what the plan does not have.
    """
    values = given_values(plan)
    if not have and board is None:
        return values
    if not plan.given:
        raise Refused(
            f"plan {plan.name} has no given factors, so it has one answer for everybody",
            hint='name them in the plan: given = ["…"] in a [factor.…] (docs/plans.md)',
        )
    named = _named(plan, have)
    fitting = [given for given in values if all(given[name] == level for name, level in named.items())]
    if board is not None:
        boards = sorted({tree.board for experiment in plan.experiment for tree in experiment.devicetree})
        if board not in boards:
            raise no_such(f"plan {plan.name} has no board {board!r}", board, boards, kind="its boards")
        fitting = [given for given in fitting if _is_of(silicon(plan, given), board, stepping)]
    if not fitting:
        what = ", ".join(filter(None, [*have, board, stepping]))
        raise Refused(
            f"plan {plan.name} has no answer for {what} at once",
            hint=f"it has one for: {'; '.join(text(given) for given in values)}",
        )
    return tuple(fitting)


def text(given: Given) -> str:
    """`board=rpi5-rev-1.1, hat=none`."""
    return ", ".join(f"{name}={level}" for name, level in given.items())


def fits(values: Values, given: Given) -> bool:
    """Whether a cell has a given value, exactly."""
    return all(values.get(name) == (level,) for name, level in given.items())


@frozen
class Silicon:
    """The board of a given value, as a board file knows it."""

    board: Board
    stepping: Stepping


def silicon(plan: Plan, given: Given) -> Silicon | None:
    """The board and stepping whose devicetrees stand for a given value; None where none or several do."""
    steppings = {
        (tree.board, tree.stepping)
        for experiment in plan.experiment
        for tree in experiment.devicetree
        for levels in [{**experiment.set, **tree.set}]
        if any(name in given for name in levels)
        and all(level == given[name] for name, level in levels.items() if name in given)
    }
    if len(steppings) != 1:
        return None
    ((name, stepping),) = steppings
    board = board_named(name)
    return Silicon(board, board.stepping(stepping))


def _named(plan: Plan, have: Sequence[str]) -> dict[str, str]:
    """Factor → level of texts `factor=level`."""
    named: dict[str, str] = {}
    for given in have:
        name, equals, level = given.partition("=")
        if not equals or not name or not level:
            example = f"{plan.given[0]}={plan.factor[plan.given[0]].given[0]}"
            raise Refused(f"{given!r} is no factor and level", hint=f"it looks like {example}")
        if name not in plan.factor:
            raise no_such(
                f"plan {plan.name} has no factor {name!r}", name, plan.given, kind="its given factors"
            )
        if name not in plan.given:
            raise Refused(
                f"factor {name} of plan {plan.name} is free: it can be chosen, and the answer chooses it",
                hint=hint_for("", plan.given, kind="its given factors"),
            )
        if level not in plan.factor[name].given:
            raise no_such(
                f"nobody has {name} {level!r} in plan {plan.name}",
                level,
                plan.factor[name].given,
                kind="it may be",
            )
        if named.setdefault(name, level) != level:
            raise Refused(
                f"{name} cannot be {named[name]} and {level} at once", hint="ask about one at a time"
            )
    return named


def _is_of(part: Silicon | None, board: str, stepping: str | None) -> bool:
    return part is not None and part.board.id == board and stepping in {None, part.stepping.name}
