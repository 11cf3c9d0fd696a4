import itertools

import pytest

from bootwright.foundation.verdict import Verdict
from bootwright.investigate.analysis.causes import CauseSpace
from bootwright.investigate.analysis.factors import make_factor
from bootwright.investigate.analysis.judge import judge, weigh_claim
from bootwright.investigate.analysis.known import known_at
from bootwright.investigate.analysis.observations import Observation, Source, weigh
from bootwright.investigate.running.investigation import study

PAGES = make_factor("pages", ["4K", "16K"])
KERNEL = make_factor("kernel", ["6.12", "6.16", "6.18"])
SPACE = CauseSpace([PAGES, KERNEL])
FAILS, WORKS = Verdict.FAILS, Verdict.WORKS


def seen(
    name: str, outcome: Verdict, pages: str, kernel: str, source: Source = Source.EMULATED, repeat: int = 0
) -> Observation:
    values = {"pages": (pages,), "kernel": (kernel,)}
    return Observation(name, values, {"mounts": outcome}, source, repeat=repeat)


SQUARE = [
    seen("a", FAILS, "16K", "6.12"),
    seen("b", FAILS, "4K", "6.12"),
    seen("c", WORKS, "16K", "6.16"),
    seen("d", WORKS, "4K", "6.18"),
]


def test_the_threshold_is_found_and_the_page_size_refuted_by_two_cells() -> None:
    judgement = judge(SPACE, SQUARE, "mounts")
    assert [str(cause) for cause in judgement.causes] == ["kernel before 6.16"]
    assert judgement.settled
    assert [(bracket.factor, bracket.fails, bracket.works) for bracket in judgement.brackets] == [
        ("kernel", "6.12", "6.16")
    ]
    assert [refuted.factor for refuted in judgement.refuted] == ["pages"]
    by = judgement.refuted[0].by
    cells = {observation.id: observation for observation in SQUARE}
    assert len(by) == 2
    assert cells[by[0]].level("pages") == cells[by[1]].level("pages")
    assert {cells[name].outcomes["mounts"] for name in by} == {FAILS, WORKS}


def test_two_confounded_reports_refute_nothing() -> None:
    judgement = judge(SPACE, [SQUARE[0], SQUARE[3]], "mounts")
    assert not judgement.settled
    assert judgement.refuted == ()
    assert {"pages = 16K", "kernel before 6.16", "kernel before 6.18"} <= {
        str(cause) for cause in judgement.causes
    }


def test_claims() -> None:
    assert weigh_claim(SPACE, SQUARE, "mounts", {"pages": "16K"}).status == "refuted"
    assert set(weigh_claim(SPACE, SQUARE, "mounts", {"pages": "16K"}).by) == {"b", "c"}
    assert weigh_claim(SPACE, SQUARE, "mounts", {"kernel": "<6.16"}).status == "stands"
    assert weigh_claim(SPACE, [SQUARE[0]], "mounts", {"pages": "16K"}).status == "open"
    assert weigh_claim(SPACE, [], "mounts", {"pages": "16K"}).status == "untested"


def test_a_claimed_bound_between_two_levels_means_the_next_level() -> None:
    assert weigh_claim(SPACE, SQUARE, "mounts", {"kernel": "<6.15"}).status == "stands"


def test_a_boot_outweighs_a_report_of_the_same_cell() -> None:
    judgement = judge(SPACE, [seen("r", WORKS, "4K", "6.12", Source.REPORTED), *SQUARE], "mounts")
    assert judgement.settled
    assert judgement.set_aside == ("r",)


def test_reports_that_fit_no_cause_are_set_aside_and_named() -> None:
    wrong = seen("r", WORKS, "16K", "6.12", Source.REPORTED)
    booted = [seen("a", FAILS, "4K", "6.12"), seen("b", FAILS, "16K", "6.16"), seen("c", WORKS, "4K", "6.18")]
    space = CauseSpace([PAGES, make_factor("kernel", ["6.12", "6.16", "6.18"])])
    judgement = judge(space, [wrong, *booted], "mounts")
    assert judgement.set_aside == ("r",)
    assert [str(cause) for cause in judgement.causes] == ["kernel before 6.18"]


def test_a_cell_that_does_both_is_flaky_and_counts_as_failing() -> None:
    twice = [seen("a", WORKS, "16K", "6.12"), seen("b", FAILS, "16K", "6.12", repeat=1)]
    weighed = weigh(twice, "mounts")
    assert [(flaky.works, flaky.fails, flaky.ids) for flaky in weighed.flaky] == [(1, 1, ("a", "b"))]
    assert [observation.outcomes["mounts"] for observation in weighed.counted] == [FAILS]


@pytest.mark.parametrize("source", [Source.BENCH, Source.REPORTED])
def test_nothing_is_concluded_where_boards_contradict_each_other(source: Source) -> None:
    cell = ("16K", "6.18")
    disputed = [seen("a", WORKS, *cell, source), seen("b", FAILS, *cell, source)]
    beneath = [seen("p", WORKS, *cell, Source.PREDICTED)] if source is Source.BENCH else []
    rest = [seen("c", WORKS, "4K", "6.18", Source.BENCH)]
    judgement = judge(SPACE, [*beneath, *disputed, *rest], "mounts")
    assert [observation.id for observation in judgement.kept] == ["c"]
    assert judgement.fails == 0
    assert not judgement.causes
    assert [dispute.ids for dispute in judgement.disputed] == [("a", "b")]
    assert judgement.set_aside == tuple(observation.id for observation in beneath)
    assert "contradict" in judgement.note
    values = disputed[0].values
    assert known_at(SPACE, judgement, values).verdict is Verdict.UNKNOWN


