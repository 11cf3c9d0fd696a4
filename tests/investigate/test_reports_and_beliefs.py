"""What made a report fail, and what became of a belief, from cells that differ in one thing."""

from attrs import evolve

from bootwright.foundation.verdict import Verdict
from bootwright.foundation.versions import Version
from bootwright.investigate.analysis.causes import CauseSpace
from bootwright.investigate.analysis.factors import make_factor
from bootwright.investigate.analysis.observations import Observation, Source
from bootwright.investigate.decision.beliefs import weigh_beliefs
from bootwright.investigate.decision.history import history_of
from bootwright.investigate.decision.reports import explain_reports
from bootwright.investigate.plans.plan import Belief, Plan, PlanOutcome
from bootwright.investigate.running.investigation import Investigation, look
from bootwright.kernels.changes import CHANGES

FAILS, WORKS = Verdict.FAILS, Verdict.WORKS
FACTORS = [
    make_factor("kernel", ["6.12.25", "6.18.6", "6.18.15", "7.3.4"]),
    make_factor("dtb", ["kernel", "firmware"]),
    make_factor("board", ["one", "two"]),
]
SPACE = CauseSpace(FACTORS)
HAZARD = {"goals": {"ethernet": {"hazards": [{"name": "bcm2712-d0-pinctrl", "effect": "fails"}]}}}


def cell(name: str, outcome: Verdict, kernel: str, dtb: str, board: str) -> Observation:
    values = {"kernel": (kernel,), "dtb": (dtb,), "board": (board,)}
    return Observation(name, values, {"ethernet": outcome}, Source.PREDICTED)


def report(kernel: str, dtb: str, *boards: str) -> Observation:
    values = {"kernel": (kernel,), "dtb": (dtb,)} | ({"board": boards} if boards else {})
    return Observation("report", values, {"ethernet": FAILS}, Source.REPORTED)


def investigation(*seen: Observation, belief: Belief | None = None) -> Investigation:
    plan = Plan(
        schema="bootwright/plan/1",
        name="p",
        title="",
        question="",
        wanted={},
        factor={},
        outcome={"ethernet": PlanOutcome(goal=True)},
        belief=[belief] if belief else [],
    )
    return look(SPACE, seen, seen, title="", outcomes=["ethernet"], goals=["ethernet"], plan=plan)


# Two causes, either enough: the firmware's devicetree, and board two with the kernel's.
GRID = (
    cell("a", FAILS, "6.18.15", "firmware", "one"),
    cell("b", FAILS, "6.18.15", "firmware", "two"),
    cell("c", WORKS, "6.18.15", "kernel", "one"),
    cell("d", FAILS, "6.18.15", "kernel", "two"),
)


def test_the_nearest_version_of_the_series_stands_for_a_report() -> None:
    (answer,) = explain_reports(investigation(report("6.18.6", "firmware", "one", "two"), *GRID))
    assert (answer.cells, answer.fails) == (("a", "b"), ("a", "b"))
    assert answer.differs == {"kernel": ("6.18.6", "6.18.15")}
    assert [(change.factor, change.fails, change.works) for change in answer.changes] == [("dtb", "a", "c")]
    assert answer.unmended == ("b",)


def test_another_series_stands_for_nothing() -> None:
    (answer,) = explain_reports(investigation(report("6.12.25", "firmware", "one"), *GRID))
    assert answer.cells == ()
    assert answer.changes == ()


def test_cells_that_work_where_the_report_fails_are_said_to() -> None:
    (answer,) = explain_reports(investigation(report("6.18.15", "kernel", "one", "two"), *GRID))
    assert answer.cells == ("c", "d")
    assert answer.fails == ("d",)


def test_a_settled_cause_explains_the_report_by_itself() -> None:
    grid = [
        cell(f"{kernel} {dtb} {board}", FAILS if dtb == "firmware" else WORKS, kernel, dtb, board)
        for kernel in FACTORS[0].levels
        for dtb in FACTORS[1].levels
        for board in FACTORS[2].levels
    ]
    (answer,) = explain_reports(investigation(report("6.18.6", "firmware", "one"), *grid))
    assert answer.settled


def belief(**cause: str) -> Belief:
    return Belief(id="B", says="", outcome="ethernet", cause=cause)


def test_a_belief_is_shown_where_just_what_it_blames_makes_the_difference() -> None:
    (answer,) = weigh_beliefs(investigation(*GRID, belief=belief(dtb="firmware")))
    assert answer.status == "shown"
    assert [(change.fails, change.works) for change in answer.changes] == [("a", "c")]


