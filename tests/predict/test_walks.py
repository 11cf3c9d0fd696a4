"""The known walks of a driver by their questions: what a search through all finds, each asked once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bootwright.predict.probing.probes import _Kept, _Walks
from bootwright.predict.probing.terms import BOUND, Ending, Outcome, There

QUESTIONS = tuple(f"clocks|{name}|0" for name in "abcdef")
ANSWERS = st.fixed_dictionaries({question: st.sampled_from(There) for question in QUESTIONS})
WALKS = st.lists(
    st.lists(
        st.tuples(st.sampled_from(QUESTIONS), st.sampled_from(There)), max_size=5, unique_by=lambda a: a[0]
    ),
    max_size=12,
    unique_by=tuple,
)


def kept(answers: list[tuple[str, There]], number: int) -> _Kept:
    return _Kept(tuple(answers), Outcome(Ending.FAILS, (number,), ""))


@given(WALKS, ANSWERS)
def test_of_any_walks_one_that_fits_is_found(
    walks: list[list[tuple[str, There]]], there: dict[str, There]
) -> None:
    """Also of walks that no code makes, which ask other things after the same answers."""
    known = [kept(walk, number) for number, walk in enumerate(walks)]
    fitting = [walk for walk in known if all(there[question] is answer for question, answer in walk.answers)]
    matching = _Walks(known).matching(there.__getitem__)
    assert matching in fitting if fitting else matching is None


@given(st.data(), ANSWERS)
def test_each_question_of_code_is_asked_once_and_no_other(
    data: st.DataObject, there: dict[str, There]
) -> None:
    """Walks through code ask the same after the same answers."""
    walks: list[_Kept] = []

    def code(asked: list[tuple[str, There]]) -> None:
        left = [question for question in QUESTIONS if question not in dict(asked)]
        if len(walks) < 40 and left and data.draw(st.booleans()):
            question = data.draw(st.sampled_from(left))
            for answer in data.draw(st.sets(st.sampled_from(There), min_size=1)):
                code([*asked, (question, answer)])
        else:
            walks.append(kept(asked, len(walks)))

    code([])
    fitting = [walk for walk in walks if all(there[question] is answer for question, answer in walk.answers)]
    asked: list[str] = []

    def ask(question: str) -> There:
        asked.append(question)
        return there[question]

    matching = _Walks(walks).matching(ask)
    assert [matching] == (fitting or [None])
    assert len(asked) == len(set(asked))
    if matching is not None:
        assert asked == [question for question, _ in matching.answers]


def test_whether_one_waits_for_another_device_is_known_of_later_walks_too() -> None:
    walks = _Walks([kept([(QUESTIONS[0], There.YES)], 0)])
    assert not walks.wait
    walks.add(kept([(QUESTIONS[0], There.MISSING), (f"{BOUND}parent||0", There.YES)], 1))
    assert walks.wait
    assert walks.matching({QUESTIONS[0]: There.YES}.__getitem__) is walks.kept[0]