def test_a_disputed_board_that_leaves_factors_open_outweighs_no_prediction() -> None:
    open_cell = {"pages": ("16K",)}
    disputed = [
        Observation("a", open_cell, {"mounts": WORKS}, Source.BENCH),
        Observation("b", open_cell, {"mounts": FAILS}, Source.BENCH),
    ]
    foretold = [
        seen("p", WORKS, "16K", "6.12", Source.PREDICTED),
        seen("q", WORKS, "16K", "6.18", Source.PREDICTED),
    ]
    assert weigh([*disputed, *foretold], "mounts").outweighed == {}


def test_what_no_cause_explains_is_said_not_forced() -> None:
    factors = [make_factor(name, ["a", "b"]) for name in ("x", "y", "z")]
    observations = [
        Observation(
            f"o{n}",
            {f"{name}": (level,) for name, level in zip("xyz", levels, strict=True)},
            {"mounts": FAILS if levels.count("a") % 2 else WORKS},
            Source.BENCH,
        )
        for n, levels in enumerate(itertools.product("ab", repeat=3))
    ]
    judgement = judge(CauseSpace(factors), observations, "mounts")
    assert judgement.causes == ()
    assert judgement.either == ()
    assert not judgement.settled
    assert "a factor is missing" in judgement.note
    assert judgement.refuted == ()


def test_nothing_failed_means_nothing_to_explain() -> None:
    studied = study([seen("a", WORKS, "4K", "6.12"), seen("b", WORKS, "16K", "6.18")], "table")
    assert studied.judgements["mounts"].causes == ()
    assert studied.judgements["mounts"].note == "nothing failed in what was seen"


def test_two_causes_of_which_either_is_enough() -> None:
    tree = make_factor("dtb", ["own", "firmware"])
    board = make_factor("board", ["c0", "d0"])
    space = CauseSpace([PAGES, tree, board])
    cells = [
        ("4K", "own", "c0", WORKS),
        ("16K", "own", "c0", WORKS),
        ("4K", "firmware", "c0", FAILS),
        ("16K", "firmware", "c0", FAILS),
        ("4K", "own", "d0", FAILS),
        ("16K", "own", "d0", FAILS),
    ]
    observations = [
        Observation(f"o{n}", {"pages": (p,), "dtb": (d,), "board": (b,)}, {"mounts": v}, Source.PREDICTED)
        for n, (p, d, b, v) in enumerate(cells)
    ]
    judgement = judge(space, observations, "mounts")
    assert judgement.causes == ()
    assert {str(part.causes[0]) for part in judgement.either} == {"dtb = firmware", "board = d0"}
    assert {part.cells for part in judgement.either} == {("o2", "o3"), ("o4", "o5")}
    assert "any one being enough" in judgement.note


def test_every_part_contradicts_no_success_and_together_they_explain_every_failure() -> None:
    tree = make_factor("tree", ["a", "b"])
    space = CauseSpace([PAGES, tree, KERNEL])
    for pattern in range(1, 1 << 6):
        cells = [(p, t, k) for p in PAGES.levels for t in tree.levels for k in KERNEL.levels][:6]
        observations = [
            Observation(
                f"o{n}",
                {"pages": (p,), "tree": (t,), "kernel": (k,)},
                {"mounts": FAILS if pattern >> n & 1 else WORKS},
                Source.BENCH,
            )
            for n, (p, t, k) in enumerate(cells)
        ]
        judgement = judge(space, observations, "mounts")
        parts = [part.causes for part in judgement.either] or ([judgement.causes] if judgement.causes else [])
        if not parts:
            continue
        for observation in observations:
            hit = [
                any(space.failing(observation.values)[0] >> space.causes.index(cause) & 1 for cause in causes)
                for causes in parts
            ]
            if observation.outcomes["mounts"] is FAILS:
                assert any(hit)
            else:
                assert not any(hit)


def test_what_the_bench_saw_does_not_make_predicted_failures_forgotten() -> None:
    tree = make_factor("dtb", ["own", "firmware"])
    board = make_factor("board", ["c0", "d0"])
    space = CauseSpace([PAGES, tree, board])
    cells = [
        ("4K", "own", "c0", WORKS, Source.BENCH),
        ("16K", "own", "c0", WORKS, Source.PREDICTED),
        ("4K", "firmware", "c0", FAILS, Source.PREDICTED),
        ("16K", "own", "d0", FAILS, Source.PREDICTED),
    ]
    observations = [
        Observation(f"o{n}", {"pages": (p,), "dtb": (d,), "board": (b,)}, {"mounts": v}, source)
        for n, (p, d, b, v, source) in enumerate(cells)
    ]
    judgement = judge(space, observations, "mounts")
    assert judgement.set_aside == ()
    assert judgement.fails == 2
    explained = {name for part in judgement.either for name in part.cells} or {"o2", "o3"}
    assert explained == {"o2", "o3"}
