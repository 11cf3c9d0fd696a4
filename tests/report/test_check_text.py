"""The text of `check`: each thing once, the verdict first, no longer than the screen, and nothing lost."""

from __future__ import annotations

from pathlib import Path

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from bootwright.boards.model import board, boards
from bootwright.foundation.errors import Missing, Refused
from bootwright.foundation.verdict import Verdict
from bootwright.kernels.catalogue import open_library
from bootwright.predict.given.gather import gather
from bootwright.predict.model import Answer, Evidence, GoalVerdict, Hazard, Link, first_broken, fold
from bootwright.predict.verdicts import Asked, BoardVerdicts, judge_boards
from bootwright.report.checked.fold import Place, fold_board, touched
from bootwright.report.checked.text import Size, links, notes, screen, screens, terminal_size

PI5 = board("raspberrypi-5")
SIZES = (Size(80, 22), Size(100, 38))
"""80 x 24 and 100 x 40, less the command and the prompt."""


def link(number: int, answer: Answer) -> Link:
    return Link(
        f"/soc/node@{number}",
        "driver",
        answer,
        Evidence("test.dtb", "a rule"),
        f"reason-{number}-{answer.word}" if answer is not Answer.YES else "",
        remedy=f"remedy-{number % 3}" if answer is not Answer.YES else "",
    )


def hazard(number: int) -> Hazard:
    return Hazard(
        f"hazard-{number}", Verdict.UNKNOWN, f"title-{number}", f"threat-{number}", f"remedy-{number}", ("s",)
    )


@st.composite
def goal_verdicts(draw: st.DrawFn, name: str) -> GoalVerdict:
    numbers = draw(st.lists(st.integers(0, 5), max_size=4, unique=True))
    chain = tuple(link(number, draw(st.sampled_from(Answer))) for number in numbers)
    return GoalVerdict(
        name,
        fold(chain).verdict,
        "/goal",
        chain,
        first_broken(chain),
        tuple(hazard(number) for number in draw(st.lists(st.integers(0, 3), max_size=2, unique=True))),
        tuple(f"remark-{number}" for number in draw(st.lists(st.integers(0, 3), max_size=3, unique=True))),
    )


@st.composite
def of_a_board(draw: st.DrawFn) -> list[BoardVerdicts]:
    names = draw(st.lists(st.sampled_from(["ethernet", "console", "usb", "nvme"]), min_size=1, unique=True))
    return [
        BoardVerdicts(
            PI5,
            stepping,
            Path(f"{stepping}.dtb"),
            "test-kernel",
            {name: draw(goal_verdicts(name)) for name in names},
        )
        for stepping in draw(st.sampled_from([["c0"], ["c0", "d0"]]))
    ]


def told(judged: list[BoardVerdicts]) -> str:
    return " ".join("\n".join(screen(judged)).split())


@given(of_a_board())
def test_nothing_is_lost_and_each_thing_is_said_once(judged: list[BoardVerdicts]) -> None:
    text = told(judged)
    goals = [goal for verdicts in judged for goal in verdicts.goals.values()]
    for goal in goals:
        assert f"{goal.verdict.value}: " in text
        if goal.first_broken is not None:
            assert text.count(f"why: {goal.first_broken.reason}") == 1
            assert text.count(f"remedy: {goal.first_broken.remedy}") == 1
        for threat in goal.hazards:
            assert text.count(threat.reason) == 1
        for remark in goal.not_checked:
            certain = all(other.verdict is Verdict.FAILS for other in goals if remark in other.not_checked)
            assert text.count(remark) == (0 if certain else 1)


@given(of_a_board())
def test_the_folded_places_are_the_ones_judged(judged: list[BoardVerdicts]) -> None:
    folded = fold_board(judged)
    assert sorted(map(str, (place for row in folded.rows for place in row.places))) == sorted(
        map(str, folded.every)
    )
    by_place = {
        Place(verdicts.stepping, name): goal for verdicts in judged for name, goal in verdicts.goals.items()
    }
    for row in folded.rows:
        for place in row.places:
            broken = by_place[place].first_broken
            assert by_place[place].verdict is row.verdict
            assert (broken is None) is not bool(row.broken)
            assert broken is None or broken.node in {shown.node for shown in row.broken}
    order = [row.verdict for row in folded.rows]
    assert order == sorted(order, key=[Verdict.FAILS, Verdict.UNKNOWN, Verdict.WORKS].index)


@given(of_a_board(), st.sampled_from([Size(80, 14), *SIZES]))
def test_it_fits_the_screen_and_says_where_the_rest_is(judged: list[BoardVerdicts], size: Size) -> None:
    lines = screen(judged, size)
    whole = screen(judged, size.endless)
    assert size.lines is not None
    assert len(lines) <= size.lines
    assert lines[0] == whole[0]
    assert (lines == whole) is (len(whole) <= size.lines)
    assert lines == whole or "--explain" in lines[-1]
    names = {name for verdicts in judged for name in verdicts.goals}
    assert all(name in " ".join(lines) for name in names), "every goal has its verdict at any length"


