"""The search answers with the cheapest of the changes that work together, whatever hides behind what.

Images and boards are made up here: a set of names in place of an image, and a goal that works once certain
names are in it. What is broken behind the first broken link is not seen before that is mended, as on a board.
"""

from __future__ import annotations

import itertools
from typing import Any, cast

from attrs import evolve, frozen
from hypothesis import given
from hypothesis import strategies as st

from bootwright.foundation.progress import Silent
from bootwright.foundation.verdict import Verdict
from bootwright.images.change.changes import Changes
from bootwright.predict.given.gathered import Gathered
from bootwright.predict.model import Answer, Evidence, GoalVerdict, Link
from bootwright.predict.verdicts import BoardVerdicts
from bootwright.prepare.mends.search import Search
from bootwright.prepare.model import Judged, Mend, MendKind, Setup

NAMES = "abcdef"


@frozen
class Made:
    """In place of what an image holds."""

    applied: frozenset[str] = frozenset()


def judged(made: Made, needs: tuple[str, ...]) -> Judged:
    """The goal works once all of `needs` is there; the first that is not is the first broken link."""
    missing = next((name for name in needs if name not in made.applied), None)
    link = Link(missing or "/", "a change", Answer.NO if missing else Answer.YES, Evidence("x", "y"))
    verdict = Verdict.FAILS if missing else Verdict.WORKS
    goal = GoalVerdict("net", verdict, None, (link,), link if missing else None, (), ())
    board = BoardVerdicts(cast("Any", None), "only", None, "k", {"net": goal})
    return Judged((board,), ("net",))


def search_for(needs: tuple[str, ...], costs: dict[str, float]) -> Search:
    def mend(name: str) -> Mend:
        def apply(setup: Setup) -> Setup:
            made = cast("Made", setup.gathered)
            return evolve(setup, gathered=cast("Gathered", Made(made.applied | {name})))

        return Mend(MendKind.ARGUMENTS, name, "", costs[name], Changes, apply)

    mends = [mend(name) for name in costs]
    search = Search(lambda *_: iter(mends), lambda gathered: judged(cast("Made", gathered), needs), Silent())
    start = Made()
    search.begin(Setup(cast("Gathered", start)), judged(start, needs))
    return search


@given(
    st.lists(st.sampled_from(NAMES), unique=True, min_size=1, max_size=3).map(tuple),
    st.fixed_dictionaries({name: st.integers(1, 9).map(float) for name in NAMES}),
)
def test_up_to_three_changes_behind_each_other_are_found_and_no_more(
    needs: tuple[str, ...], costs: dict[str, float]
) -> None:
    search = search_for(needs, costs)
    answer = next(search.answers())
    assert {mend.title for mend in answer.mends} == set(needs)
    assert all(trial.rejected for trial in search.trials if trial is not answer)


@given(st.fixed_dictionaries({name: st.integers(1, 9).map(float) for name in NAMES}))
def test_of_single_changes_that_work_the_cheapest_is_answered_first(costs: dict[str, float]) -> None:
    def mend(name: str) -> Mend:
        works = cast("Gathered", Made(frozenset({"x"})))
        return Mend(
            MendKind.ARGUMENTS, name, "", costs[name], Changes, lambda setup: evolve(setup, gathered=works)
        )

    search = Search(
        lambda *_: iter([mend(name) for name in NAMES]),
        lambda gathered: judged(cast("Made", gathered), ("x",)),
        Silent(),
    )
    search.begin(Setup(cast("Gathered", Made())), judged(Made(), ("x",)))
    answers = list(itertools.islice(search.answers(), len(NAMES)))
    assert [trial.mends[0].cost for trial in answers] == sorted(costs.values())


def test_what_needs_four_changes_is_given_up() -> None:
    search = search_for(tuple("abcd"), dict.fromkeys(NAMES, 1.0))
    assert next(search.answers(), None) is None
    assert all(len(trial.mends) <= 3 for trial in search.trials)