def test_a_belief_is_shown_in_part_where_one_of_two_things_was_varied() -> None:
    (answer,) = weigh_beliefs(investigation(*GRID, belief=belief(board="two", kernel="<6.19")))
    assert answer.status == "partly"
    assert [change.factor for change in answer.changes] == ["board"]
    assert answer.history == (), "no cell showed the symptom that the known change is about"


def test_a_belief_is_weakened_where_leaving_what_it_blames_did_not_mend_it_on_a_board() -> None:
    newer = cell("e", FAILS, "7.3.4", "kernel", "two")
    blamed = belief(board="two", kernel="<6.19")
    (answer,) = weigh_beliefs(investigation(*GRID, newer, belief=blamed))
    assert answer.status == "partly", "a prediction alone says little"
    shown = [evolve(row, source=Source.BENCH) for row in (GRID[3], newer)]
    (answer,) = weigh_beliefs(investigation(*GRID[:3], *shown, belief=blamed))
    assert answer.status == "weakened"
    assert answer.why == "changing kernel alone, from 6.18.15 to 7.3.4, did not mend it on a board"


def bounded(*levels: str) -> tuple[str, tuple[str, ...]]:
    """The status of "board two needs 6.19" where these kernels are known, the first fails, the last works."""
    space = CauseSpace([make_factor("kernel", levels), *FACTORS[1:]])
    seen = (
        cell("a", FAILS, levels[0], "firmware", "one"),
        cell("c", WORKS, levels[0], "kernel", "one"),
        cell("d", FAILS, levels[0], "kernel", "two"),
        cell("e", WORKS, levels[-1], "kernel", "two"),
    )
    plan = investigation(belief=belief(board="two", kernel="<6.19")).plan
    studied = look(space, seen, seen, title="", outcomes=["ethernet"], goals=["ethernet"], plan=plan)
    (answer,) = weigh_beliefs(studied)
    return answer.status, answer.unpinned


def test_a_bound_is_shown_only_where_nothing_lies_between_it_and_what_was_seen() -> None:
    assert bounded("6.18.15", "6.19.14") == ("shown", ())
    assert bounded("6.18.15", "6.18.20", "6.19.6", "6.19.14") == ("shown", ()), "updates of one series"
    assert bounded("6.18.15", "7.3.4") == ("shown", ()), "the first version there is from 6.19 on"
    assert bounded("6.18.15", "6.19.14", "7.3.4") == ("partly", ("kernel",)), "it may be 7.0"
    assert bounded("6.12.25", "6.16.3", "6.19.14") == ("partly", ("kernel",)), "it may be 6.16"


def test_the_history_speaks_of_the_version_a_belief_names_where_its_symptom_was_seen() -> None:
    seen = (*GRID[:3], evolve(GRID[3], evidence=HAZARD))
    (answer,) = weigh_beliefs(investigation(*seen, belief=belief(board="two", kernel="<6.19")))
    assert [(remark.version, remark.agrees) for remark in answer.history] == [("6.19", False)]
    (answer,) = weigh_beliefs(investigation(*seen, belief=belief(board="two", kernel="<7.0")))
    assert [(remark.version, remark.agrees) for remark in answer.history] == [("7.0", True)]


def test_a_change_is_in_its_own_series_and_in_everything_later() -> None:
    (change,) = [
        change for change in CHANGES.all().values() if change.symptom.get("hazard") == "bcm2712-d0-pinctrl"
    ]
    versions = {text: Version.parse(text) for text in ("6.18.31", "6.18.32", "6.19.14", "7.0", "7.3.4")}
    assert {text: change.is_in(version) for text, version in versions.items() if version} == {
        "6.18.31": False,
        "6.18.32": True,
        "6.19.14": False,
        "7.0": True,
        "7.3.4": True,
    }


def test_the_history_names_no_mend_with_which_it_was_seen_to_fail_too() -> None:
    """The change is in 7.3.4, and the cell that shows its symptom fails there all the same."""
    given = {"board": "two"}
    seen = (*GRID[:3], evolve(GRID[3], evidence=HAZARD))
    (known,) = history_of(investigation(*seen), given, None)
    version = Version.parse("7.3.4")
    assert version is not None
    assert known.change.is_in(version)
    beside = evolve(cell("e", FAILS, "7.3.4", "firmware", "two"), source=Source.BENCH)
    assert history_of(investigation(*seen, beside), given, None) == (known,), "the devicetree may be to blame"
    board = evolve(cell("f", FAILS, "7.3.4", "kernel", "two"), source=Source.BENCH)
    assert history_of(investigation(*seen, board), given, None) == ()
    other = evolve(board, id="g", outcomes={"ethernet": WORKS})
    assert history_of(investigation(*seen, board, other), given, None) == (known,), (
        "boards contradict each other"
    )