def test_many_boards_are_their_verdicts_alone_where_they_do_not_fit() -> None:
    broken = link(1, Answer.NO)
    judged = [
        BoardVerdicts(
            candidate,
            "x",
            None,
            "k",
            {
                "ethernet": GoalVerdict("ethernet", Verdict.FAILS, "/e", (broken,), broken, (), ()),
                "usb": GoalVerdict("usb", Verdict.WORKS, "/u", (), None, (hazard(1),), ("a remark",)),
            },
        )
        for candidate in boards()
    ]
    whole = screens(judged)
    assert sum("first broken link" in line for line in whole) == len(judged)
    short = screens(judged, Size(100, 22))
    assert len(short) == len(judged) + 1 <= 22 or len(judged) > 21
    for candidate, line in zip(boards(), short, strict=False):
        assert line == f"{candidate.name}: fails: ethernet; works: usb"
    assert "--board" in short[-1]
    assert screens(judged[:1], Size(100, 22)) == screen(judged[:1], Size(100, 22))


def test_places_in_words() -> None:
    every = [Place(stepping, goal) for stepping in ("c0", "d0") for goal in ("ethernet", "usb", "nvme")]
    assert touched(every, every) == ""
    assert touched(every[3:], every) == "d0"
    assert touched([every[0], every[3]], every) == "ethernet"
    assert touched(every[:2], every) == "c0: ethernet, usb"
    assert touched([every[0], every[3], every[4]], every) == "ethernet; d0: usb"


def test_a_hazard_that_breaks_another_goal_is_not_told_twice() -> None:
    threat = hazard(1)
    broken = evolve(link(1, Answer.NO), reason=threat.reason)
    fails = GoalVerdict("usb", Verdict.FAILS, "/usb", (broken,), broken, (threat,), ())
    works = GoalVerdict("nvme", Verdict.WORKS, "/nvme", (), None, (threat,), ())
    judged = [BoardVerdicts(PI5, "c0", None, "k", {"usb": fails, "nvme": works})]
    text = told(judged)
    assert text.count(threat.reason) == 1
    assert "hazard of nvme too: title-1" in text
    assert "--explain" not in text


def test_steppings_share_what_differs_in_their_devicetrees_path_alone() -> None:
    judged = [
        BoardVerdicts(
            PI5,
            stepping,
            Path(f"/x/{stepping}.dtb"),
            "k",
            {"usb": GoalVerdict("usb", Verdict.WORKS, "/usb", (), None, (), (f"pci=x (/x/{stepping}.dtb)",))},
        )
        for stepping in ("c0", "d0")
    ]
    text = told(judged)
    assert text.count("pci=x (the devicetree)") == 1
    assert "devicetrees: c0 c0.dtb, d0 d0.dtb" in text


def test_the_size_is_the_terminals_or_what_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.delenv("LINES", raising=False)
    assert terminal_size() == Size(100, None), "no terminal here: nothing is left out"
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "24")
    assert terminal_size() == Size(80, 22)
    monkeypatch.delenv("COLUMNS")
    monkeypatch.setenv("LINES", "99999999999999999999")
    assert terminal_size() == Size(100, None)
    monkeypatch.setenv("LINES", "3")
    assert terminal_size().lines == 8


def test_notes_take_a_quarter_of_a_screen_at_most() -> None:
    remarks = [f"remark {number}" for number in range(30)]
    assert notes(remarks, Size(80)) == [f"note: {remark}" for remark in remarks]
    assert notes(remarks, Size(80, 22)) == [*notes(remarks[:5]), "note: 25 more notes, with --explain"]
    assert notes(["x " * 900], Size(80, 22)) == ["note: 1 note, with --explain"]
    assert notes([], Size(80, 22)) == []


def test_links_that_goals_share_stand_once() -> None:
    shared = tuple(link(number, Answer.YES) for number in range(4))
    own = link(9, Answer.YES)
    goals = {
        name: GoalVerdict(name, Verdict.WORKS, "/x", chain, None, (), ())
        for name, chain in (("ethernet", shared), ("usb", (*shared, own)))
    }
    text = "\n".join(links(BoardVerdicts(PI5, "c0", None, "k", goals)))
    assert text.count("/soc/node@2: driver") == 1
    assert "+ 4 links as of ethernet" in text
    assert "/soc/node@9: driver" in text


@pytest.mark.download
@pytest.mark.parametrize("name", ["debian-6.12-4k", "debian-6.18-4k"])
def test_every_board_fits_a_screen(name: str) -> None:
    from bootwright.foundation.progress import Silent

    try:
        kernel = open_library().get(name, modules=True)
    except (Missing, Refused) as error:
        pytest.skip(f"{name}: {error}")
    gathered = gather([kernel.name], Silent())
    facts = gathered.facts()
    judged_boards = 0
    for candidate in boards():
        try:
            judged = judge_boards(gathered, facts, [candidate], None, Asked())
        except Missing:
            continue  # this kernel has no devicetree of the board
        for size in SIZES:
            lines = screen(judged, size)
            assert size.lines is not None
            assert len(lines) <= size.lines, candidate.id
            assert any("first broken link" in line or "works" in line for line in lines) or size.lines < 30
        judged_boards += 1
    assert judged_boards > 8
